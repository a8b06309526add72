"""Photos of one's own, in COCO's layout or another: made into the lab's two folders without copying them."""

import importlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.lab.errors import LabError
from helpers.lab.files import atomic_folder, read_json, sha256_file, sha256_json, write_json, write_text
from helpers.lab.units import how_many
from helpers.photos.coco.box_units import require_pixels
from helpers.photos.coco.choosing import UPRIGHT, WORKERS, Look, all_as_one, choose, digest, drawn, lay
from helpers.photos.coco.labels import DATA, LABELS
from helpers.photos.coco.layouts import Source
from helpers.photos.coco.names import PhotoNames
from helpers.photos.coco.repair import repaired
from helpers.photos.coco.users_folder import find_source, folder_of
from helpers.photos.dataset import fiftyone

SELECTION = "selection.json"
VERSION = 2  # of what is written here
SHARE = 5  # where a source has no photos of its own to calibrate on, one in so many is


@dataclass(frozen=True)
class DataFolders:
    """COCO folders (``data/``, ``labels.json``): what is evaluated on, what ranges are calibrated on."""

    validation: Path
    calibration: Path


def lay_out(
    source: Path, target: Path, images: int | None = None, calibration_images: int = 100, seed: int = 20
) -> DataFolders:
    """The lab's two folders, below ``target``, of the photos in ``source``; photos are linked, not copied.

    Calibration photos come from the source's own (``CALIBRATION``); where it has none, one in ``SHARE`` of
    the validation photos is left out of evaluation for it. Beside the two folders lies ``selection.json``:
    what was chosen, left out and why. COCO's JSON is read as tools write it (``coco_repair``). A second call
    checks the photos' content and does nothing more.

    Args:
        images: how many photos to evaluate on, drawn by ``seed``; None for all.
        calibration_images: how many to calibrate on; fewer where the source's own are fewer.

    Raises:
        LabError: the source is not recognized, its labels are broken, or no photo can be used.
    """
    wanted = {"images": images, "calibration_images": calibration_images, "seed": seed}
    found, folders = find_source(source), planned_folders(source, target, **wanted)
    folder = folders.validation.parent
    if not is_current(folder, found):
        with atomic_folder(folder) as temporary:
            fill(temporary, found, wanted)
    return folders


def planned_folders(
    source: Path, target: Path, images: int | None = None, calibration_images: int = 100, seed: int = 20
) -> DataFolders:
    """Where ``lay_out`` puts its folders, whether or not they are there.

    Raises:
        LabError: the source is not recognized, or nothing is wished for.
    """
    if calibration_images < 1 or (images is not None and images < 1):
        raise LabError(f"{images} images, {calibration_images} calibration images.", "at least one of each")
    found, wishes = find_source(source), [images, calibration_images, seed]
    key = sha256_json([VERSION, sha256_file(found.labels), found.calibration_names, wishes])
    folder = target / f"{folder_of(source).resolve().name}-{key[:12]}"
    return DataFolders(folder / "validation", folder / "calibration")


def read_selection(folders: DataFolders) -> dict[str, Any]:
    """What ``lay_out`` chose.

    Returns:
        ``wanted``: its arguments; ``labels``: the user's file; ``labels_sha256``; ``calibration_from``: name
        of a folder; ``excluded_ids``: ids of validation images that are calibrated on instead; ``repairs``:
        what was repaired in the labels, sentences; ``photos``: all that were looked at, each with ``split``,
        ``file``, ``sha256`` and, where it was left out, the reason: ``skipped``.
    """
    return read_json(folders.validation.parent / SELECTION, "run 01_download.ipynb again.")


