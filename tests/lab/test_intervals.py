"""Intervals hold what they promise to hold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.lab.intervals import Interval, percentile_interval, resample_weights

numbers = st.floats(-1e6, 1e6)


def test_the_interval_holds_the_true_mean_as_often_as_it_says():
    generator = np.random.default_rng(11)
    covered, count, truth = 0, 40, 3.0
    for seed in range(600):
        sample = generator.normal(truth, 2.0, count)
        means = resample_weights(count, 300, seed) @ sample / count
        interval = percentile_interval(sample.mean(), means)
        covered += interval.low <= truth <= interval.high
    assert 0.90 <= covered / 600 <= 0.98


def test_bounds_are_the_quantiles():
    interval = percentile_interval(50, np.random.default_rng(0).permutation(np.arange(1001.0)), level=0.9)
    assert (interval.value, interval.level) == (50, 0.9)
    assert (interval.low, interval.high) == pytest.approx((50, 950))


def test_resamples_without_a_value_are_left_out():
    with_gaps = np.array([np.nan, 1, 2, np.inf, 3, np.nan])
    assert percentile_interval(2, with_gaps) == percentile_interval(2, np.array([1.0, 2, 3]))


def test_without_any_resample_the_bounds_are_unknown_not_zero():
    for nothing in (np.zeros(0), np.full(5, np.nan)):
        interval = percentile_interval(2.0, nothing)
        assert interval.value == 2.0
        assert math.isnan(interval.low)
        assert math.isnan(interval.high)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 1000))
def test_every_resample_draws_as_many_as_there_are(count, resamples, seed):
    weights = resample_weights(count, resamples, seed)
    assert weights.shape == (resamples, count)
    assert weights.dtype == np.int32
    assert (weights >= 0).all()
    assert (weights.sum(1) == count).all()
    assert np.array_equal(weights, resample_weights(count, resamples, seed))


def test_units_are_drawn_equally_often_and_vary_as_a_bootstrap_does():
    weights = resample_weights(20, 20_000, 5)
    # A weight is binomial(20, 1/20): mean 1, variance 0.95.
    assert np.abs(weights.mean(0) - 1).max() < 0.04
    assert np.abs(weights.var(0) - 0.95).max() < 0.06
    assert not np.array_equal(weights, resample_weights(20, 20_000, 6))


@given(numbers, numbers, numbers)
def test_a_bound_itself_is_not_excluded(a, b, reference):
    low, high = sorted((a, b))
    interval = Interval((low + high) / 2, low, high)
    assert interval.excludes(reference) == (reference < low or reference > high)
    assert not interval.excludes(low)
    assert not interval.excludes(high)


@given(numbers, numbers, st.floats(-100, 100))
def test_scaling_keeps_the_bounds_in_order(a, b, factor):
    low, high = sorted((a, b))
    scaled = Interval(low, low, high, 0.9).scaled(factor)
    assert scaled.low <= scaled.high
    assert {scaled.low, scaled.high} == {low * factor, high * factor}
    assert scaled.value == low * factor
    assert scaled.level == 0.9


def test_scaling_by_a_negative_factor_turns_the_bounds():
    assert Interval(2, 1, 4).scaled(-2) == Interval(-4, -8, -2)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_higher_levels_give_wider_intervals(level):
    values = np.random.default_rng(2).normal(size=2000)
    narrow, wide = percentile_interval(0, values, level - 0.1), percentile_interval(0, values, level)
    assert wide.low < narrow.low < narrow.high < wide.high
