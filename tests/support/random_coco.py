"""Random but plausible COCO data for tests."""

import contextlib
import copy
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns


def random_ground_truth(random: np.random.Generator, images: int = 12, classes: int = 3) -> dict:
    """COCO dictionary with small, medium and large objects, some crowds, some empty images."""
    annotations = []
    for image in range(1, images + 1):
        for _ in range(random.integers(0, 6)):
            side = float(random.choice([15, 60, 130]) * random.uniform(0.7, 1.3))
            x, y = random.uniform(0, 200, 2).round(2).tolist()
            box = [x, y, round(side, 2), round(side * random.uniform(0.6, 1.6), 2)]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(random.integers(1, classes + 1)),
                    "bbox": box,
                    "area": box[2] * box[3] * 0.8,
                    "iscrowd": int(random.random() < 0.1),
                }
            )
    return {
        "images": [
            {"id": i, "width": 400, "height": 400, "file_name": f"{i}.jpg"} for i in range(1, images + 1)
        ],
        "annotations": annotations,
        "categories": [{"id": i, "name": f"class{i}"} for i in range(1, classes + 1)],
    }


def random_detections(random: np.random.Generator, truth: dict, levels: int | None = None) -> list[dict]:
    """Shifted copies of the objects and false alarms; ``levels`` distinct scores make ties."""
    found = []
    for entry in truth["annotations"]:
        for _ in range(random.integers(0, 3)):
            shift = random.normal(0, 0.08, 4) * (np.array(entry["bbox"])[[2, 3, 2, 3]])
            found.append((entry["image_id"], entry["category_id"], np.array(entry["bbox"]) + shift))
    for image in truth["images"]:
        for _ in range(random.integers(0, 5)):
            box = np.concatenate([random.uniform(0, 200, 2), random.uniform(10, 150, 2)])
            found.append((image["id"], int(random.integers(1, len(truth["categories"]) + 1)), box))
    scores = random.uniform(0.01, 1, len(found))
    if levels:
        scores = np.ceil(scores * levels) / levels
    return [
        {"image_id": i, "category_id": c, "bbox": np.maximum(b, 0.1).tolist(), "score": float(s)}
        for (i, c, b), s in zip(found, scores, strict=True)
    ]


def as_columns(truth: dict, detections: list[dict]) -> tuple[ObjectColumns, DetectionColumns, int, int]:
    """COCO's dictionaries as ``score`` takes them: images and categories sorted by id.

    Returns:
        Objects and detections in the order given; number of images; number of classes.
    """
    images = numbered(truth["images"])
    categories = numbered(truth["categories"])
    objects = ObjectColumns(
        *places_and_boxes(truth["annotations"], images, categories),
        area=np.array([entry["area"] for entry in truth["annotations"]], float),
        crowd=np.array([entry.get("iscrowd", 0) for entry in truth["annotations"]], bool),
    )
    found = DetectionColumns(
        *places_and_boxes(detections, images, categories),
        score=np.array([entry["score"] for entry in detections], float),
    )
    return objects, found, len(images), len(categories)


def numbered(entries: list[dict]) -> dict[int, int]:
    """COCO id -> index, by ascending id."""
    return {identifier: index for index, identifier in enumerate(sorted(entry["id"] for entry in entries))}


def places_and_boxes(entries: list[dict], images: dict, categories: dict) -> tuple[np.ndarray, ...]:
    return (
        np.array([images[entry["image_id"]] for entry in entries], np.int32),
        np.array([categories[entry["category_id"]] for entry in entries], np.int16),
        np.array([entry["bbox"] for entry in entries], float).reshape(-1, 4),
    )


def by_pycocotools(truth: dict, detections: list[dict]) -> COCOeval:
    """pycocotools' evaluation, done; what it is given stays as it is."""
    with contextlib.redirect_stdout(io.StringIO()):
        objects, found = COCO(), COCO()
        objects.dataset = copy.deepcopy(truth) | {"info": {}}
        objects.createIndex()
        if detections:
            found = objects.loadRes(copy.deepcopy(detections))
        else:  # loadRes looks at the first one
            found.dataset = {**objects.dataset, "annotations": []}
            found.createIndex()
        evaluation = COCOeval(objects, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation
