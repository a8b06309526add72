"""Bad input of an evaluation: named by sample and field, with a cure, before anything is written."""

import re

import pytest

from helpers.dataset import fiftyone
from helpers.errors import LabError
from tests.exact_coco.coco_dataset import FOUND, TRUTH, make_dataset, schema_of, written

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


@pytest.fixture
def dataset():
    fo = fiftyone()
    yield make_dataset(NAME, small_truth(), small_detections())
    fo.delete_dataset(NAME)


def evaluate(samples, key="eval", pred=FOUND, **options):
    from helpers.exact_coco.method import ExactCOCOEvaluationConfig

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


def assert_names(error: LabError, sample, field: str, label) -> None:
    assert f"sample {sample.id}, field {field!r}: detection {label.id} has" in error.found


def put(dataset, field: str, name: str, value) -> None:
    """Set the second sample's label's attribute in the database, past FiftyOne's own checks."""
    sample, _ = second_label(dataset, field)
    path = f"{field}.detections.0.{name}"
    dataset._sample_collection.update_one({"_id": sample._id}, {"$set": {path: value}})
    dataset.reload()


NAN, INF = float("nan"), float("inf")
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
    assert "so have 0 others" in error.found


def label_at(dataset, field):
    sample, label = second_label(dataset, field)
    return sample, field, label


def test_boxes_in_pixels_are_counted_and_the_cure_says_so(dataset):
    pixels = [[[4 * i, 30, 80, 60]] for i in (1, 2, 3)]
    dataset.set_values("pred.detections.bounding_box", pixels)
    error = refused(dataset)
    assert "so have 2 others" in error.found
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


def test_an_earlier_evaluation_of_that_name_survives_bad_input(dataset):
    results = evaluate(dataset)
    before = written(dataset, "eval")
    put(dataset, FOUND, "confidence", None)
    refused(dataset)
    assert written(dataset, "eval") == before
    assert dataset.load_evaluation_results("eval", cache=False).stats == results.stats


def test_bad_labels_that_a_view_leaves_out_do_not_matter(dataset):
    from fiftyone import ViewField as F

    put(dataset, FOUND, "bounding_box", [40.0, 30.0, 80.0, 60.0])
    evaluate(dataset.match(F("coco_id") != 2))
    evaluate(dataset.filter_labels(FOUND, F("bounding_box")[0] < 2, only_matches=False))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"use_masks": True}, "use_masks"),
        ({"use_boxes": True}, "use_boxes"),
        ({"iou": 0}, "iou = 0"),
        ({"iou": 1.5}, "iou = 1.5"),
        ({"iou": -0.5}, "iou = -0.5"),
        ({"iou": NAN}, "iou = nan"),
        ({"iou_threshs": [0.5]}, "iou_threshs = [0.5]"),
        ({"iou_threshs": [0.5, 0.6, 0.7, 0.8, 0.9]}, "iou_threshs"),
        ({"max_preds": 300}, "max_preds = 300"),
    ],
)
def test_options_of_another_metric_are_refused(dataset, options, named):
    assert named in refused(dataset, **options).found


def test_cocos_own_thresholds_may_be_spelled_out(dataset):
    thresholds = [x / 100 for x in range(50, 100, 5)]
    assert evaluate(dataset, iou_threshs=thresholds, max_preds=100).stats["ap"] > 0


def test_polylines_are_refused(dataset):
    fo = fiftyone()
    for field in ("lines", "more_lines"):
        dataset.add_sample_field(field, fo.EmbeddedDocumentField, embedded_doc_type=fo.Polylines)
    error = refused(dataset, pred="lines", gt_field="more_lines")
    assert "'more_lines' holds Polylines" in error.found
    assert "method='coco'" in error.cure


def test_patches_are_refused(dataset):
    evaluate(dataset)
    patches = dataset.to_evaluation_patches("eval")
    assert "EvaluationPatchesView" in refused(dataset, patches, key="again").found


def test_frames_of_videos_are_refused():
    fo = fiftyone()
    dataset = fo.Dataset(f"{NAME}-video", overwrite=True)
    sample = fo.Sample(filepath="/nowhere/v.mp4")
    labels = fo.Detections(detections=[fo.Detection(label="ball", bounding_box=[0, 0, 1, 1], confidence=1)])
    sample.frames[1] = fo.Frame(ground_truth=labels.copy(), pred=labels)
    dataset.add_sample(sample)
    error = refused(dataset, pred="frames.pred", gt_field="frames.ground_truth")
    dataset.delete()
    assert "'frames.ground_truth' belongs to video frames" in error.found
    assert "to_frames" in error.cure
