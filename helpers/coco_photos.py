"""The photos of a COCO data set: looked at one by one, drawn by a seed, linked into another folder."""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from helpers.errors import LabError
from helpers.files import sha256_file
from helpers.photos import read_photo
from helpers.progress import progress

WORKERS = 4
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True)
class Look:
    """What came of looking at a photo.

    Attributes:
        entry: its entry among COCO's ``images``, with what was found out: ``sha256``, ``width``, ``height``.
        path: the file.
        sha256: of its content; None where there is no file.
        fault: why it cannot be used; empty if it can.
    """

    entry: dict[str, Any]
    path: Path
    sha256: str | None
    fault: str

    def state(self, split: str) -> dict[str, Any]:
        """For ``selection.json``."""
        known = {"split": split, "file": self.entry["file_name"], "sha256": self.sha256}
        return known | ({"skipped": self.fault} if self.fault else {})


def names_of_photos(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in os.scandir(folder) if entry.name.lower().endswith(SUFFIXES))


def digest(path: Path) -> str | None:
    """sha256 of its content; None where there is no file, or none that can be read."""
    try:
        return sha256_file(path) if path.is_file() else None
    except OSError:
        return None


def drawn(items: Sequence, seed: int) -> list:
    """All of them in a random order: the first few of it are a random subset."""
    return [items[i] for i in np.random.default_rng(seed).permutation(len(items))]


def choose(
    entries: Sequence[dict], photos: Path, most: int | None, others: Iterable[Look] = ()
) -> list[Look]:
    """Look at photos in this order until ``most`` can be used; unusable ones are among the result.

    A photo that is in ``others`` already, by content, or that comes twice, cannot be used.
    """
    wanted, position, looks = len(entries) if most is None else most, 0, []
    taken = {look.sha256: look.entry["file_name"] for look in others if not look.fault}
    names: set[str] = set()
    bar = progress(None, f"checking {photos.name}", "photo", total=min(wanted, len(entries)))
    with bar, ThreadPoolExecutor(WORKERS) as pool:
        while (lacking := wanted - sum(not look.fault for look in looks)) and position < len(entries):
            for item in pool.map(
                lambda entry: look_at(entry, photos), entries[position : position + lacking]
            ):
                looks.append(told_apart(item, taken, names))
                bar.update()
            position += lacking
    return looks


def told_apart(look: Look, taken: Mapping[str, str], names: set[str]) -> Look:
    """The same look, at fault if its photo is used already."""
    fault, name = look.fault, look.entry["file_name"]
    if not fault and look.sha256 in taken:
        fault = f"the same photo as {taken[look.sha256]}, which is in the other folder"
    if not fault and name in names:
        fault = "a second entry of the same file"
    names.add(name)
    return Look(look.entry, look.path, look.sha256, fault)


def look_at(entry: Mapping[str, Any], photos: Path) -> Look:
    """Decode a photo, and compare its size with what the labels say."""
    name = entry["file_name"]
    path = photos / name
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        return Look(dict(entry), path, None, "its name leads out of the folder")
    try:
        height, width = read_photo(path).shape[:2]
    except LabError as error:
        return Look(dict(entry), path, digest(path), error.found.replace(str(path), name).rstrip("."))
    sha256 = sha256_file(path)
    known = {"width": width, "height": height, **entry, "sha256": sha256}
    stated = known["width"], known["height"]
    wrong = f"{width} x {height} pixels as stored, where the labels say {stated[0]} x {stated[1]}"
    turned = ": they seem to be of the photo as turned by its EXIF tag" if stated == (height, width) else ""
    return Look(known, path, sha256, "" if stated == (width, height) else wrong + turned)


def link(path: Path, place: Path) -> None:
    """A hard link; where that cannot be, a symbolic one; where neither can, a copy."""
    place.parent.mkdir(parents=True, exist_ok=True)
    original = path.resolve()
    for way in (os.link, os.symlink):
        try:
            return way(original, place)
        except OSError:
            continue
    shutil.copyfile(original, place)
