"""Input that cannot be evaluated, and what is said of it."""

import pytest

from helpers.lab.errors import LabError
from tests.tasks.exact_coco.coco_dataset import FOUND, TRUTH, schema_of

NAME = "bad-input"
SIZE = {"width": 400, "height": 300}


def small_truth() -> dict:
    box = {"bbox": [40, 30, 80, 60], "area": 4000, "iscrowd": 0, "category_id": 1}
    return {
        "images": [{"id": i} | SIZE for i in (1, 2, 3)],
        "annotations": [box | {"id": i, "image_id": i} for i in (1, 2, 3)],
        "categories": [{"id": 1, "name": "ball"}, {"id": 2, "name": "cone"}],
    }


def small_detections() -> list[dict]:
    box = {"bbox": [44, 30, 80, 60], "category_id": 1}
    return [box | {"image_id": i, "score": 0.1 * i} for i in (1, 2, 3)]


def evaluate(samples, key="eval", pred=FOUND, **options):
    from helpers.tasks.detection.exact_coco.method import ExactCOCOEvaluationConfig

    options = {"gt_field": TRUTH, "compute_mAP": True} | options
    return samples.evaluate_detections(
        pred, eval_key=key, method=ExactCOCOEvaluationConfig, progress=False, **options
    )


def refused(dataset, samples=None, **options) -> LabError:
    """The error; asserts that it left everything as it was, an earlier evaluation of that name included."""
    schema, runs = schema_of(dataset), dataset.list_evaluations()
    samples = dataset if samples is None else samples
    documents = list(dataset._sample_collection.find()) if dataset.media_type == "image" else None
    with pytest.raises(LabError) as caught:
        evaluate(samples, **options)
    assert schema_of(dataset) == schema
    assert dataset.list_evaluations() == runs
    if documents is not None:
        # As text, for NaN is not equal to itself.
        assert str(list(dataset._sample_collection.find())) == str(documents)
    assert caught.value.expected
    assert caught.value.cure
    return caught.value


def second_label(dataset, field: str):
    sample = list(dataset)[1]
    return sample, sample[field].detections[0]


def put(dataset, field: str, name: str, value) -> None:
    """Set the second sample's label's attribute in the database, past FiftyOne's own checks."""
    sample, _ = second_label(dataset, field)
    path = f"{field}.detections.0.{name}"
    dataset._sample_collection.update_one({"_id": sample._id}, {"$set": {path: value}})
    dataset.reload()


NAN, INF = float("nan"), float("inf")
