"""Photos of one's own, in COCO's layout or another: made into the lab's two folders without copying them."""

import importlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.coco import CURE, DATA, FORMAT, LABELS, require_boxes, require_references, require_sections
from helpers.coco_photos import (
    UPRIGHT,
    WORKERS,
    Look,
    all_as_one,
    choose,
    digest,
    drawn,
    lay,
    names_of_photos,
)
from helpers.dataset import fiftyone
from helpers.errors import LabError
from helpers.files import atomic_folder, read_json, sha256_file, sha256_json, write_json, write_text

SELECTION = "selection.json"
VERSION = 1  # of what is written here
# Ground truth and the folder of its photos, in the order in which they are looked for.
LAYOUTS = (
    ("annotations/instances_val2017.json", "val2017"),
    ("annotations/instances_val2017.json", "images/val2017"),
    ("labels.json", "data"),
    ("validation/labels.json", "validation/data"),
    ("valid/_annotations.coco.json", "valid"),
    ("annotations.json", "images"),
)
CALIBRATION = ("calibration/data", "calibration", "train2017", "images/train2017", "train/data", "train")
EXPECTED = "one of these in it: " + "; ".join(f"{labels} and {photos}/" for labels, photos in LAYOUTS)


@dataclass(frozen=True)
class DataFolders:
    """COCO folders (``data/``, ``labels.json``): what is evaluated on, what ranges are calibrated on."""

    validation: Path
    calibration: Path


@dataclass(frozen=True)
class Source:
    """What a user's folder holds.

    Attributes:
        labels: COCO's JSON of the ground truth.
        photos: folder of its photos.
        calibration: folder of photos to calibrate on; None where the source has none.
    """

    labels: Path
    photos: Path
    calibration: Path | None

    @property
    def calibration_names(self) -> list[str]:
        return names_of_photos(self.calibration) if self.calibration else []


def find_source(folder: Path) -> Source:
    """Recognize the layout of a folder.

    Raises:
        LabError: it has none of ``LAYOUTS``.
    """
    for labels, photos in LAYOUTS:
        if (folder / labels).is_file() and (folder / photos).is_dir():
            holding = (folder / name for name in CALIBRATION if names_of_photos(folder / name))
            return Source(folder / labels, folder / photos, next(holding, None))
    raise LabError(
        f"{folder} " + ("holds no COCO data that is recognized." if folder.is_dir() else "is no folder."),
        EXPECTED,
        "put the files there under these names, set COCO_DIR to another folder, or run 01_download.ipynb.",
    )


def lay_out(
    source: Path, target: Path, images: int | None = None, calibration_images: int = 100, seed: int = 20
) -> DataFolders:
    """The lab's two folders, below ``target``, of the photos in ``source``; photos are linked, not copied.

    Calibration photos come from the source's own (``CALIBRATION``); where it has none, from the validation
    photos, which are then left out of evaluation. Beside the two folders lies ``selection.json``: what was
    chosen, left out and why. Entries of COCO's JSON pass unchanged; ``area``, ``iscrowd`` and ``id`` are
    filled in where they lack. A second call checks the photos' content and does nothing more.

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
        labels = read_source_labels(found.labels)
        with atomic_folder(folder) as temporary:
            fill(temporary, found, labels, wanted)
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
    folder = target / f"{source.resolve().name}-{key[:12]}"
    return DataFolders(folder / "validation", folder / "calibration")


def read_selection(folders: DataFolders) -> dict[str, Any]:
    """What ``lay_out`` chose.

    Returns:
        ``wanted``: its arguments; ``labels_sha256``; ``calibration_from``: name of a folder;
        ``excluded_ids``: ids of validation images that are calibrated on instead; ``filled``: fields that
        lacked -> how often; ``photos``: all that were looked at, each with ``split``, ``file``, ``sha256``
        and, where it was left out, the reason: ``skipped``.
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


def read_source_labels(path: Path) -> dict[str, Any]:
    """COCO's JSON, checked as ``coco.read_labels`` does, except for the photos, which are looked at later."""
    labels = read_json(path, "put COCO's annotations there, or give another folder.")
    try:
        for check in (require_sections, require_references, require_boxes):
            check(labels, path.parent)
        require_values(labels, path)
    except LabError as error:
        found = error.found.replace(str(path.parent / LABELS), str(path))
        raise LabError(found, error.expected, error.cure) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise LabError(
            f"an entry of {path} lacks a field or has one of a wrong kind: {error!r}.", FORMAT, CURE
        ) from error
    return labels


