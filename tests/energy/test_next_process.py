"""Intervals that hold for the next process: by hand, and by simulation with known spreads."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from helpers.energy.next_process import (
    centre,
    drawn_rounds,
    left_out,
    over_processes,
    pair_averages,
    process_values,
    ratio_over_processes,
    stretch,
)
from helpers.energy.summary import mean_over_samples, percentile_over_samples

TRUTH = 1.03


def test_a_process_says_one_number_however_many_rounds_it_had():
    assert process_values(np.array([1.0, 5, 2, 7, 7]), [0, 0, 0, 3, 3]).tolist() == [2, 7]


def test_pairs_are_averaged_with_themselves_too():
    assert pair_averages(np.array([4.0, 0])).tolist() == [0, 2, 4]


@pytest.mark.parametrize("level", [0.95, 0.96])
@pytest.mark.parametrize("count", range(1, 13))
def test_as_many_pairs_are_left_out_as_coins_allow(count, level):
    """All ways in which signs can fall, one by one: at most half of what is left stays on one side."""
    ranks = np.arange(1, count + 1)
    sums = np.array(list(itertools.product([0, 1], repeat=count))) @ ranks
    outside = left_out(count, level)
    assert outside < 0 or np.mean(sums <= outside) <= (1 - level) / 2
    assert np.mean(sums <= outside + 1) > (1 - level) / 2
    assert (outside >= 0) == (count >= 6)


@given(st.integers(6, 12), st.integers(0, 10**6))
def test_the_interval_is_what_the_signed_rank_test_does_not_reject(count, seed):
    """The test of Wilcoxon as SciPy has it, its own distribution, at values just inside and outside."""
    values = np.random.default_rng(seed).normal(0, 1, count)
    found = centre(values)
    for bound, outwards in ((found.low, -1e-9), (found.high, 1e-9)):
        assert wilcoxon(values - bound + outwards, method="exact").pvalue > 0.05
        assert wilcoxon(values - bound - outwards, method="exact").pvalue <= 0.05


def test_few_processes_are_left_to_student():
    """By hand: the mean 2, deviation 1, t of two degrees 4.303."""
    found = centre(np.array([1.0, 2, 3]))
    assert (found.value, found.low, found.high) == pytest.approx(
        (2, 2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5), 1e-3
    )


def test_one_process_has_a_value_and_no_bounds():
    found = ratio_over_processes(np.array([1.1, 1.2, 1.3]), [0, 0, 0])
    assert found.value == pytest.approx(1.2)
    assert np.isnan([found.low, found.high]).all()
    assert not found.excludes(1)


@given(st.integers(2, 15), st.integers(1, 4), st.integers(0, 10**6))
def test_a_ratio_and_its_inverse_have_inverse_bounds(processes, rounds, seed):
    ratios = np.exp(np.random.default_rng(seed).normal(0, 0.1, processes * rounds))
    numbers = np.repeat(np.arange(processes), rounds)
    found, inverse = ratio_over_processes(ratios, numbers), ratio_over_processes(1 / ratios, numbers)
    assert found.low <= found.value <= found.high
    assert [1 / inverse.high, 1 / inverse.value, 1 / inverse.low] == pytest.approx(
        [found.low, found.value, found.high]
    )


def test_whole_processes_are_drawn():
    drawn = drawn_rounds((0, 0, 1, 1, 4, 4), 200, 3)
    assert drawn.shape == (200, 6)
    pairs = drawn.reshape(200, 3, 2)
    assert (pairs[..., 0] % 2 == 0).all()
    assert (pairs[..., 1] == pairs[..., 0] + 1).all()


def test_processes_of_unequal_length_are_drawn_to_the_same_length():
    drawn = drawn_rounds((0, 0, 0, 1), 100, 3)
    assert drawn.shape == (100, 4)
    assert {tuple(row) for row in drawn} >= {(0, 1, 2, 0), (3, 3, 3, 3)}


def test_the_stretch_gets_small_with_many_processes():
    assert np.isnan(stretch(1))
    assert stretch(4) == pytest.approx(3.182 / 1.96 * (4 / 3) ** 0.5, rel=1e-3)
    assert stretch(1000) == pytest.approx(1, abs=0.003)


def normal(generator, shape):
    return generator.normal(0, 1, shape)


def heavy_tailed(generator, shape):
    return generator.standard_t(2, shape)


def one_in_ten_disturbed(generator, shape):
    return generator.normal(0, 1, shape) * np.where(generator.random(shape) < 0.1, 10, 1)


@pytest.mark.parametrize("draw", [normal, heavy_tailed, one_in_ten_disturbed])
@pytest.mark.parametrize(("between", "within"), [(0.005, 0.012), (0.015, 0.005)])
@pytest.mark.parametrize(("processes", "rounds"), [(4, 3), (6, 1), (8, 3), (12, 1), (20, 1)])
def test_ratios_hold_the_truth_in_95_of_100_measurements(draw, between, within, processes, rounds):
    """The share of 1500 has a standard error of 0.6 %: 94 to 97 are expected (``next_process``)."""
    generator = np.random.default_rng([processes, rounds])
    logs = between * draw(generator, (1500, processes, 1)) + within * draw(
        generator, (1500, processes, rounds)
    )
    numbers = np.repeat(np.arange(processes), rounds)
    found = [ratio_over_processes(TRUTH * np.exp(own.ravel()), numbers) for own in logs]
    assert 0.93 <= np.mean([not each.excludes(TRUTH) for each in found]) <= 0.985


@pytest.mark.parametrize("statistic", [percentile_over_samples(50), mean_over_samples])
@pytest.mark.parametrize(("processes", "rounds"), [(5, 2), (10, 1), (20, 1)])
def test_medians_and_means_hold_the_truth_too(statistic, processes, rounds):
    generator = np.random.default_rng([processes, rounds])
    numbers = np.repeat(np.arange(processes), rounds)
    held = []
    for _ in range(300):
        own = generator.normal(0, 0.01, (processes, 1)) + generator.normal(0, 0.01, (processes, rounds))
        samples = 4 + own.reshape(-1, 1) + generator.normal(0, 0.01, (processes * rounds, 8))
        held.append(not over_processes(samples, numbers.tolist(), statistic, 300, 1).excludes(4))
    # A standard error of 1.3 %.
    assert 0.91 <= np.mean(held) <= 0.99


def test_rounds_of_one_process_taken_for_processes_hold_too_seldom():
    """What the two stages are for: eight processes that differ, five rounds in each that do not."""
    generator = np.random.default_rng(5)
    logs = 0.015 * generator.normal(0, 1, (400, 8, 1)) + 0.005 * generator.normal(0, 1, (400, 8, 5))
    numbers = np.repeat(np.arange(8), 5)
    naive = [not ratio_over_processes(np.exp(own.ravel()), np.arange(40)).excludes(1) for own in logs]
    staged = [not ratio_over_processes(np.exp(own.ravel()), numbers).excludes(1) for own in logs]
    assert np.mean(naive) < 0.75
    assert np.mean(staged) > 0.92
