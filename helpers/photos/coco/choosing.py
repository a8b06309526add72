"""The photos of a COCO data set: looked at one by one, drawn by a seed, linked into another folder."""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from helpers.lab.errors import LabError
from helpers.lab.files import sha256_file
from helpers.lab.progress import progress
from helpers.photos.decoding import read_photo

WORKERS = 4
ORIENTATION = 0x0112  # EXIF's tag
ON_THEIR_SIDE = (5, 6, 7, 8)
LEAST_SPREAD, LEAST_BRIGHT = 8, 24  # what a photo by night exceeds
UPRIGHT, UNTOLD = "turned upright", "as stored, which its size does not tell"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")


@dataclass(frozen=True)
class Look:
    """What came of looking at a photo.

    Attributes:
        entry: its entry among COCO's ``images``, with what was found out: ``sha256``, ``width``, ``height``.
        path: the file.
        sha256: of its content; None where there is no file.
        fault: why it cannot be used; empty if it can.
        orientation: its EXIF orientation, 1 to 8; 1 is as stored.
        turned: whether its labels are of the photo as displayed, so that it is used upright; None where its
            size does not tell.
        plain: why nothing can be seen on it; empty if something can.
    """

    entry: dict[str, Any]
    path: Path
    sha256: str | None
    fault: str
    orientation: int = 1
    turned: bool | None = False
    plain: str = ""

    def state(self, split: str) -> dict[str, Any]:
        """For ``selection.json``."""
        known = {"split": split, "file": self.entry["file_name"], "sha256": self.sha256}
        known |= {"skipped": self.fault} if self.fault else {"plain": self.plain} if self.plain else {}
        if self.fault or self.orientation == 1:
            return known
        told = {True: UPRIGHT, False: "as stored", None: UNTOLD}
        return known | {"orientation": self.orientation, "used": told[self.turned]}


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
    return replace(look, fault=fault)


def all_as_one(looks: Sequence[Look]) -> list[Look]:
    """Photos of which the size does not tell are used as those of which it does, if these agree.

    A labelling tool shows all photos upright or none: where the labels of some are of the photo as displayed,
    and of none as stored, all are.
    """
    telling = {look.turned for look in looks if look.orientation != 1 and not look.fault}
    displayed = True in telling and False not in telling
    return [replace(look, turned=True) if displayed and look.turned is None else look for look in looks]


def look_at(entry: Mapping[str, Any], photos: Path) -> Look:
    """Decode a photo, and compare its size with what the labels say."""
    name = entry["file_name"]
    path = photos / name
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        return Look(dict(entry), path, None, "its name leads out of the folder")
    try:
        photo = read_photo(path)
        height, width = photo.shape[:2]
    except LabError as error:
        return Look(dict(entry), path, digest(path), error.found.replace(str(path), name).rstrip("."))
    known = {"width": width, "height": height, **entry, "sha256": sha256_file(path)}
    return replace(held_against(known, path, width, height), plain=plain(photo))


def plain(photo: np.ndarray) -> str:
    """Why nothing can be seen on RGB uint8 ``[H, W, 3]``; empty if something can."""
    darkest, brightest = int(photo.min()), int(photo.max())
    nothing = brightest - darkest < LEAST_SPREAD or brightest < LEAST_BRIGHT
    return f"its values are {darkest} to {brightest} of 255" if nothing else ""


def held_against(known: dict[str, Any], path: Path, width: int, height: int) -> Look:
    """A photo's size as stored against that in its labels, which may be that as displayed."""
    sha256, orientation = known["sha256"], orientation_of(path)
    stated = known["width"], known["height"]
    on_its_side = orientation in ON_THEIR_SIDE
    if stated == (width, height):
        told = on_its_side and width != height
        return Look(known, path, sha256, "", orientation, None if orientation != 1 and not told else False)
    if stated == (height, width) and on_its_side:
        return Look(known, path, sha256, "", orientation, True)
    wrong = f"{width} x {height} pixels as stored, where the labels say {stated[0]} x {stated[1]}"
    return Look(known, path, sha256, wrong)


def orientation_of(path: Path) -> int:
    """EXIF's orientation, 1 to 8; 1 where there is none, or none that means anything."""
    try:
        with Image.open(path) as image:
            found = image.getexif().get(ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError):
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def lay(look: Look, place: Path) -> None:
    """Put a photo where the lab reads it: linked, or turned upright, without a loss, under the same name."""
    if not look.turned:
        return link(look.path, place)
    place.parent.mkdir(parents=True, exist_ok=True)
    stored = Image.fromarray(read_photo(look.path))  # of any mode, not all of which PNG has
    stored.getexif()[ORIENTATION] = look.orientation
    ImageOps.exif_transpose(stored).save(place, format="PNG", exif=b"")


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
