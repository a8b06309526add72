"""A user's folder: which data in it are meant, and what is said where that cannot be told."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from helpers.lab.errors import LabError
from helpers.lab.files import read_json
from helpers.photos.coco.choosing import SUFFIXES, names_of_photos
from helpers.photos.coco.layouts import (
    LAYOUTS,
    Source,
    calibration_in,
    found_in,
    inner_folders,
    json_files,
    kind_of,
    known_places,
    listed,
    names_in,
    place_of,
    recognized,
    with_photos,
)
from helpers.photos.coco.repair import looks_like, require_coco

EXPECTED = (
    "one of these in it: " + "; ".join(f"{labels} and {photos}/" for labels, photos in LAYOUTS)
    + "; or else one COCO JSON, in it or one folder below, with its photos beside it or in images/, data/ or "
    "a folder of the split's name"
)  # fmt: skip
MOST_LISTED = 12
MOST_ABOVE = 2  # images/val2017 lies two folders deep
# What tells other formats: a pattern of a file's name, the format.
FOREIGN = (
    (r"data\.ya?ml|classes\.txt|obj\.names", "YOLO"),
    (r".*\.xml", "Pascal VOC's or CVAT's XML"),
    (r".*\.tfrecords?", "TFRecord"),
    (r".*\.csv", "a table of labels"),
    (r".*\.txt", "YOLO"),
)


def folder_of(given: Path) -> Path:
    """The folder of a user's data, of which he may name the label file."""
    return given.parent if given.is_file() else given


def find_source(given: Path) -> Source:
    """What a user's folder holds: the first of ``LAYOUTS``, or else the one JSON that has its photos.

    Args:
        given: the folder, or one of its label files.

    Raises:
        LabError: it holds neither, or several of which nothing tells which is meant, or cannot be read.
    """
    try:
        source = source_of_file(given) if given.is_file() else recognized(given)
        if source is None:
            raise nothing_known(given)
        source.labels.open("rb").close()  # whoever may not read it is told so here
        if not given.is_file():
            require_one(given, source.labels)
        return source
    except OSError as error:
        raise LabError(
            f"{error.filename or given} cannot be read: {error.strerror}.",
            "files and folders that you may read",
            "give yourself the right to read them (`ls -ld` shows whose they are), or use another folder.",
        ) from error


def source_of_file(labels: Path) -> Source:
    """The photos of a label file that the user names, beside it or around it.

    Raises:
        LabError: it is no COCO JSON, or none of its photos is there.
    """
    names = names_in(labels)
    if not names:
        require_coco(read_json(labels, "give a COCO JSON, or the folder of your photos."), labels)
    around = labels.absolute().parents[:MOST_ABOVE]
    for folder in around:  # of a layout that is known, such as Roboflow's, the calibration photos are, too
        for found in known_places(folder):
            if found[0] == labels.absolute():
                return Source(*found, calibration_in(folder, found[1]))
    for folder in around:
        if place := place_of(labels, folder, names):
            return Source(labels, place, calibration_in(folder, place))
    first = f", such as {names[0]!r}" if names else ""
    raise LabError(
        f"none of the photos that {labels} names{first}, is in a folder beside it.",
        "its photos beside it, or in images/, data/ or a folder of the split's name",
        "move the file to its photos, or set COCO_DIR to another.",
    )


def require_one(folder: Path, labels: Path) -> None:
    """
    Raises:
        LabError: others in it could be meant as well as these labels.
    """
    # A layout with a folder of annotations or of the split says itself what is evaluated on.
    if labels.parent != folder and labels in [place[0] for place in known_places(folder)]:
        return
    rivals = sorted({labels, *rivals_of(labels, folder)})
    if len(rivals) > 1:
        raise LabError(
            f"{folder} holds {len(rivals)} sets of labels with their photos, and nothing tells which is "
            "meant: " + ", ".join(shown(path, folder) for path in rivals[:MOST_LISTED]),
            "one to evaluate on",
            "name the one that is meant by --coco-dir or COCO_DIR: "
            + " or ".join(map(str, rivals[:MOST_LISTED])),
        )


def rivals_of(labels: Path, folder: Path) -> Iterator[Path]:
    """Other label files with photos, of the same kind of split, and those of data sets further down."""
    kind = kind_of(labels, folder)
    alike = [path for path in json_files(folder) if kind_of(path, folder) == kind]
    yield from (found[0] for found in with_photos(alike, folder))
    for inner in inner_folders(folder):
        if kind_of(inner, folder) == kind and (source := usable_source(inner)):
            yield source.labels


def chosen_text(given: Path) -> str:
    """What of a user's folder is used for what, and what is left alone."""
    source, folder = find_source(given), folder_of(given)
    photos, labels = shown(source.photos, folder), shown(source.labels, folder)
    told = f"Evaluated are the photos in {photos}, by the labels {labels}"
    told += f"; calibrated on those in {shown(source.calibration, folder)}" if source.calibration else ""
    others = [
        path for path in json_files(folder) if source.labels != path and source.calibration != path.parent
    ]
    left = ", ".join(shown(path, folder) for path in others[:MOST_LISTED])
    more = ", ..." if len(others) > MOST_LISTED else ""
    return f"{told}; left alone: {left}{more}." if others else f"{told}."


def shown(path: Path, folder: Path) -> str:
    """A path in or around the user's folder, for people."""
    inside = path.relative_to(folder) if path.is_relative_to(folder) else path
    return f"{inside.as_posix()}{'/' * path.is_dir()}"


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
    return [place for place in inner_folders(folder) if usable_source(place)]


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
