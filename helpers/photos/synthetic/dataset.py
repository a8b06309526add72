"""The embedded data set on disk: a COCO folder (``data/*.jpg``, ``labels.json``) per split."""

import io
import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from PIL import Image

from helpers.lab.errors import unknown_name
from helpers.lab.files import read_json, require_free_space, sha256_bytes, write_bytes, write_json
from helpers.lab.progress import progress
from helpers.photos.synthetic.scene import Object, make_photo
from helpers.photos.synthetic.shapes import CATEGORIES

SEED = 2017
# Splits share no seed: photo i of a split is drawn from the seed sequence (SEED, split's number, i).
SPLITS = MappingProxyType({"train": 1, "calibration": 2, "validation": 3})
BYTES_PER_PHOTO = 40_000
CATEGORY_IDS = MappingProxyType({name: i for i, name in enumerate(CATEGORIES, start=1)})


@dataclass(frozen=True)
class Photo:
    """One finished photo: JPEG bytes and its COCO entries (annotation ids are set later)."""

    file_name: str
    jpeg: bytes
    image: dict
    annotations: list[dict]


def split_number(split: str) -> int:
    try:
        return SPLITS[split]
    except KeyError:
        raise unknown_name("split", split, SPLITS) from None


def render_photo(split: str, index: int, seed: int = SEED) -> tuple[np.ndarray, list[Object], int]:
    """Photo ``index`` of a split: RGB uint8 ``[H, W, 3]``, its objects, its JPEG quality."""
    random = np.random.default_rng([seed, split_number(split), index])
    quality = int(random.integers(82, 96))
    return *make_photo(random), quality


def encode_photo(split: str, index: int, seed: int = SEED) -> Photo:
    pixels, objects, quality = render_photo(split, index, seed)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    name, image_id = f"{split}_{index:06d}.jpg", index + 1
    image = {"id": image_id, "file_name": name, "width": pixels.shape[1], "height": pixels.shape[0]}
    return Photo(name, buffer.getvalue(), image, [annotation(o, image_id) for o in objects])


def annotation(item: Object, image_id: int) -> dict:
    """COCO's annotation of one object; ``area`` counts the visible pixels, as COCO's does."""
    return {
        "image_id": image_id,
        "category_id": CATEGORY_IDS[item.category],
        "bbox": [float(n) for n in item.box_xywh],
        "area": float(item.area),
        "iscrowd": int(item.crowd),
    }


def write_photo(folder: Path, split: str, seed: int, index: int) -> None:
    """Write photo and part file; the part comes last, so its presence means that both are whole."""
    cv2.setNumThreads(1)
    part = folder / "parts" / f"{index:06d}.json"
    if part.exists():
        return
    photo = encode_photo(split, index, seed)
    write_bytes(folder / "data" / photo.file_name, photo.jpeg)
    digest = sha256_bytes(photo.jpeg)
    write_json(part, {"image": photo.image | {"sha256": digest}, "annotations": photo.annotations})


def collect_labels(folder: Path, count: int) -> dict:
    """COCO's JSON from the part files."""
    parts = [read_json(folder / "parts" / f"{i:06d}.json", "") for i in range(count)]
    annotations = [a for part in parts for a in part["annotations"]]
    return {
        "info": {"description": "Synthetic photos of the quantization lab", "version": "1"},
        "licenses": [],
        "categories": [{"id": i, "name": name} for name, i in CATEGORY_IDS.items()],
        "images": [part["image"] for part in parts],
        "annotations": [{"id": i, **a} for i, a in enumerate(annotations, start=1)],
    }


def split_folder(root: Path, split: str, count: int, seed: int = SEED) -> Path:
    return root / f"synthetic-{seed}" / f"{split}-{count}"


def generate_split(root: Path, split: str, count: int, seed: int = SEED, workers: int = 2) -> Path:
    """Make a split of ``count`` photos below ``root`` unless it is whole; return its folder.

    Interrupted work goes on at the first missing photo.
    """
    split_number(split)
    folder = split_folder(root, split, count, seed)
    damaged = damaged_photos(folder)
    if damaged == []:
        return folder
    require_free_space(folder, count * BYTES_PER_PHOTO)
    for name in damaged or []:
        (folder / "parts" / f"{Path(name).stem.split('_')[1]}.json").unlink(missing_ok=True)
    work = partial(write_photo, folder, split, seed)
    # Forked workers would inherit the locks of OpenCV's and TensorFlow's threads, and could wait for ever.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        results = pool.map(work, range(count), chunksize=16)
        list(progress(results, f"drawing {split} photos", "photo", total=count))
    write_json(folder / "labels.json", collect_labels(folder, count))
    return folder


def damaged_photos(folder: Path) -> Sequence[str] | None:
    """Names of photos whose bytes are not those of the labels; None if there are no labels yet."""
    try:
        labels = json.loads((folder / "labels.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return [i["file_name"] for i in labels["images"] if not photo_whole(folder, i)]


def photo_whole(folder: Path, image: dict) -> bool:
    path = folder / "data" / image["file_name"]
    return path.is_file() and sha256_bytes(path.read_bytes()) == image["sha256"]
