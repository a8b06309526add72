"""What lies where in a folder of labelled photos, as tools export it."""

import functools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from helpers.lab.errors import LabError
from helpers.lab.files import read_json
from helpers.photos.coco.choosing import SUFFIXES, names_of_photos
from helpers.photos.coco.labels import SECTIONS
from helpers.photos.coco.names import PhotoNames
from helpers.photos.coco.repair import looks_like

# Ground truth and the folder of its photos, in the order in which they are looked for.
LAYOUTS = (
    ("annotations/instances_val2017.json", "val2017"),
    ("annotations/instances_val2017.json", "images/val2017"),
    ("labels.json", "data"),
    ("validation/labels.json", "validation/data"),
    ("valid/_annotations.coco.json", "valid"),
    ("annotations.json", "images"),
    ("annotations/instances_default.json", "images/default"),
    ("annotations/instances_default.json", "images"),
    ("result.json", "images"),
)
CALIBRATION = (
    "calibration/data",
    "calibration",
    "train2017",
    "images/train2017",
    "images/train",
    "train/data",
    "train/images",
    "train",
)
# Of several label files the one of these words is evaluated on, the first goes before the others.
SPLITS = ("val2017", "val", "valid", "validation", "test", "default", "", "train")
EXPECTED = (
    "one of these in it: " + "; ".join(f"{labels} and {photos}/" for labels, photos in LAYOUTS)
    + "; or else one COCO JSON, in it or one folder below, with its photos beside it or in images/, data/ or "
    "a folder of the split's name"
)  # fmt: skip
SAMPLE, MOST_LISTED = 50, 12
MOST_ABOVE = 2  # images/val2017 lies two folders deep
# What tells other formats: a pattern of a file's name, the format.
FOREIGN = (
    (r"data\.ya?ml|classes\.txt|obj\.names", "YOLO"),
    (r".*\.xml", "Pascal VOC's or CVAT's XML"),
    (r".*\.tfrecords?", "TFRecord"),
    (r".*\.csv", "a table of labels"),
    (r".*\.txt", "YOLO"),
)


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
    """Recognize the layout of a folder: the first of ``LAYOUTS``, or else the first JSON that has its photos.

    Raises:
        LabError: it holds neither, or cannot be read.
    """
    try:
        source = recognized(folder)
        if source is None:
            raise nothing_known(folder)
        source.labels.open("rb").close()  # whoever may not read it is told so here
        return source
    except OSError as error:
        raise LabError(
            f"{error.filename or folder} cannot be read: {error.strerror}.",
            "files and folders that you may read",
            "give yourself the right to read them (`ls -ld` shows whose they are), or use another folder.",
        ) from error


def recognized(folder: Path) -> Source | None:
    found = next(known_places(folder), None) or next(other_places(folder), None)
    if found is None:
        return None
    photos = (folder / name for name in CALIBRATION if names_of_photos(folder / name))
    return Source(*found, next((place for place in photos if place != found[1]), None))


def known_places(folder: Path) -> Iterator[tuple[Path, Path]]:
    for labels, photos in LAYOUTS:
        if (folder / labels).is_file() and (folder / photos).is_dir():
            yield folder / labels, folder / photos


