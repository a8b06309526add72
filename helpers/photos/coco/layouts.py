"""What lies where in a folder of labelled photos, as tools export it."""

import functools
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from helpers.lab.errors import LabError
from helpers.lab.files import read_json
from helpers.photos.coco.choosing import names_of_photos
from helpers.photos.coco.labels import SECTIONS
from helpers.photos.coco.names import PhotoNames

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
# Words of one kind: between two files of one kind nothing chooses.
KIND_OF_SPLIT = {"val2017": "val", "valid": "val", "validation": "val", "default": ""}
SAMPLE = 50


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


def recognized(folder: Path) -> Source | None:
    found = next(known_places(folder), None) or next(other_places(folder), None)
    return Source(*found, calibration_in(folder, found[1])) if found else None


def calibration_in(folder: Path, evaluated: Path) -> Path | None:
    places = (folder / name for name in CALIBRATION if names_of_photos(folder / name))
    return next((place for place in places if place != evaluated), None)


def known_places(folder: Path) -> Iterator[tuple[Path, Path]]:
    for labels, photos in LAYOUTS:
        if (folder / labels).is_file() and (folder / photos).is_dir():
            yield folder / labels, folder / photos


def other_places(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Label files with the folder in which most of their photos are."""
    return with_photos(sorted(json_files(folder), key=lambda path: rank(path, folder)), folder)


def with_photos(files: Iterable[Path], folder: Path) -> Iterator[tuple[Path, Path]]:
    for labels in files:
        if place := place_of(labels, folder, names_in(labels)):
            yield labels, place


def place_of(labels: Path, folder: Path, names: tuple[str, ...]) -> Path | None:
    """The folder in which most of these photos are; None where they are in none."""
    places = [place for place in photo_folders(labels, folder) if place.is_dir()] if names else []
    counts = [found_in(place, names) for place in places]
    return places[counts.index(max(counts))] if max(counts, default=0) else None


def json_files(folder: Path) -> list[Path]:
    """In the folder and those in it; hidden ones, such as a notebook's copies, aside."""
    places = [folder, *inner_folders(folder)]
    found = (Path(entry) for place in places for entry in in_order(place) if entry.is_file())
    return [path for path in found if path.suffix.lower() == ".json"]


def inner_folders(folder: Path) -> list[Path]:
    return [Path(entry) for entry in in_order(folder) if entry.is_dir()]


def in_order(folder: Path) -> list[os.DirEntry]:
    """Entries that are not hidden; there may be 100,000 photos, so no path is made of each."""
    if not folder.is_dir():
        return []
    return sorted((e for e in os.scandir(folder) if not e.name.startswith(".")), key=lambda e: e.name)


def listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def split_of(path: Path, folder: Path) -> str:
    """The word for its split in a file's name or its folder's."""
    words = re.split(r"[^a-z0-9]+", str(path.relative_to(folder).with_suffix("")).lower())
    return next((split for split in SPLITS if split in words), "")


def kind_of(path: Path, folder: Path) -> str:
    split = split_of(path, folder)
    return KIND_OF_SPLIT.get(split, split)


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


@functools.lru_cache(maxsize=4096)
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
