"""Options, views and kinds of labels that the evaluation takes, and those that it refuses."""

import pytest

from helpers.photos.dataset import fiftyone
from tests.tasks.exact_coco.coco_dataset import FOUND, make_dataset, written
from tests.tasks.exact_coco.input_cases import (
    NAME,
    NAN,
    evaluate,
    put,
    refused,
    small_detections,
    small_truth,
)


@pytest.fixture
def dataset():
    fo = fiftyone()
    yield make_dataset(NAME, small_truth(), small_detections())
    fo.delete_dataset(NAME)


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
