"""Objects and detections for tests of the evaluation, and FiftyOne's own method on them."""

import itertools

import numpy as np
import pytest

from helpers.tasks.detection.exact_coco.writing import SampleDetections
from tests.support.random_coco import random_detections, random_ground_truth
from tests.tasks.exact_coco.coco_dataset import FOUND, TRUTH, written


def native(samples, key="theirs", **options):
    """FiftyOne's own."""
    options = {"gt_field": TRUTH, "compute_mAP": True, "progress": False} | options
    return samples.evaluate_detections(FOUND, eval_key=key, method="coco", **options)


def case(seed: int, images: int = 6, levels: int | None = None) -> tuple[dict, list[dict]]:
    """Objects, three in ten of them crowds, and detections, of which some have another's class."""
    random = np.random.default_rng(seed)
    truth = random_ground_truth(random, images)
    for entry in truth["annotations"]:
        entry["iscrowd"] = int(random.random() < 0.3)
    detections = random_detections(random, truth, levels)
    for entry in detections:
        if random.random() < 0.2:
            entry["category_id"] = int(random.integers(1, 4))
    return truth, detections


def whole_numbers(seed: int, levels: int | None = None) -> tuple[dict, list[dict]]:
    """Integer boxes in images of odd sizes; detections that overlap by exactly 1/2, 3/4 or all."""
    random = np.random.default_rng(seed)
    truth = {
        "images": [
            {"id": 7 * i, "width": int(random.integers(401, 700)), "height": int(random.integers(401, 700))}
            for i in range(1, 11)
        ],
        "categories": [{"id": 3 * i, "name": name} for i, name in enumerate(("zebra", "ant", "cow"), 1)],
        "annotations": [],
    }
    detections = []
    for image in truth["images"]:
        for _ in range(random.integers(0, 7)):
            x, y = random.integers(0, 200, 2).tolist()
            w, h = random.choice([12, 32, 64, 96, 100, 148], 2).tolist()
            place = {"image_id": image["id"], "category_id": int(random.choice([3, 6, 9]))}
            crowd = int(random.random() < 0.1)
            number = len(truth["annotations"]) + 1
            entry = place | {"id": number, "bbox": [x, y, w, h], "area": w * h, "iscrowd": crowd}
            truth["annotations"].append(entry)
            parts = [[x, y, w // 2, h], [x, y, w, 3 * h // 4], [x, y, w, h], [x + 150, y, w, h]]
            for part in random.permutation(4)[: random.integers(0, 4)]:
                detections.append(place | {"bbox": parts[part], "score": float(random.random())})
    for entry in detections if levels else ():
        entry["score"] = float(np.ceil(entry["score"] * levels) / levels)
    return truth, detections


def flat(lists) -> list:
    return list(itertools.chain.from_iterable(lists))


def assert_same_fields(dataset, ours="eval", theirs="theirs") -> None:
    own, other = written(dataset, ours), written(dataset, theirs)
    for (name, values), expected in zip(own.items(), other.values(), strict=True):
        if name.endswith("_iou"):
            assert_same_overlaps(values, expected)
        else:
            assert values == expected, name


def assert_same_overlaps(one, other) -> None:
    for mine, expected in zip(one, other, strict=True):
        assert (mine is None) == (expected is None)
        assert [v is None for v in mine or ()] == [v is None for v in expected or ()]
        assert [v for v in mine or () if v] == pytest.approx([v for v in expected or () if v], abs=1e-9)


def contents(dataset) -> list[dict]:
    """The samples as the database has them."""
    return list(dataset._sample_collection.find())


def predictions_of(dataset, count: int, label: str = "class1"):
    for number, sample in enumerate(dataset.values("id")):
        boxes = np.full((count, 4), 0.25) + 0.01 * number
        yield SampleDetections(sample, [label] * count, boxes, np.linspace(0.1, 0.9, count))
