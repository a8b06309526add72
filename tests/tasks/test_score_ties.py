"""The order of equal scores: what it can change, and by how much."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.tasks.detection.evidence import Evidence
from helpers.tasks.detection.score import curves_of, tie_bounds
from tests.support.random_coco import by_pycocotools, random_detections, random_ground_truth
from tests.support.scored_cases import box, cases, found, scored, truth


def test_the_order_of_detections_matters_among_equal_scores_of_one_image_alone():
    random = np.random.default_rng(3)
    ground_truth = random_ground_truth(random)
    detections = random_detections(random, ground_truth)
    shuffled = [detections[i] for i in random.permutation(len(detections))]
    assert scored(ground_truth, shuffled).stats == scored(ground_truth, detections).stats


@settings(max_examples=60)
@given(cases())
def test_pycocotools_lies_between_the_worst_and_the_best_order_of_ties(case):
    result = scored(*case)
    worst, best = tie_bounds(result.evidence)
    assert worst - 1e-12 <= result.stats["ap"] <= best + 1e-12


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_without_ties_there_is_one_ap(seed):
    random = np.random.default_rng(seed)
    ground_truth = random_ground_truth(random)
    detections = random_detections(random, ground_truth)
    result = scored(ground_truth, detections)
    assert result.evidence.distinct_scores() == len(detections)
    assert tie_bounds(result.evidence) == pytest.approx([result.stats["ap"]] * 2, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_no_order_of_ties_leaves_the_bounds_and_some_order_reaches_each(seed):
    """All orders of six images with one detection each: whatever the order, pycocotools' AP is inside."""
    random = np.random.default_rng(seed)
    objects = [box(i, 10) for i in range(1, 6)]
    right = random.permutation([True, True, True, False, False, False])
    confidences = random.choice([0.4, 0.6], 6)
    detections = [
        found(box(i, 10 if good else 200), float(c))
        for i, good, c in zip(range(1, 7), right, confidences, strict=True)
    ]
    evidence = scored(truth(*objects, images=6), detections).evidence
    values = []
    for order in itertools.permutations(range(6)):
        place = np.argsort(np.lexsort((order, -evidence.score)))
        values.append(ap_in_order(evidence, np.argsort(place)))
    assert (min(values), max(values)) == pytest.approx(tie_bounds(evidence), abs=1e-12)
    assert max(values) > min(values)
    for order in ([1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], [4, 1, 6, 2, 5, 3]):
        number = dict(zip(range(1, 7), order, strict=True))
        renamed = [entry | {"image_id": number[entry["image_id"]]} for entry in objects]
        moved = [entry | {"image_id": number[entry["image_id"]]} for entry in detections]
        theirs = by_pycocotools(truth(*renamed, images=6), moved).stats[0]
        assert min(values) - 1e-12 <= theirs <= max(values) + 1e-12


def ap_in_order(evidence: Evidence, order: np.ndarray) -> float:
    """AP of one class with its detections in that order."""
    names = ("image", "category", "score", "rank", "row")
    ordered = {name: getattr(evidence, name)[order] for name in names}
    ordered |= {name: getattr(evidence, name)[..., order] for name in ("matched", "ignored", "found")}
    precision = curves_of(Evidence(**(vars(evidence) | ordered))).precision
    return float(precision[precision > -1].mean())