def is_current(folder: Path, source: Source) -> bool:
    """Whether the folder is whole, and every photo that was looked at still has the same content."""
    try:
        selection = json.loads((folder / SELECTION).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    places = {"validation": source.photos, "calibration": source.calibration or source.photos}
    if any(not (folder / split / LABELS).is_file() for split in places):
        return False

    def same(photo: Mapping[str, Any]) -> bool:
        laid, given = folder / photo["split"] / DATA / photo["file"], places[photo["split"]] / photo["file"]
        if digest(given) != photo["sha256"]:
            return False
        if "skipped" in photo:
            return True
        if photo.get("used") == UPRIGHT:
            return laid.is_file()
        return laid.is_file() and (laid.samefile(given) or digest(laid) == photo["sha256"])

    with ThreadPoolExecutor(WORKERS) as pool:
        return all(pool.map(same, selection["photos"]))


def fill(folder: Path, source: Source, wanted: Mapping) -> None:
    """Write both folders and ``selection.json``."""
    raw = read_json(source.labels, "put COCO's annotations there, or give another folder.")
    labels, repairs = repaired(raw, source.labels, PhotoNames(source.photos))
    images = drawn(sorted(labels["images"], key=lambda image: image["id"]), wanted["seed"])
    looks = choose_apart(source, images, wanted) if source.calibration else share_out(source, images, wanted)
    looks["validation"] = all_as_one(looks["validation"])
    require_photos(source, looks["validation"])
    require_pixels(source.labels, [look.entry for look in usable(looks["validation"])], labels["annotations"])
    write_split(folder / "validation", looks["validation"], labels, labels["annotations"])
    write_split(folder / "calibration", looks["calibration"], labels, [])
    excluded = [] if source.calibration else [look.entry["id"] for look in usable(looks["calibration"])]
    facts = {
        "wanted": dict(wanted),
        "labels": str(source.labels),
        "labels_sha256": sha256_file(source.labels),
        "calibration_from": (source.calibration or source.photos).name,
        "excluded_ids": sorted(excluded),
        "repairs": repairs,
        "photos": [look.state(split) for split, group in looks.items() for look in group],
    }
    write_json(folder / SELECTION, facts)


def choose_apart(source: Source, images: Sequence[dict], wanted: Mapping) -> dict[str, list[Look]]:
    """Photos to evaluate on, and others of the source's own to calibrate on."""
    evaluated = choose(images, source.photos, wanted["images"])
    others = [{"id": i, "file_name": name} for i, name in enumerate(source.calibration_names, start=1)]
    order = drawn(others, wanted["seed"])
    calibrated = choose(order, source.calibration, wanted["calibration_images"], evaluated)
    return {"validation": evaluated, "calibration": calibrated}


def share_out(source: Source, images: Sequence[dict], wanted: Mapping) -> dict[str, list[Look]]:
    """One photo in ``SHARE`` to calibrate on, but no more than asked for; a single one is evaluated on."""
    photos = len(images)
    while True:
        shared = min(wanted["calibration_images"], max(1, photos // SHARE)) if photos > 1 else 0
        # From the other end, so that more calibration photos change as few evaluation photos as they can.
        calibrated = choose(images[::-1], source.photos, shared)
        taken = {look.entry["id"] for look in calibrated if not look.fault}
        rest = [image for image in images if image["id"] not in taken]
        evaluated = choose(rest, source.photos, wanted["images"], calibrated)
        whole = len(usable(calibrated)) + len(usable(evaluated))
        lacking = wanted["images"] is None or len(usable(evaluated)) < wanted["images"]
        if not lacking or whole >= photos:
            return {"calibration": calibrated, "validation": told_once(evaluated, calibrated)}
        photos = whole  # some cannot be used: their part of the share goes back


def told_once(looks: Sequence[Look], others: Sequence[Look]) -> list[Look]:
    known = {look.entry["id"] for look in others if look.fault}
    return [look for look in looks if look.entry["id"] not in known or not look.fault]


def usable(looks: Iterable[Look]) -> list[Look]:
    return [look for look in looks if not look.fault]


def require_photos(source: Source, looks: Sequence[Look]) -> None:
    if not usable(looks):
        first = f", the first ({looks[0].entry['file_name']}) because: {looks[0].fault}" if looks else ""
        raise LabError(
            f"none of {how_many(len(looks), 'photo')} can be used for validation{first}.",
            f"photos in {source.photos} that are named in {source.labels}",
            "put whole photos there, of the sizes that the labels say.",
        )


def write_split(folder: Path, looks: Sequence[Look], labels: Mapping, annotations: Iterable[dict]) -> None:
    """Link the photos and write their labels, in the order of image ids."""
    used = sorted(usable(looks), key=lambda look: look.entry["id"])
    for look in used:
        lay(look, folder / DATA / look.entry["file_name"])
    ids = {look.entry["id"] for look in used}
    kept = [entry for entry in annotations if entry["image_id"] in ids]
    chosen = {"images": [look.entry for look in used], "annotations": kept}
    write_text(folder / LABELS, json.dumps({**labels, **chosen}) + "\n")


def zoo_folder(folder: Path, images: int | None = None, seed: int = 20) -> Path:
    """COCO 2017 validation, downloaded by FiftyOne's zoo below ``folder`` (1 GB for all); for ``lay_out``.

    What is there already is not downloaded again.

    Args:
        images: how many photos, drawn by ``seed``, each by itself; None for all 5,000.

    Raises:
        LabError: the download failed.
    """
    options = {} if images is None else {"max_samples": images, "shuffle": True, "seed": seed}
    config, place = fiftyone().config, folder / "coco-2017"
    before, config.dataset_zoo_dir = config.dataset_zoo_dir, str(folder)
    try:
        zoo = importlib.import_module("fiftyone.zoo")
        zoo.download_zoo_dataset("coco-2017", split="validation", **options)
    except Exception as error:  # the zoo's, its HTTP client's and its archives' types have no common base
        raise LabError(
            f"FiftyOne's zoo could not download COCO 2017 validation: {error}.",
            f"annotations in {place / 'raw'}, photos in {place / 'validation' / DATA}",
            "try again with a network. Or get val2017.zip and annotations_trainval2017.zip from "
            "https://cocodataset.org/#download by another way, unpack both into one folder, and set "
            "COCO_DIR to it.",
        ) from error
    finally:
        config.dataset_zoo_dir = before
    return place
