"""Boxes, scores, labels, ids and areas that cannot be evaluated are refused with the sample and the field."""

import re

import pytest

from helpers.lab.errors import LabError
from helpers.photos.dataset import fiftyone
from tests.tasks.exact_coco.coco_dataset import FOUND, TRUTH, make_dataset
from tests.tasks.exact_coco.input_cases import (
    INF,
    NAME,
    NAN,
    evaluate,
    put,
    refused,
    second_label,
    small_detections,
    small_truth,
)


@pytest.fixture
def dataset():
    fo = fiftyone()
    yield make_dataset(NAME, small_truth(), small_detections())
    fo.delete_dataset(NAME)


def assert_names(error: LabError, sample, field: str, label) -> None:
    assert f"sample {sample.id}, field {field!r}: detection {label.id} has" in error.found


BAD_BOXES = {
    "far outside, to the right": [3.0, 0.1, 0.2, 0.2],
    "in pixels": [40.0, 30.0, 80.0, 60.0],
    "far larger than the image": [0.1, 0.1, 5.0, 0.2],
    "far to the left": [-4.0, 0.1, 0.2, 0.2],
    "negative width": [0.5, 0.1, -0.2, 0.2],
    "negative height": [0.5, 0.5, 0.2, -0.2],
    "corners, the second above the first": [0.5, 0.5, 0.1, -0.1],
    "NaN": [0.1, NAN, 0.2, 0.2],
    "infinite": [0.1, 0.1, INF, 0.2],
    "three numbers": [0.1, 0.1, 0.2],
    "five numbers": [0.1, 0.1, 0.2, 0.2, 0.9],
    "no box": None,
}


@pytest.mark.parametrize("field", [FOUND, TRUTH])
@pytest.mark.parametrize("box", BAD_BOXES.values(), ids=BAD_BOXES)
def test_a_box_that_is_none_is_refused(dataset, field, box):
    place = label_at(dataset, field)
    put(dataset, field, "bounding_box", box)
    error = refused(dataset)
    assert_names(error, *place)
    assert "has the bounding box [" in error.found
    assert "; no other has." in error.found


def label_at(dataset, field):
    sample, label = second_label(dataset, field)
    return sample, field, label


@pytest.mark.parametrize(("count", "said"), [(2, "so has 1 other."), (3, "so have 2 others.")])
def test_boxes_in_pixels_are_counted_and_the_cure_says_so(dataset, count, said):
    fine = dataset.values("pred.detections.bounding_box")
    pixels = [[[4 * i, 30, 80, 60]] for i in (1, 2, 3)]
    dataset.set_values("pred.detections.bounding_box", pixels[:count] + fine[count:])
    error = refused(dataset)
    assert error.found.endswith(said)
    assert "relative to the image" in error.expected
    assert "pixels" in error.cure


FINE_BOXES = {
    "sticking out a little": [-0.02, -0.01, 0.3, 0.3],
    "sticking out by half its size": [0.8, 0.8, 0.4, 0.4],
    "clipped to nothing at the edge": [1.0, 0.4, 0.0, 0.3],
    "clipped to nothing in the corner": [1.0, 1.0, 0.0, 0.0],
    "a point": [0.5, 0.5, 0.0, 0.0],
    "larger than the image": [-0.1, -0.1, 1.2, 1.2],
    "on the padding beside the image": [1.02, 0.1, 0.05, 0.2],
    "whole numbers": [0, 0, 1, 1],
}


@pytest.mark.parametrize("box", FINE_BOXES.values(), ids=FINE_BOXES)
def test_boxes_as_detectors_make_them_are_accepted(dataset, box):
    put(dataset, FOUND, "bounding_box", box)
    results = evaluate(dataset)
    assert 0 < results.stats["ap"] < 1
    assert len(results.evidence.score) == 3


def test_an_object_wholly_outside_its_image_is_refused(dataset):
    put(dataset, TRUTH, "bounding_box", [1.02, 0.1, 0.05, 0.2])
    assert_names(refused(dataset), *label_at(dataset, TRUTH))


@pytest.mark.parametrize("score", [None, NAN, INF], ids=str)
def test_predictions_without_confidence_are_refused(dataset, score):
    put(dataset, FOUND, "confidence", score)
    error = refused(dataset)
    assert_names(error, *label_at(dataset, FOUND))
    assert "confidence" in error.found
    assert "`confidence`" in error.cure


def test_predictions_whose_confidence_was_never_set_are_refused(dataset):
    sample, _ = second_label(dataset, FOUND)
    path = f"{FOUND}.detections.0.confidence"
    dataset._sample_collection.update_one({"_id": sample._id}, {"$unset": {path: ""}})
    assert_names(refused(dataset), *label_at(dataset, FOUND))


