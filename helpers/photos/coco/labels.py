"""COCO-format data on disk: reading and checking ``labels.json``."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.lab.errors import LabError
from helpers.lab.files import read_json
from helpers.lab.units import how_many

DATA, LABELS = "data", "labels.json"
SECTIONS = ("images", "annotations", "categories")
FORMAT = "COCO's detection format: lists images, annotations and categories"
CURE = "compare the file with https://cocodataset.org/#format-data."


def read_labels(folder: Path) -> dict[str, Any]:
    """COCO's JSON of a folder with ``data/`` and ``labels.json``, checked.

    Raises:
        LabError: it is absent, does not parse, or names images that are absent.
    """
    labels = read_json(folder / LABELS, "run 01_download.ipynb, or put a COCO-format labels.json there.")
    try:
        require_sections(labels, folder)
        require_images(labels, folder)
        require_references(labels, folder)
        require_boxes(labels, folder)
    except (KeyError, TypeError, AttributeError) as error:
        raise LabError(
            f"an entry of {folder / LABELS} lacks a field or has one of a wrong kind: {error!r}.",
            FORMAT,
            CURE,
        ) from error
    return labels


def require_boxes(labels: Mapping, folder: Path) -> None:
    for entry in labels["annotations"]:
        if len(entry["bbox"]) != 4 or not all(math.isfinite(n) for n in entry["bbox"]):
            raise LabError(
                f"annotation {entry['id']} of {folder / LABELS} has the box {entry['bbox']}.",
                "four finite numbers: x, y, width, height in pixels",
                "repair the file, or leave the annotation out.",
            )


def require_sections(labels: Mapping, folder: Path) -> None:
    missing = [name for name in SECTIONS if not isinstance(labels.get(name), list)]
    if missing:
        raise LabError(
            f"{folder / LABELS} has no list {', '.join(missing)}.",
            FORMAT,
            CURE,
        )


def require_images(labels: Mapping, folder: Path) -> None:
    absent = [i["file_name"] for i in labels["images"] if not (folder / DATA / i["file_name"]).is_file()]
    if absent:
        raise LabError(
            f"{len(absent)} of {how_many(len(labels['images']), 'image')} named in {folder / LABELS} "
            f"{'is' if len(absent) == 1 else 'are'} absent, "
            f"the first is {absent[0]!r}.",
            f"every image in {folder / DATA}",
            "run 01_download.ipynb again, or put the images in place.",
        )


def require_references(labels: Mapping, folder: Path) -> None:
    images = {image["id"] for image in labels["images"]}
    categories = {category["id"] for category in labels["categories"]}
    if len(images) < len(labels["images"]) or len(categories) < len(labels["categories"]):
        raise LabError(
            f"{folder / LABELS} uses the id of an image or a category twice.",
            "unique ids",
            "repair the file.",
        )
    for entry in labels["annotations"]:
        if entry["image_id"] not in images or entry["category_id"] not in categories:
            raise LabError(
                f"annotation {entry.get('id')} of {folder / LABELS} names image {entry['image_id']} and "
                f"category {entry['category_id']}, of which one does not exist.",
                "ids of the lists images and categories",
                "repair the file, or leave the annotation out.",
            )
