"""Verdicts: answers, bounds for all variants at once, and what is said where there is no answer."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.compare.verdict import (
    BEYOND,
    FEW_IMAGES,
    FEW_RESAMPLES,
    NO,
    NO_VALUE,
    NOTHING_FOUND,
    SMALL_RUN,
    YES,
    answer_of,
    images_needed,
    resamples_needed,
    simultaneous_interval,
    verdict,
    verdicts,
    worse_share,
)
from helpers.lab.errors import LabError
from helpers.lab.intervals import Interval, bias_corrected_interval, interval_of
from helpers.run.variants import BASELINE

IMAGES, RESAMPLES = 500, 1000


def spread_around(value: float, width: float = 0.004, count: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """A value and its resamples ``[1 + count]``, normal with that standard deviation."""
    return np.concatenate([[value], np.random.default_rng(seed).normal(value, width, count)])


def drawn(**differences: float) -> dict[str, dict[str, np.ndarray]]:
    """Draws of the baseline and of variants that differ from it by that much."""
    base = spread_around(0.4, 0.02, seed=1)
    others = {
        name: {"ap": base + spread_around(value, seed=number)}
        for number, (name, value) in enumerate(differences.items(), start=2)
    }
    return {BASELINE: {"ap": base}} | others


def test_each_variant_is_answered_against_the_margin():
    found = verdicts(drawn(same=0.0, better=0.03, worse=-0.06, unclear=-0.013), IMAGES, margin=0.02)
    assert list(found) == ["same", "better", "worse", "unclear"]
    answers = {name: item.answer for name, item in found.items()}
    assert answers == {"same": YES, "better": YES, "worse": NO, "unclear": FEW_IMAGES}
    assert all(item.compared == 4 and item.margin == 0.02 for item in found.values())


def test_a_verdict_holds_the_paired_difference_and_both_intervals():
    draws = drawn(int8=-0.01, float16=0.0)
    found = verdicts(draws, IMAGES)["int8"]
    paired = draws["int8"]["ap"] - draws[BASELINE]["ap"]
    assert found.difference == interval_of(paired)
    assert (found.low, found.high) == tuple(np.quantile(paired[1:], [0.0125, 0.9875]))
    assert found.low < found.difference.low < found.difference.high < found.high
    assert found.worse_share == (paired[1:] < 0).mean()


def test_with_one_variant_both_intervals_are_the_same():
    found = verdict("int8", spread_around(-0.01), IMAGES)
    assert (found.low, found.high) == (found.difference.low, found.difference.high)


def test_another_quantity_is_compared_by_name():
    draws = {name: {"ap_small": values["ap"]} for name, values in drawn(int8=-0.06).items()}
    assert verdicts(draws, IMAGES, quantity="ap_small")["int8"].answer == NO
    with pytest.raises(LabError, match="no resampled ap of"):
        verdicts(draws, IMAGES)


def test_a_file_that_finds_the_same_is_within_any_margin():
    found = verdict("float16", np.zeros(1 + RESAMPLES), IMAGES, margin=1e-9)
    assert (found.answer, found.worse_share, found.images_needed) == (YES, 0.5, None)


@given(
    value=st.floats(-0.1, 0.1),
    arms=st.tuples(st.floats(0, 0.05), st.floats(0, 0.05)),
    margin=st.floats(1e-3, 0.1),
)
def test_the_answer_is_where_the_interval_lies(value, arms, margin):
    joint = Interval(value, value - arms[0], value + arms[1])
    answer = answer_of(joint, margin)
    assert (answer == YES) == (joint.low > -margin)
    assert (answer == NO) == (joint.high < -margin)
    assert (answer == FEW_IMAGES) == (joint.low <= -margin <= joint.high)


@given(compared=st.integers(1, 12))
def test_more_comparisons_never_narrow_the_bounds(compared):
    values = spread_around(-0.01, count=resamples_needed(13))
    fewer, more = (simultaneous_interval(values, k) for k in (compared, compared + 1))
    assert more.low <= fewer.low <= fewer.high <= more.high
    assert more.level == pytest.approx(1 - 0.05 / (compared + 1))


@given(compared=st.integers(1, 20))
def test_enough_resamples_are_those_that_leave_some_beyond_each_bound(compared):
    needed = resamples_needed(compared)
    joint = simultaneous_interval(spread_around(0, count=needed), compared)
    values = spread_around(0, count=needed)[1:]
    assert (values < joint.low).sum() == (values > joint.high).sum() == BEYOND
    assert math.isnan(simultaneous_interval(spread_around(0, count=needed - 1), compared).low)


def test_too_few_resamples_give_no_answer_but_the_variants_own_interval():
    found = verdict("int8", spread_around(-0.3, count=200), 40, compared=4)
    assert found.answer == FEW_RESAMPLES
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.difference.high < 0
    assert (found.worse_share, found.images_needed) == (1, None)


def test_resamples_without_a_value_are_left_out_and_not_counted():
    values = spread_around(-0.05, count=RESAMPLES)
    gaps = np.concatenate([values, np.full(RESAMPLES, np.nan)])
    assert verdict("int8", gaps, IMAGES) == verdict("int8", values, IMAGES)
    mostly = np.where(np.arange(len(values)) > 150, np.nan, values)
    assert verdict("int8", mostly, IMAGES).answer == FEW_RESAMPLES


def test_where_there_is_nothing_to_find_there_is_nothing_to_compare():
    found = verdict("int8", np.full(1 + RESAMPLES, np.nan), IMAGES)
    assert found.answer == NO_VALUE
    assert math.isnan(found.worse_share)
    assert found.images_needed is None


def test_ties_count_half():
    assert worse_share(np.array([-1.0, -1, 0, 0, 1])) == pytest.approx(0.6)
    assert worse_share(np.zeros(7)) == 0.5
    assert math.isnan(worse_share(np.zeros(0)))


def test_half_the_distance_asks_for_four_times_the_images():
    assert images_needed(Interval(0.0, -0.02, 0.03), 500, margin=0.01) == 2000
    assert images_needed(Interval(-0.02, -0.05, 0.01), 500, margin=0.01) == 4500
    assert images_needed(Interval(0.0, -0.0101, 0.03), 500, margin=0.01) == 520


def test_a_difference_at_the_margin_is_settled_by_no_number_of_images():
    assert images_needed(Interval(-0.01, -0.02, 0.0), 500, margin=0.01) is None
    assert images_needed(Interval(-0.0095, -0.02, 0.0), 500, margin=0.01) is None


@given(
    value=st.floats(-0.1, 0.1),
    arms=st.tuples(st.floats(1e-6, 0.2), st.floats(1e-6, 0.2)),
    images=st.integers(10, 10_000),
)
def test_the_images_needed_are_more_than_there_are_and_would_settle_it(value, arms, images):
    joint, margin = Interval(value, value - arms[0], value + arms[1]), 0.01
    if answer_of(joint, margin) != FEW_IMAGES:
        return
    needed = images_needed(joint, images, margin)
    if needed is None:
        return
    assert images < needed <= 110 * images
    shrunk = math.sqrt(images / needed) * (1 - 1e-9)
    then = Interval(value, value - arms[0] * shrunk, value + arms[1] * shrunk)
    assert answer_of(then, margin) in (YES, NO)


@pytest.mark.parametrize("margin", [0, -0.01, math.nan, math.inf, -math.inf])
def test_a_margin_that_is_none_is_refused(margin):
    with pytest.raises(LabError, match="margin"):
        verdicts(drawn(int8=0.0), IMAGES, margin=margin)


def test_without_the_baseline_there_is_no_verdict():
    draws = drawn(int8=0.0)
    for broken in ({"int8": draws["int8"]}, draws | {BASELINE: {}}, {}):
        with pytest.raises(LabError, match=BASELINE):
            verdicts(broken, IMAGES)


def test_the_baseline_alone_gives_no_verdicts():
    assert verdicts(drawn(), IMAGES) == {}


def test_draws_of_another_number_are_not_paired():
    draws = drawn(int8=0.0)
    with pytest.raises(LabError, match="999 resamples of int8"):
        verdicts(draws | {"int8": {"ap": draws["int8"]["ap"][:-1]}}, IMAGES)


def test_a_biased_bootstrap_has_its_bounds_moved_against_the_bias():
    shares = (np.arange(4000) + 0.5) / 4000
    normal = np.array([0, *map(NormalDist().inv_cdf, shares)])
    # Half a standard deviation too high; the bounds go as far to the other side.
    interval = bias_corrected_interval(normal + np.where(np.arange(4001) > 0, 0.5, 0))
    assert (interval.low, interval.high) == pytest.approx((-0.5 - 1.96, -0.5 + 1.96), abs=0.03)


def test_without_bias_there_is_no_correction():
    draws = np.concatenate([[0.0], np.linspace(-1, 1, 1001)])
    corrected, plain = bias_corrected_interval(draws), interval_of(draws)
    assert (corrected.low, corrected.high) == pytest.approx((plain.low, plain.high), abs=1e-9)


@given(
    value=st.floats(-1, 1),
    resampled=st.lists(st.floats(-1, 1) | st.just(math.nan), max_size=30),
    level=st.floats(0.5, 0.999),
)
def test_corrected_bounds_hold_the_value_or_are_unknown(value, resampled, level):
    interval = bias_corrected_interval(np.array([value, *resampled]), level)
    if all(map(math.isnan, resampled)):
        assert math.isnan(interval.low)
        assert math.isnan(interval.high)
    else:
        assert interval.low <= value <= interval.high


def test_no_value_has_no_bounds():
    interval = bias_corrected_interval(np.array([math.nan, 0.1, 0.2]))
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_a_difference_that_is_always_exactly_the_margin_has_no_number_of_images():
    found = verdict("int8", np.full(1001, -0.01), 100, 0.01)
    assert (found.answer, found.images_needed) == (FEW_IMAGES, None)


def test_more_images_are_needed_than_there_are_even_where_the_bound_lies_on_the_margin():
    assert images_needed(Interval(0.0, -0.01, 0.01), 50, 0.01) == 51


@pytest.mark.parametrize("found", [0.0, 0.004, 0.01])
def test_where_the_baseline_finds_next_to_nothing_there_is_no_verdict(found):
    draws = {name: {"ap": np.full(1001, found)} for name in (BASELINE, "int8", "float16")}
    assert {each.answer for each in verdicts(draws, 500, 0.01).values()} == {NOTHING_FOUND}


def test_a_run_that_is_made_for_no_conclusion_has_no_verdict():
    assert verdicts(drawn(int8=0.0), IMAGES)["int8"].answer == YES
    assert verdicts(drawn(int8=0.0), IMAGES, conclusive=False)["int8"].answer == SMALL_RUN
