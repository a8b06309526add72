"""Detectors that no one has seen, each with photos whose truth is what other software finds with it.

Where a detector's own detections, taken by OpenCV or TensorFlow, are the truth, its AP through the whole
suite is 1: reading, resizing, cutting, decoding, matching of names and the metric have nowhere to hide.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
from PIL import Image

from helpers.models.darknet.architecture import parse_architecture
from tests.models.darknet import generate
from tests.support import savedmodel_designs as designs
from tests.support.own_tflite_files import CLASSES, grid_anchors, heads_bytes

Found = tuple[np.ndarray, np.ndarray]  # boxes [N, 4] as x, y, width, height in pixels; classes 0, 1, ... [N]
LEAST_SCORE = 0.001
SIZES = ((90, 120), (150, 97), (64, 64), (203, 180), (97, 131), (120, 120))


@dataclass(frozen=True)
class Made:
    """A detector on disk.

    Attributes:
        name: what a user types to name it.
        categories: names of its classes.
        detect: what other software finds on a photo, uint8 ``[height, width, 3]``.
    """

    name: str
    categories: tuple[str, ...]
    detect: Callable[[np.ndarray], Found]


def photo(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A photo of coarse coloured squares: JPEG and resizing keep them."""
    coarse = generator.integers(0, 256, (-(-height // 8), -(-width // 8), 3))
    return coarse.repeat(8, 0).repeat(8, 1)[:height, :width].astype(np.uint8)


def clipped(boxes: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Boxes ``[N, 4]`` as far as they lie on the photo."""
    low = np.clip(boxes[:, :2], 0, image.shape[1::-1])
    return np.concatenate([low, np.clip(boxes[:, :2] + boxes[:, 2:], 0, image.shape[1::-1]) - low], 1)


def labelled(place: Path, labels: Path, categories: tuple[str, ...]) -> str:
    labels.parent.mkdir(parents=True, exist_ok=True)
    labels.write_text("".join(f"{name}\n" for name in categories))
    return f"{place}@{labels}"


def darknet(folder: Path, seed: int) -> Made:
    """A random network of every kind of section."""
    folder.mkdir(parents=True)
    cfg, text = folder / "mein netz.v1.cfg", generate.random_cfg(seed)
    architecture = parse_architecture(text, cfg.name)
    weights = generate.weights_for(architecture, seed, more=generate.FOR_OPENCV)
    cfg.write_text(text)
    cfg.with_suffix(".weights").write_bytes(weights)
    categories = tuple(f"dark {letter}" for letter in "abc")
    # OpenCV drops scores up to a threshold of its own, unless the section names one.
    open_text = text.replace("[yolo]\n", f"[yolo]\nthresh={LEAST_SCORE}\n")
    network = generate.from_memory(open_text, weights)
    height, width = architecture.image[:2]

    def detect(image: np.ndarray) -> Found:
        network.setInput(cv2.dnn.blobFromImage(image, 1 / 255, (width, height)))
        rows = np.concatenate(network.forward(network.getUnconnectedOutLayersNames()))
        place, label = np.nonzero(rows[:, 5:] > LEAST_SCORE)
        scores, sizes = rows[place, 5 + label], rows[place, 2:4]
        boxes = np.concatenate([rows[place, :2] - sizes / 2, sizes], 1) * np.tile(image.shape[1::-1], 2)
        kept = cv2.dnn.NMSBoxesBatched(boxes.tolist(), scores.tolist(), label.tolist(), LEAST_SCORE, 0.45)
        best = np.array(kept, int)[np.argsort(-scores[kept], kind="stable")][:100]
        return clipped(boxes[best], image), label[best]

    return Made(labelled(cfg, folder / "names.txt", categories), categories, detect)


def savedmodel(folder: Path, write: Callable[[Path], Path], title: str) -> Made:
    """A SavedModel of the Object Detection API's signature; ``write`` is one of ``savedmodel_designs``."""
    place = write(folder / "saved_model")
    categories = tuple(f"{title} {letter}" for letter in "abcde")
    loaded = tf.saved_model.load(str(place))

    def detect(image: np.ndarray) -> Found:
        found = {name: value.numpy()[0] for name, value in loaded.detect(image[None]).items()}
        # Down to our own threshold: a graph may go on far below.
        count = int((found["detection_scores"][: int(found["num_detections"])] > LEAST_SCORE).sum())
        y0, x0, y1, x1 = found["detection_boxes"][:count].T
        height, width = image.shape[:2]
        boxes = np.stack([x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height], 1)
        return boxes.astype(float), found["detection_classes"][:count].astype(int) - 1

    return Made(labelled(place, folder / "names.txt", categories), categories, detect)


def own_tflite(folder: Path) -> str:
    """A finished ``.tflite`` of two raw heads, its anchors and labels beside it."""
    folder.mkdir(parents=True)
    path = folder / "own.tflite"
    path.write_bytes(heads_bytes())
    np.save(path.with_name("own.anchors.npy"), grid_anchors())
    path.with_suffix(".json").write_text(
        '{"scale": 0.00392156862745098, "offset": 0.0, "conversion": "sigmoid"}'
    )
    return labelled(path, folder / "own names.txt", tuple(f"dark {letter}" for letter in "abc"[:CLASSES]))


DESIGNS = {
    "centres": designs.save_centres,
    "softmax": designs.save_softmax,
    "distances": designs.save_distances,
    "padded": designs.save_padded,
}


def photos_for(folder: Path, detectors: list[Made], seed: int = 0) -> Path:
    """A folder of photos and ``labels.json``: all that other software finds with each of the detectors."""
    generator, images, annotations = np.random.default_rng(seed), [], []
    names = [name for made in detectors for name in made.categories]
    (folder / "data").mkdir(parents=True)
    for number, size in enumerate(SIZES):
        pixels, file = photo(generator, *size), f"{number}.png"
        Image.fromarray(pixels).save(folder / "data" / file)
        images.append({"id": number, "file_name": file, "height": size[0], "width": size[1]})
        for made in detectors:
            annotations += [
                {"image_id": number, "category_id": names.index(made.categories[label]), "bbox": box.tolist()}
                for box, label in zip(*made.detect(pixels), strict=True)
                if min(box[2:]) > 1
            ]
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "labels.json").write_text(json.dumps(content))
    return folder