@pytest.mark.parametrize("field", [FOUND, TRUTH])
def test_a_label_that_is_none_is_refused(dataset, field):
    put(dataset, field, "label", None)
    error = refused(dataset)
    assert_names(error, *label_at(dataset, field))
    assert "has no label" in error.found


@pytest.mark.parametrize("field", [FOUND, TRUTH])
def test_a_label_that_is_not_in_the_label_map_is_refused(dataset, field):
    put(dataset, field, "label", "bal")
    error = refused(dataset, categories=["ball", "cone"])
    assert_names(error, *label_at(dataset, field))
    assert "'bal'" in error.found
    assert "2 categories" in error.expected
    assert "ball, cone" in error.expected
    evaluate(dataset)  # without a label map, any label will do


def test_categories_that_do_not_occur_are_fine(dataset):
    assert evaluate(dataset, categories=["ball", "cone", "cup"]).stats["ap"] > 0


@pytest.mark.parametrize("values", [[1, 2, 2], [7, 7, 7]])
def test_an_image_id_that_occurs_twice_is_refused(dataset, values):
    dataset.set_values("coco_id", values)
    error = refused(dataset, image_id="coco_id")
    ids = dataset.values("id")
    first = values.index(values[-1])
    assert {ids[first], ids[first + 1]} == set(re.findall(r"[0-9a-f]{24}", error.found))
    assert f"coco_id = {values[-1]}" in error.found
    evaluate(dataset)


@pytest.mark.parametrize("field", ["coco_id", "no_such_field"])
def test_a_missing_image_id_is_refused(dataset, field):
    sample = list(dataset)[0 if field == "no_such_field" else 2]
    if field == "coco_id":
        sample["coco_id"] = None
        sample.save()
    error = refused(dataset, image_id=field)
    assert f"sample {sample.id} has None in field {field!r}" in error.found
    assert "image_id" in error.cure


def test_image_ids_that_are_no_integers_are_refused(dataset):
    dataset.set_values("file", ["1.jpg", "2.jpg", "3.jpg"])
    assert "'1.jpg' in field 'file'" in refused(dataset, image_id="file").found


SIZES = {
    "no metadata": None,
    "no sizes": {},
    "no height": {"width": 400},
    "zero": {"width": 400, "height": 0},
    "negative": {"width": -1, "height": 300},
}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_an_image_without_a_size_is_refused(dataset, size):
    fo = fiftyone()
    sample = list(dataset)[1]
    sample.metadata = None if size is None else fo.ImageMetadata(**size)
    sample.save()
    error = refused(dataset)
    assert f"sample {sample.id} has metadata.width, metadata.height" in error.found
    assert "compute_metadata" in error.cure


def test_areas_larger_than_their_boxes_tell_of_wrong_image_sizes(dataset):
    """The photo was scaled to half its size after it was labelled."""
    sample = list(dataset)[1]
    sample.metadata = fiftyone().ImageMetadata(width=200, height=150)
    sample.save()
    error = refused(dataset)
    assert_names(error, *label_at(dataset, TRUTH))
    assert "area = 4000.0 pixels" in error.found
    assert "200x150" in error.found
    assert "metadata.width" in error.cure


def test_tiny_objects_may_have_areas_of_a_few_pixels_more_than_their_boxes(dataset):
    """An outline drawn through the middle of pixels covers more of them than its box."""
    put(dataset, TRUTH, "bounding_box", [0.1, 0.1, 2 / 400, 1 / 300])
    put(dataset, TRUTH, "area", 12.0)
    assert evaluate(dataset).stats["ap"] > 0
    put(dataset, TRUTH, "area", 30.0)
    assert "area = 30.0 pixels" in refused(dataset).found


def test_a_negative_area_is_refused(dataset):
    put(dataset, TRUTH, "area", -1.0)
    error = refused(dataset)
    assert_names(error, *label_at(dataset, TRUTH))
    assert "area = -1.0" in error.found


def test_areas_are_looked_up_under_the_name_that_was_given(dataset):
    put(dataset, TRUTH, "area", -1.0)
    assert evaluate(dataset, area="visible").stats["ap_medium"] > 0


def test_objects_without_areas_have_their_boxes(dataset):
    dataset._sample_collection.update_many({}, {"$unset": {f"{TRUTH}.detections.0.area": ""}})
    stats = evaluate(dataset).stats
    assert stats["ap_medium"] == stats["ap"] > 0