def other_places(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Label files with the folder in which most of their photos are."""
    for labels in sorted(json_files(folder), key=lambda path: rank(path, folder)):
        names = names_in(labels)
        places = [place for place in photo_folders(labels, folder) if place.is_dir()]
        if names and places:
            counts = [found_in(place, names) for place in places]
            if max(counts):
                yield labels, places[counts.index(max(counts))]


def json_files(folder: Path) -> list[Path]:
    places = [folder, *(path for path in listed(folder) if path.is_dir())]
    return [path for place in places for path in listed(place) if path.suffix.lower() == ".json"]


def listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def split_of(path: Path, folder: Path) -> str:
    """The word for its split in a file's name or its folder's."""
    words = re.split(r"[^a-z0-9]+", str(path.relative_to(folder).with_suffix("")).lower())
    return next((split for split in SPLITS if split in words), "")


def rank(path: Path, folder: Path) -> tuple[int, int, str]:
    return SPLITS.index(split_of(path, folder)), len(path.parts), str(path)


def photo_folders(labels: Path, folder: Path) -> list[Path]:
    """Where the photos of a label file may be, likeliest first."""
    split = next((word for word in re.split(r"[_.-]+", labels.stem)[::-1] if (folder / word).is_dir()), "")
    split = split or split_of(labels, folder)
    beside = [labels.parent / "images", labels.parent / "data", labels.parent]
    apart = [folder / "images" / split, folder / split / "images", folder / split / "data", folder / split]
    return list(
        dict.fromkeys([*(apart if split else ()), *beside, folder / "images", folder / "data", folder])
    )


def names_in(labels: Path) -> tuple[str, ...]:
    state = labels.stat()
    return photo_names(labels, state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def photo_names(labels: Path, size_bytes: int, changed_ns: int) -> tuple[str, ...]:
    """Some of the names in a COCO JSON; none if it is something else. Size and time tell a changed file."""
    try:
        held = read_json(labels, "")
    except LabError:
        return ()
    if not isinstance(held, dict) or any(not isinstance(held.get(section), list) for section in SECTIONS):
        return ()
    named = [image.get("file_name") for image in held["images"][:SAMPLE] if isinstance(image, dict)]
    return tuple(name for name in named if isinstance(name, str))


def found_in(folder: Path, names: tuple[str, ...]) -> int:
    photos = PhotoNames(folder)
    return sum(photos.holds(place) for place in photos.places(names).values())


def nothing_known(folder: Path) -> LabError:
    if not folder.is_dir():
        return LabError(f"{folder} is no folder.", EXPECTED, "set COCO_DIR to the folder of your photos.")
    names = [path.name + "/" * path.is_dir() for path in listed(folder)]
    more = ", ..." if len(names) > MOST_LISTED else ""
    held = f" It holds: {', '.join(names[:MOST_LISTED])}{more}." if names else " It is empty."
    for places, where in ((holding(folder), "too deep"), (held_by(folder), "too shallow")):
        if places:
            return LabError(
                f"{folder} is {where}: it does not itself hold photos and their labels.{held}",
                "the folder that holds both",
                f"give that folder by --coco-dir or COCO_DIR: {' or '.join(map(str, places))}",
            )
    return LabError(
        f"{folder} holds no COCO data that is recognized{foreign(folder)}.{held}",
        EXPECTED,
        "export the labels in COCO's format from the tool that made them and put the files there under these "
        "names, set COCO_DIR to another folder, or run 01_download.ipynb.",
    )


def holding(folder: Path) -> list[Path]:
    """The folder around ``folder`` that would do in its stead, and of whose data it is a part."""
    above = folder.absolute().parents[:MOST_ABOVE]
    found = [place for place in above if (source := usable_source(place)) and is_part(folder, source)]
    # Of validation/ and what it lies in both would do; the photos to calibrate on lie beside it.
    known = [place for place in found if next(known_places(place), None)]
    return known[-1:] or found[:1]


def is_part(folder: Path, source: Source) -> bool:
    parts = [source.labels.parent, source.photos, *([source.calibration] if source.calibration else ())]
    return any(part.is_relative_to(folder.absolute()) for part in parts)


def held_by(folder: Path) -> list[Path]:
    """The folders in ``folder`` that would do in its stead."""
    inner = [path for path in listed(folder) if path.is_dir() and not path.name.startswith(".")]
    return [place for place in inner if usable_source(place)]


def usable_source(folder: Path) -> Source | None:
    """What a folder holds, if it has labels and photos; it may be any folder at all, full of other JSON."""
    try:
        if next(known_places(folder), None) is None and len(json_files(folder)) > MOST_LISTED:
            return None
        source = recognized(folder)
        names = names_in(source.labels) if source else ()
    except OSError:
        return None
    return source if names and (names_of_photos(source.photos) or found_in(source.photos, names)) else None


def foreign(folder: Path) -> str:
    """Which other format its files look like."""
    for path in json_files(folder):
        try:
            if likeness := looks_like(read_json(path, "")):
                return f"; {path.relative_to(folder)}{likeness}"
        except LabError:
            continue
    names = [name for _, _, files in os.walk(folder) for name in files if not name.lower().endswith(SUFFIXES)]
    kinds = (
        kind for pattern, kind in FOREIGN for name in names if re.fullmatch(pattern, name, re.IGNORECASE)
    )
    kind = next(kinds, "")
    return f"; its labels look like {kind}" if kind else ""
