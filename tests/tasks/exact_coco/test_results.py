"""The results: pycocotools' numbers, FiftyOne's methods."""

import numpy as np
import pytest

from helpers.tasks.detection.exact_coco.reading import Fields, collect
from helpers.tasks.detection.score import STATS
from tests.support.random_coco import as_columns, by_pycocotools
from tests.tasks.exact_coco.cases import assert_same_fields, case, contents, native, whole_numbers
from tests.tasks.exact_coco.coco_dataset import FOUND, TRUTH, schema_of


@pytest.mark.parametrize("seed", range(2))
def test_without_ties_ap_and_ar_are_fiftyones(make, exact, seed):
    from fiftyone.utils.eval.coco import COCODetectionResults

    dataset = make(*case(10 + seed))
    ours, theirs = exact(dataset), native(dataset)
    assert isinstance(ours, COCODetectionResults)
    assert ours.classes.tolist() == theirs.classes.tolist()
    assert ours.mAP() == pytest.approx(theirs.mAP(), abs=1e-9)
    assert ours.mAR() == pytest.approx(theirs.mAR(), abs=1e-9)
    for name in ours.classes:
        assert ours.mAP(classes=[name]) == pytest.approx(theirs.mAP(classes=[name]), abs=1e-9)
    assert ours.report() == theirs.report()
    np.testing.assert_array_equal(ours.confusion_matrix(), theirs.confusion_matrix())
    # At recall 0 COCO names the best score of all, FiftyOne that of the best counted one.
    np.testing.assert_allclose(ours.precision, theirs.precision, atol=1e-9)
    np.testing.assert_allclose(ours.thresholds[..., 1:], theirs.thresholds[..., 1:], atol=1e-9)


@pytest.mark.parametrize("levels", [None, 3])
@pytest.mark.parametrize("seed", range(3))
def test_the_twelve_numbers_are_pycocotools_on_the_original_boxes(make, exact, seed, levels):
    """The boxes went to fractions of the image and back; overlaps of exactly 1/2 must still count."""
    truth, detections = whole_numbers(seed, levels)
    order = np.random.default_rng(seed).permutation(len(truth["images"]))
    results = exact(make(truth, detections, order), image_id="coco_id")
    theirs = by_pycocotools(truth, detections)
    assert tuple(results.stats) == STATS
    assert list(results.stats.values()) == pytest.approx(theirs.stats.tolist(), abs=1e-12, rel=0)
    assert results.mAP() == pytest.approx(theirs.stats[0], abs=1e-12)
    assert results.image_ids == sorted(image["id"] for image in truth["images"])
    assert results.evidence.images == len(truth["images"])


def test_an_overlap_of_exactly_one_half_is_lost_without_care_for_rounding(make, exact):
    """The case that the test above is about does occur: FiftyOne's own method misses some."""
    dataset = make(*whole_numbers(1))
    exact(dataset, compute_mAP=False)
    native(dataset, compute_mAP=False)
    assert sum(dataset.values("eval_tp")) > sum(dataset.values("theirs_tp"))


def test_ties_are_broken_by_image_id_if_it_is_named_else_by_the_order_of_samples(make, exact):
    truth, detections = tied()
    backwards = [1, 0]
    assert exact(make(truth, detections)).stats["ap50"] == pytest.approx(1)
    assert exact(make(truth, detections, backwards)).stats["ap50"] == pytest.approx(0.5)
    dataset = make(truth, detections, backwards)
    assert exact(dataset, image_id="coco_id").stats["ap50"] == pytest.approx(1)
    assert exact(dataset, "other", image_id=None).image_ids == dataset.values("id")


def tied() -> tuple[dict, list[dict]]:
    """A hit in image 1 and a false alarm in image 2, of one score."""
    place = {"category_id": 1, "bbox": [10, 10, 50, 50]}
    truth = {
        "images": [{"id": i, "width": 400, "height": 300} for i in (1, 2)],
        "annotations": [place | {"id": 1, "image_id": 1, "area": 2500, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "ball"}],
    }
    return truth, [place | {"image_id": i, "score": 0.5} for i in (2, 1)]


@pytest.mark.parametrize("seed", range(3))
def test_among_few_scores_fiftyones_ap_is_the_best_order_and_ours_is_pycocotools(make, exact, seed):
    truth, detections = whole_numbers(seed, levels=2)
    detections = once_per_cell(detections)
    dataset = make(truth, detections)
    results, theirs = exact(dataset, image_id="coco_id"), native(dataset).mAP()
    worst, best = results.tie_bounds
    reference = by_pycocotools(truth, detections).stats[0]
    assert results.mAP() == pytest.approx(reference, abs=1e-12)
    assert results.distinct_scores == 2
    assert worst <= reference < theirs <= best + 1e-9


