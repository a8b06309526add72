"""Where a difference in AP lies: shared out as defined, to the last digit."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings

from helpers.tasks.detection.attribution import ALARMS, OBJECTS, SIZES, Attribution, explain
from helpers.tasks.detection.error_kinds import (
    BACKGROUND,
    DUPLICATE,
    KINDS,
    MISSED,
    SHIFTED,
    WRONG_CLASS,
    Kinds,
)
from helpers.tasks.detection.evidence import IOU_THRESHOLDS, Evidence
from helpers.tasks.detection.score import score
from tests.support.attributed_cases import explained, judged, random_case, seeds
from tests.tasks.test_error_kinds import CLASSES, IMAGES, detections, objects


def only(attribution: Attribution) -> dict[tuple[int, int], float]:
    """What is not zero in ``by_kind``, by part and kind, in AP."""
    values = attribution.by_kind
    return {
        (p, k): pytest.approx(values[p, k], abs=1e-12) for p, k in np.argwhere(abs(values) > 1e-12).tolist()
    }


def test_an_object_that_is_lost_is_missed_with_its_whole_credit():
    truth = objects((0, 0, 10), (1, 0, 10), (2, 0, 10, 20), (2, 1, 100, 120))
    base = detections((0.9, 0, 0, 10), (0.8, 1, 0, 10), (0.7, 2, 0, 10, 20), (0.9, 2, 1, 100, 120))
    variant = detections((0.9, 0, 0, 10), (0.8, 1, 0, 10), (0.9, 2, 1, 100, 120))
    result = explained(truth, base, variant)
    # One object of three, of one class of two.
    assert only(result) == {(OBJECTS, MISSED): -1 / 6}
    assert result.by_class[:, MISSED] == pytest.approx([-1 / 6, 0])
    assert result.by_size[:, MISSED] == pytest.approx([-1 / 6, 0, 0])
    assert result.by_image[:, MISSED] == pytest.approx([0, 0, -1 / 6])
    # COCO reads 67 of 101 points for two of three objects.
    assert result.total == pytest.approx(-34 / 101 / 2)
    assert result.remainder == pytest.approx(-34 / 202 + 1 / 6)


def test_a_box_that_shifts_loses_the_high_thresholds_only():
    # IoU 0.6: kept at three thresholds of ten.
    result = explained(objects((0, 0, 10)), detections((0.9, 0, 0, 10)), detections((0.9, 0, 0, 20)))
    assert only(result) == {(OBJECTS, SHIFTED): -0.7}
    assert result.total == pytest.approx(-0.7)
    assert result.remainder == 0


def test_a_class_that_is_swapped_is_a_wrong_class():
    result = explained(objects((0, 0, 10)), detections((0.9, 0, 0, 10)), detections((0.9, 0, 1, 10)))
    assert only(result) == {(OBJECTS, WRONG_CLASS): -1.0}


@pytest.mark.parametrize(
    ("alarm", "kind"),
    [((1, 0, 200), BACKGROUND), ((0, 0, 10), DUPLICATE), ((2, 0, 10), WRONG_CLASS), ((0, 0, 30), SHIFTED)],
)
def test_a_false_alarm_costs_those_after_it_and_lies_with_its_image(alarm, kind):
    # Image 2 has an object of class 1; the alarm comes between the two objects of class 0.
    truth = objects((0, 0, 10), (1, 0, 10), (2, 1, 10))
    base = detections((0.9, 0, 0, 10), (0.5, 1, 0, 10), (0.9, 2, 1, 10))
    variant = detections((0.9, 0, 0, 10), (0.7, *alarm), (0.5, 1, 0, 10), (0.9, 2, 1, 10))
    result = explained(truth, base, variant)
    # The second of two objects, of one class of two, falls from 1 to 2/3.
    assert only(result) == {(ALARMS, kind): -1 / 12}
    assert result.by_image[alarm[0], kind] == pytest.approx(-1 / 12)
    assert result.by_class[0, kind] == pytest.approx(-1 / 12)
    # 50 of the 101 points lie beyond recall 1/2.
    assert result.total == pytest.approx(-50 / 101 / 3 / 2)


def test_a_false_alarm_below_all_hits_costs_nothing():
    truth, base = objects((0, 0, 10)), detections((0.9, 0, 0, 10))
    result = explained(truth, base, detections((0.9, 0, 0, 10), (0.8, 1, 0, 10)))
    assert only(result) == {}
    assert result.total == 0


def test_kinds_of_false_alarms_share_a_loss_by_their_number():
    truth = objects((0, 0, 10))
    alarms = (0.9, 1, 0, 10), (0.8, 2, 0, 10), (0.7, 0, 0, 30)
    result = explained(truth, detections((0.5, 0, 0, 10)), detections(*alarms, (0.5, 0, 0, 10)))
    # Precision 1/4: two in the background, one on the object but shifted.
    assert only(result) == {(ALARMS, BACKGROUND): -0.5, (ALARMS, SHIFTED): -0.25}
    assert result.by_image.sum(1) == pytest.approx([-0.25, -0.25, -0.25])


def test_what_the_variant_alone_finds_is_gained_from_what_the_base_did_wrong():
    base = detections((0.9, 0, 0, 30))
    result = explained(objects((0, 0, 10)), base, detections((0.9, 0, 0, 10)))
    assert only(result) == {(OBJECTS, SHIFTED): 1.0}


def test_sizes_at_coco_bounds_count_once():
    truth = objects((0, 0, 10, 32), (1, 0, 10, 96), (2, 0, 10, 97))
    result = explained(truth, detections(), detections((0.9, 0, 0, 10, 32), (0.8, 1, 0, 10, 96)))
    assert result.by_size.sum(1) == pytest.approx([1 / 3, 1 / 3, 0])


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_all_rows_and_the_remainder_sum_to_the_difference_in_ap(seed):
    truth, base, variant = random_case(seed)
    scores = [score(truth, found, IMAGES, CLASSES) for found in (base, variant)]
    result = explained(truth, base, variant, IMAGES, CLASSES)
    difference = scores[1].stats["ap"] - scores[0].stats["ap"]
    assert result.total == pytest.approx(difference, abs=1e-12)
    for part in (result.by_kind, result.by_class, result.by_size, result.by_image):
        assert part.sum() + result.remainder == pytest.approx(difference, abs=1e-12)
    present = scores[0].ap_per_class > -1
    per_class = np.where(present, scores[1].ap_per_class - scores[0].ap_per_class, 0) / max(1, present.sum())
    assert result.class_total == pytest.approx(per_class, abs=1e-12)
    assert result.by_class.sum(1) + result.class_remainder == pytest.approx(per_class, abs=1e-12)


def credits(evidence: Evidence, kinds: Kinds, label: int, step: int) -> dict:
    """By object: E, T at its peak, and the false alarms up to there as (image, kind)."""
    true, alarms, hits = 0, [], []
    for d in np.flatnonzero(evidence.category == label).tolist():
        if evidence.ignored[0, step, d]:
            continue
        if evidence.matched[0, step, d]:
            true += 1
            precision = Fraction(true, true + len(alarms))
            hits.append((int(evidence.found[step, d]), precision, true, list(alarms)))
        else:
            alarms.append((int(evidence.image[d]), int(kinds.detection[step, d])))
    return {hit[0]: max(hits[k:], key=lambda later: later[1])[1:] for k, hit in enumerate(hits)}


def literally(base: Evidence, base_kinds: Kinds, variant: Evidence, variant_kinds: Kinds) -> np.ndarray:
    """The definitions in fractions, object by object: ``[P, I, K, S, N]``."""
    result = np.zeros((2, base.images, base.classes, len(SIZES), len(KINDS)))
    counted = base.counted()
    totals = np.bincount(base.object_category[counted], minlength=base.classes)
    cells = [(label, step) for label in np.flatnonzero(totals) for step in range(len(IOU_THRESHOLDS))]
    for label, step in cells:
        weight = 1 / float(totals[label] * len(cells))
        before = credits(base, base_kinds, label, step)
        after = credits(variant, variant_kinds, label, step)
        for g in before.keys() | after.keys():
            area = base.object_area[g]
            size = 0 if area <= 1024 else 1 if area <= 9216 else 2
            if g in before and g in after:
                product = float(before[g][0] * after[g][0])
                for sign, (_, true, alarms) in ((-1, after[g]), (1, before[g])):
                    for image, kind in alarms:
                        result[1, image, label, size, kind] += weight * sign * product / true
            elif g in before:
                cause = variant_kinds.cause[step, g]
                result[0, base.object_image[g], label, size, cause] -= weight * float(before[g][0])
            else:
                cause = base_kinds.cause[step, g]
                result[0, base.object_image[g], label, size, cause] += weight * float(after[g][0])
    return result


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_contributions_are_as_defined(seed):
    truth, base, variant = random_case(seed)
    sides = [judged(truth, found, IMAGES, CLASSES) for found in (base, variant)]
    result, expected = explain(*sides[0], *sides[1]), literally(*sides[0], *sides[1])
    assert result.image_parts == pytest.approx(expected.sum(2), abs=1e-12)
    assert result.class_parts == pytest.approx(expected.sum(1), abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_variant_does_not_differ_from_itself(seed):
    truth, base, _ = random_case(seed)
    result = explained(truth, base, base, IMAGES, CLASSES)
    assert not result.image_parts.any()
    assert not result.class_parts.any()
    assert result.total == result.remainder == 0


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_swapping_base_and_variant_flips_every_sign(seed):
    truth, base, variant = random_case(seed)
    there = explained(truth, base, variant, IMAGES, CLASSES)
    back = explained(truth, variant, base, IMAGES, CLASSES)
    for name in ("image_parts", "class_parts", "class_remainder", "class_total"):
        assert getattr(there, name) == pytest.approx(-getattr(back, name), abs=1e-14)