def require_values(labels: Mapping[str, Any], path: Path) -> None:
    """Raise unless names and numbers are such that the lab can tell images, categories and sizes apart."""
    names = [category["name"] for category in labels["categories"]]
    faults = {
        "two categories of one name": len(set(names)) < len(names),
        "an image id that is no integer": any(type(image["id"]) is not int for image in labels["images"]),
        "a file name that is no text": any(type(image["file_name"]) is not str for image in labels["images"]),
        "an area that is no number": any(
            not math.isfinite(entry.get("area", 0)) for entry in labels["annotations"]
        ),
    }
    for fault in (name for name, there in faults.items() if there):
        raise LabError(f"{path} has {fault}.", FORMAT, CURE)


def fill(folder: Path, source: Source, labels: Mapping[str, Any], wanted: Mapping) -> None:
    """Write both folders and ``selection.json``."""
    images = drawn(sorted(labels["images"], key=lambda image: image["id"]), wanted["seed"])
    calibration, most, looks = source.calibration_names, wanted["calibration_images"], {}
    if calibration:
        looks["validation"] = choose(images, source.photos, wanted["images"])
        others = [{"id": i, "file_name": name} for i, name in enumerate(calibration, start=1)]
        looks["calibration"] = choose(
            drawn(others, wanted["seed"]), source.calibration, most, looks["validation"]
        )
    else:
        # From the other end, so that more calibration photos change as few evaluation photos as they can.
        looks["calibration"] = choose(images[::-1], source.photos, most)
        taken = {look.entry["id"] for look in looks["calibration"]}
        rest = [image for image in images if image["id"] not in taken]
        looks["validation"] = choose(rest, source.photos, wanted["images"], looks["calibration"])
    looks["validation"] = all_as_one(looks["validation"])
    require_photos(source, looks)
    filled = write_split(folder / "validation", looks["validation"], labels, labels["annotations"])
    write_split(folder / "calibration", looks["calibration"], labels, [])
    excluded = [] if calibration else [look.entry["id"] for look in looks["calibration"] if not look.fault]
    facts = {
        "wanted": dict(wanted),
        "labels_sha256": sha256_file(source.labels),
        "calibration_from": (source.calibration or source.photos).name,
        "excluded_ids": sorted(excluded),
        "filled": filled,
        "photos": [look.state(split) for split, group in looks.items() for look in group],
    }
    write_json(folder / SELECTION, facts)


def require_photos(source: Source, looks: Mapping[str, Sequence[Look]]) -> None:
    for split, group in looks.items():
        if all(look.fault for look in group):
            first = f", the first ({group[0].entry['file_name']}) because: {group[0].fault}" if group else ""
            raise LabError(
                f"none of {len(group)} photos can be used for {split}{first}.",
                f"photos in {source.photos} that are named in {source.labels}, and others to calibrate on",
                "put whole photos there, or ask for fewer calibration images than there are photos.",
            )


def write_split(folder: Path, looks: Sequence[Look], labels: Mapping, annotations: Iterable[dict]) -> dict:
    """Link the photos and write their labels, in the order of image ids; return which fields were filled."""
    used = sorted((look for look in looks if not look.fault), key=lambda look: look.entry["id"])
    for look in used:
        lay(look, folder / DATA / look.entry["file_name"])
    ids = {look.entry["id"] for look in used}
    kept, filled = completed([entry for entry in annotations if entry["image_id"] in ids])
    chosen = {"images": [look.entry for look in used], "annotations": kept}
    write_text(folder / LABELS, json.dumps({**labels, **chosen}) + "\n")
    return filled


def completed(annotations: Sequence[dict]) -> tuple[list[dict], dict[str, int]]:
    """Annotations with all that the lab reads, and how often which field had to be filled in."""
    next_id = 1 + max((entry["id"] for entry in annotations if "id" in entry), default=0)
    complete, filled = [], {"area": 0, "iscrowd": 0, "id": 0}
    for number, entry in enumerate(annotations, start=next_id):
        width, height = entry["bbox"][2:]
        defaults = {"id": number, "area": width * height, "iscrowd": 0}
        complete.append(defaults | entry)
        for field in filled:
            filled[field] += field not in entry
    return complete, filled


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