def once_per_cell(detections: list[dict]) -> list[dict]:
    """The first detection of each image and class: so that the order of ties moves no match."""
    return list({(d["image_id"], d["category_id"]): d for d in reversed(detections)}.values())


def test_the_numbers_are_printed_and_the_curves_drawn(make, exact, capsys):
    results = exact(make(*case(20)))
    results.print_stats()
    printed = capsys.readouterr().out
    assert f"{results.stats['ap']:.4f}" in printed
    assert "by order of ties" in printed
    figure = results.plot_pr_curves(backend="matplotlib")
    assert len(figure.axes[0].lines) >= 3
    assert set(results.ap_per_class) == set(results.classes)
    assert results.ap_per_class["class1"] == pytest.approx(results.mAP(classes=["class1"]))


def test_a_subset_of_classes_is_evaluated_alone(make, exact):
    truth, detections = case(21)
    dataset = make(truth, detections)
    names = ["class3", "class1"]
    results = exact(dataset, classes=names)
    assert results.classes.tolist() == names
    assert results.mAP() == pytest.approx(native(dataset, classes=names).mAP(), abs=1e-9)
    kept = [d for d in detections if d["category_id"] != 2]
    objects = {**truth, "annotations": [a for a in truth["annotations"] if a["category_id"] != 2]}
    expected = by_pycocotools(objects, kept).stats
    assert list(results.stats.values()) == pytest.approx(expected.tolist(), abs=1e-12)
    assert len(results.evidence.score) == len(kept)


def test_a_class_that_does_not_occur_has_no_ap(make, exact):
    results = exact(make(*case(21)), classes=["class1", "unicorn"])
    assert results.ap_per_class["unicorn"] == -1
    assert results.mAP() == results.stats["ap"] == pytest.approx(results.ap_per_class["class1"])


def test_classes_are_numbered_as_in_the_label_map(make, exact):
    dataset = make(*case(21))
    names = ["unicorn", "class3", "class1", "class2"]
    free, mapped = exact(dataset), exact(dataset, categories=names)
    assert free.classes.tolist() == sorted(names[1:])
    assert mapped.classes.tolist() == names
    assert mapped.stats == pytest.approx(free.stats, abs=1e-12)
    assert mapped.ap_per_class == {"unicorn": -1} | free.ap_per_class
    counts = dataset.count_values("ground_truth.detections.label")
    numbers = np.bincount(mapped.evidence.object_category, minlength=4)
    assert numbers.tolist() == [counts.get(name, 0) for name in names]


def test_what_is_read_back_is_what_pycocotools_is_given(make):
    truth, detections = whole_numbers(7)
    truth["images"].reverse()
    names = [c["name"] for c in truth["categories"]]
    dataset = make(truth, detections)
    read = collect(dataset, Fields(TRUTH, FOUND, image_id="coco_id", categories=names))
    objects, found, _, _ = as_columns(truth, detections)
    for ours, given in ((read.objects(), objects), (read.detections(), found)):
        order = np.argsort(given.image, kind="stable")
        for name, values in vars(ours).items():
            np.testing.assert_array_equal(values, getattr(given, name)[order])
    assert len(collect(dataset, Fields(TRUTH, None)).objects()) == len(objects)


def test_no_labels_at_all_are_no_error(make, exact):
    truth, _ = case(22)
    results = exact(make({**truth, "annotations": []}, []))
    assert set(results.stats.values()) == {-1}
    assert results.mAP() == -1
    assert results.evidence.score.shape == (0,)


def test_without_map_there_are_fields_and_a_report_alone(make, exact):
    dataset = make(*case(23))
    results = exact(dataset, compute_mAP=False)
    native(dataset, compute_mAP=False)
    assert_same_fields(dataset)
    assert not hasattr(results, "stats")
    assert results.report()["micro avg"]["support"] > 0
    assert dataset.load_evaluation_results("eval", cache=False).metrics() == results.metrics()


def test_without_a_key_nothing_is_written(make, exact):
    dataset = make(*case(24))
    before, documents = schema_of(dataset), contents(dataset)
    results = exact(dataset, None)
    assert results.mAP() == pytest.approx(native(dataset, None).mAP(), abs=1e-9)
    assert schema_of(dataset) == before
    assert contents(dataset) == documents
    assert dataset.list_evaluations() == []
