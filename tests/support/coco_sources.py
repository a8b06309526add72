"""Small folders in COCO's layouts, for tests of what is made of them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.photos.coco.folders import DataFolders, read_selection
from helpers.photos.coco.labels import read_labels

LAYOUTS = [
    ("annotations/instances_val2017.json", "val2017"),
    ("annotations/instances_val2017.json", "images/val2017"),
    ("labels.json", "data"),
    ("validation/labels.json", "validation/data"),
    ("valid/_annotations.coco.json", "valid"),
    ("annotations.json", "images"),
]
CATEGORIES = [{"id": 3, "name": "ball", "supercategory": "toy"}, {"id": 90, "name": "crate"}]


def write_photo(path: Path, seed: int, width: int = 9, height: int = 7, mode: str = "RGB", **options) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path, **options)


def entries(count: int) -> tuple[list[dict], list[dict]]:
    """Images with ids 10, 17, ...; image i has i % 3 objects, some of them crowds."""
    images = [
        {"id": 10 + 7 * i, "file_name": f"{i:04d}.jpg", "width": 9, "height": 7, "license": i % 4}
        for i in range(count)
    ]
    annotations = [
        {
            "id": 100 * i + n,
            "image_id": 10 + 7 * i,
            "category_id": 90 if n else 3,
            "bbox": [1.5, n, 2.25, 3],
            "area": 5.0625 + n,
            "iscrowd": int(i % 5 == 4),
            "ignore": int(i % 4 == 3),
            "segmentation": [[1.5, 0, 3.75, 0, 3.75, 3]],
        }
        for i in range(count)
        for n in range(i % 3)
    ]
    return images, annotations


def make_source(
    folder: Path, count: int = 12, calibration: int = 0, layout: tuple[str, str] = LAYOUTS[0]
) -> Path:
    images, annotations = entries(count)
    for number, image in enumerate(images):
        write_photo(folder / layout[1] / image["file_name"], number)
    for number in range(calibration):
        write_photo(folder / "calibration" / f"c{number}.jpg", 1000 + number)
    write_labels(folder, images, annotations, layout[0])
    return folder


def write_labels(folder: Path, photos: list, objects: list, name: str = LAYOUTS[0][0], **changes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    labels = {"info": {"year": 1}, "images": photos, "annotations": objects, "categories": CATEGORIES}
    (folder / name).write_text(json.dumps(labels | changes))


READ = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")


def as_read(annotations: list[dict]) -> list[dict]:
    """What the lab keeps of annotations that need no repair."""
    return [{name: a[name] for name in READ} | {"source_id": str(a["id"])} for a in annotations]


def ids(folder: Path) -> list[int]:
    return [image["id"] for image in read_labels(folder)["images"]]


def names(folder: Path) -> list[str]:
    return [image["file_name"] for image in read_labels(folder)["images"]]


def skipped(folders: DataFolders) -> dict[str, str]:
    photos = read_selection(folders)["photos"]
    return {photo["file"]: photo["skipped"] for photo in photos if "skipped" in photo}


def absent(path):
    path.unlink()
