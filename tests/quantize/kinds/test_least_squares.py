"""The exact search for a scale, against every choice of codes there is."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.quantize.kinds import least_squares
from helpers.quantize.kinds.least_squares import best_scales

GRIDS = {
    "uniform": [0.0, 1, 2, 3],
    "ternary": [0.0, 1],
    "powers": [0.0, 0.25, 0.5, 1],
    "binary": [1.0, 2],
    "sums": [0.0, 0.5, 0.75, 1, 1.25],
}
MAGNITUDES = st.lists(st.floats(0, 100, width=32), min_size=1, max_size=5)


def least_error(magnitudes: np.ndarray, levels: list[float]) -> float:
    """Of every level for every weight, each with the scale that fits it best."""
    codes = np.array(list(itertools.product(levels, repeat=len(magnitudes))))
    squares = (codes**2).sum(1)
    removed = np.divide((codes @ magnitudes) ** 2, squares, out=np.zeros(len(codes)), where=squares > 0)
    return (magnitudes**2).sum() - removed.max()


def error_of(magnitudes: np.ndarray, levels: np.ndarray, scale: float) -> float:
    return (np.abs(magnitudes[:, None] - scale * levels).min(1) ** 2).sum()


@pytest.mark.parametrize("grid", GRIDS)
@given(drawn=MAGNITUDES)
def test_no_choice_of_codes_has_a_smaller_error(grid, drawn):
    magnitudes, levels = np.array(drawn), GRIDS[grid]
    (scale,) = best_scales(magnitudes[None], np.array(levels))
    bound = least_error(magnitudes, levels)
    assert error_of(magnitudes, np.array(levels), scale) <= bound + 1e-9 * (1 + (magnitudes**2).sum())


def test_groups_are_independent_and_may_be_taken_in_turns(monkeypatch):
    magnitudes = np.abs(np.random.default_rng(0).normal(size=(20, 9)))
    levels = np.arange(4.0)
    together = best_scales(magnitudes, levels)
    monkeypatch.setattr(least_squares, "AT_ONCE", 60)
    np.testing.assert_array_equal(best_scales(magnitudes, levels), together)
    np.testing.assert_array_equal(best_scales(magnitudes[7:8], levels), together[7:8])


def test_zeros_have_the_scale_zero():
    assert best_scales(np.zeros((1, 3)), np.arange(3.0)).tolist() == [0]
    assert best_scales(np.zeros((1, 3)), np.array([1.0, 2])).tolist() == [0]
