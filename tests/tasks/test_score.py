"""COCO's metric by hand: small cases whose AP anybody can work out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.tasks.detection.evidence import AREAS
from helpers.tasks.detection.score import tie_bounds
from tests.support.random_coco import random_detections, random_ground_truth
from tests.support.scored_cases import assert_stats_are_pycocotools, box, found, scored, truth


def test_ap_by_hand():
    # Ranked: right, wrong, right, of 2 objects: precision 1 up to recall 1/2, then 2/3 to recall 1.
    objects = [box(1, 10), box(2, 10)]
    detections = [found(objects[0], 0.9), found(box(1, 200), 0.8), found(objects[1], 0.7)]
    stats = scored(truth(*objects), detections).stats
    expected = (51 * 1 + 50 * 2 / 3) / 101
    assert stats["ap50"] == pytest.approx(expected, abs=1e-12)
    assert stats["ap"] == pytest.approx(expected, abs=1e-12)
    assert stats["ar100"] == 1
    assert stats["ar1"] == pytest.approx(1)
    assert stats["ap_medium"] == pytest.approx(expected)
    assert stats["ap_small"] == stats["ap_large"] == -1


def test_ap_is_averaged_over_thresholds_that_the_overlap_passes():
    # Moved by a quarter of its side: IoU 0.75 / 1.25 = 0.6, which passes 0.5, 0.55 and 0.6.
    target = box(1, 10)
    stats = scored(truth(target), [found(box(1, 20), 0.9)]).stats
    assert stats["ap50"] == pytest.approx(1)
    assert stats["ap75"] == 0
    assert stats["ap"] == pytest.approx(0.3)


@pytest.mark.parametrize(("width", "passed"), [(20, 1), (30, 6), (40, 10), (19.999, 0), (29.999, 5)])
def test_an_overlap_of_exactly_a_threshold_passes_it(width, passed):
    target = box(1, 10)
    part = target | {"bbox": [10, 10, width, 40]}
    assert scored(truth(target), [found(part, 0.9)]).stats["ap"] == pytest.approx(passed / 10)


def test_a_second_detection_of_one_object_is_wrong():
    target, other = box(1, 10), box(2, 10)
    detections = [found(target, 0.9), found(target, 0.8), found(other, 0.7)]
    assert scored(truth(target, other), detections).stats["ap50"] == pytest.approx((51 + 50 * 2 / 3) / 101)


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_perfect_detections_have_ap_one(seed):
    ground_truth = random_ground_truth(np.random.default_rng(seed))
    ground_truth["annotations"] = [a | {"iscrowd": 0} for a in ground_truth["annotations"]]
    result = scored(ground_truth, [found(a, 0.9) for a in ground_truth["annotations"]])
    present = {a["category_id"] for a in ground_truth["annotations"]}
    assert result.stats["ap"] == pytest.approx(1)
    assert result.stats["ar100"] == pytest.approx(1)
    assert sum(value == pytest.approx(1) for value in result.ap_per_class) == len(present)


def test_no_detections_have_ap_zero():
    result = assert_stats_are_pycocotools(truth(box(1, 10)), [])
    assert result.stats["ap"] == result.stats["ar100"] == 0
    assert result.evidence.matched.shape == (4, 10, 0)
    assert result.evidence.objects().sum() == 1


def test_nothing_to_find_is_minus_one_not_zero():
    result = assert_stats_are_pycocotools(truth(), [found(box(1, 10), 0.9)])
    assert set(result.stats.values()) == {-1}
    assert result.ap_per_class.tolist() == [-1, -1]


def test_nothing_at_all_is_minus_one():
    result = assert_stats_are_pycocotools(truth(images=1), [])
    assert set(result.stats.values()) == {-1}
    assert tie_bounds(result.evidence) == (-1, -1)


def test_detections_in_a_crowd_count_neither_way():
    crowd = box(1, 0, side=300, iscrowd=1)
    target = box(2, 10)
    inside = [found(box(1, 10), 0.95), found(box(1, 60), 0.94)]
    alone = scored(truth(crowd, target), [found(target, 0.5)])
    assert alone.stats["ap"] == pytest.approx(1)
    assert scored(truth(crowd, target), [*inside, found(target, 0.5)]).stats == alone.stats
    outside = scored(truth(target), [*inside, found(target, 0.5)])
    assert outside.stats["ap"] < 0.5


def test_areas_are_told_by_the_annotation_not_by_the_box():
    # A thin object: its box is of medium size, its visible area small.
    thin = box(1, 10, side=60) | {"area": 500}
    stats = scored(truth(thin), [found(thin, 0.9)]).stats
    assert stats["ap_small"] == pytest.approx(1)
    assert stats["ap_medium"] == -1


@pytest.mark.parametrize(("area", "sizes"), [(1024, {"small", "medium"}), (9216, {"medium", "large"})])
def test_an_object_on_the_bound_of_two_sizes_is_of_both(area, sizes):
    target = box(1, 10) | {"area": area}
    stats = assert_stats_are_pycocotools(truth(target), [found(target, 0.9)]).stats
    assert {name for name in AREAS[1:] if stats[f"ap_{name}"] > 0.99} == sizes


def test_the_mean_of_the_classes_is_ap():
    random = np.random.default_rng(4)
    ground_truth = random_ground_truth(random, images=20)
    result = scored(ground_truth, random_detections(random, ground_truth))
    assert len(set(result.ap_per_class.round(6))) == 3
    assert result.ap_per_class.mean() == pytest.approx(result.stats["ap"], abs=1e-12)
