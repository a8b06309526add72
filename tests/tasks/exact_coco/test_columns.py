"""Columns as a model left them, evaluated and written at one go: as if written, then evaluated."""

import numpy as np
import pytest

from helpers.lab.errors import LabError
from helpers.tasks.detection.exact_coco.reading import Fields, collect, new_ids
from tests.tasks.exact_coco.cases import contents, whole_numbers
from tests.tasks.exact_coco.coco_dataset import FOUND, TRUTH, schema_of
from tests.tasks.exact_coco.test_interrupted import interrupted_writes

OPTIONS = {"compute_mAP": True, "image_id": "coco_id", "iou": 0.5, "classwise": True}
OPTIONS |= {"use_masks": False, "use_boxes": False}


def read(dataset):
    """Its ground truth, and its predictions in pixels."""
    names = sorted(set(dataset.distinct(f"{TRUTH}.detections.label")))
    truth = collect(dataset, Fields(TRUTH, None, image_id="coco_id", categories=names))
    whole = collect(dataset, Fields(TRUTH, FOUND, image_id="coco_id", categories=names))
    return truth, whole.detections()


def evaluate_columns(dataset, truth, found, key: str = "eval"):
    from helpers.tasks.detection.exact_coco.method import ExactCOCOEvaluationConfig

    config = ExactCOCOEvaluationConfig("pred", TRUTH, categories=truth.names, **OPTIONS)
    return config.build().evaluate_columns(dataset, truth, found, key)


def without_ids(documents: list[dict]) -> list[dict]:
    """Samples as the database has them; ids of predictions are made anew, so their places stand for them."""
    places = {
        str(label["_id"]): f"{field} {number} of {sample['coco_id']}"
        for sample in documents
        for field in (TRUTH, FOUND)
        for number, label in enumerate(sample[field]["detections"])
    }
    for sample in documents:
        for label in sample[FOUND]["detections"] + sample[TRUTH]["detections"]:
            label["_id"], label["eval_id"] = places[str(label["_id"])], places.get(label["eval_id"])
            label["bounding_box"] = [round(number, 12) for number in label["bounding_box"]]
            label["eval_iou"] = label["eval_iou"] and round(label["eval_iou"], 9)
    kept = [TRUTH, FOUND, "coco_id", "eval_tp", "eval_fp", "eval_fn"]
    return [{name: sample[name] for name in kept} for sample in documents]


@pytest.mark.parametrize("levels", [None, 4])
def test_the_data_set_is_as_if_predictions_had_been_written_and_evaluated(make, exact, levels):
    one, other = make(*whole_numbers(1, levels)), make(*whole_numbers(1, levels))
    truth, found = read(one)
    expected = exact(one, categories=truth.names, classes=truth.names, image_id="coco_id")
    other.delete_sample_field(FOUND)
    results = evaluate_columns(other, read_truth_of(other, truth.names), found)
    assert without_ids(contents(other)) == without_ids(contents(one))
    assert schema_of(other) == schema_of(one)
    assert results.stats == expected.stats
    assert results.tie_bounds == expected.tie_bounds
    assert results.report() == expected.report()
    for name, values in vars(expected.evidence).items():
        np.testing.assert_array_equal(getattr(results.evidence, name), values)
    loaded = other.load_evaluation_results("eval", cache=False)
    assert loaded.stats == expected.stats
    assert loaded.config.serialize() == one.load_evaluation_results("eval", cache=False).config.serialize()
    assert other.get_evaluation_info("eval").config.method == "exact-coco"


def read_truth_of(dataset, names):
    return collect(dataset, Fields(TRUTH, None, image_id="coco_id", categories=names))


def test_predictions_of_before_are_replaced(make):
    dataset = make(*whole_numbers(2))
    truth, found = read(dataset)
    first = evaluate_columns(dataset, truth, found)
    again = evaluate_columns(dataset, truth, found)
    assert first.stats == again.stats
    assert dataset.count("pred.detections") == len(found)
    assert set(dataset.count_values("pred.detections.eval")) == {"tp", "fp"}


def test_what_cannot_be_evaluated_is_refused_before_anything_is_written(make):
    dataset = make(*whole_numbers(3))
    truth, found = read(dataset)
    found.score[0] = np.nan
    before = contents(dataset)
    with pytest.raises(LabError, match="has no finite confidence"):
        evaluate_columns(dataset, truth, found)
    assert contents(dataset) == before


def test_an_interruption_leaves_no_evaluation(fo, make, monkeypatch):
    dataset = make(*whole_numbers(4))
    truth, found = read(dataset)
    with monkeypatch.context() as patch:
        interrupted_writes(fo, patch, OSError("disk full"), 2)
        with pytest.raises(OSError, match="disk full"):
            evaluate_columns(dataset, truth, found)
    assert dataset.list_evaluations() == []
    assert not any("eval" in str(document) for document in contents(dataset))
    assert evaluate_columns(dataset, truth, found).stats["ap"] > 0


def test_ids_differ_and_are_ids_to_the_database(make):
    from bson import ObjectId

    ids = [*new_ids(70_000).tolist(), *new_ids(70_000).tolist()]
    assert len(set(ids)) == 140_000
    assert ObjectId(ids[0]).generation_time.year >= 2026
