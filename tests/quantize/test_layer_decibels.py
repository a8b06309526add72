"""Decibels, grids and drops by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.quantize.layers.decibels import EXACT_DB, power, sqnr_db
from helpers.quantize.layers.measure import layer_errors
from helpers.quantize.layers.tally import Tally
from helpers.runtimes.litert.grid import Grid
from tests.support.layered_files import make_variants
from tests.support.why_models import stack_core, stack_images


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_variants(stack_core(tmp_path_factory.mktemp("stack") / "base.tflite"), stack_images(6))


@pytest.fixture(scope="module")
def found(files):
    """Every variant's layers on photos that were calibrated on."""
    return {name: layer_errors(files["float32"], file, stack_images(3)) for name, file in files.items()}


@pytest.mark.parametrize(
    ("signal", "noise", "db"),
    [
        (14, 1, 11.4613),
        (100, 1, 20),
        (1, 100, -20),
        (1, 0, EXACT_DB),
        (0, 0, EXACT_DB),
        (0, 1, -EXACT_DB),
        (1, math.inf, -EXACT_DB),
        (1, math.nan, -EXACT_DB),
        (1, 1e-20, EXACT_DB),
    ],
)
def test_decibels_by_hand(signal, noise, db):
    assert sqnr_db(signal, noise) == pytest.approx(db, abs=1e-3)


def test_one_bit_more_is_six_decibels():
    values = np.random.default_rng(0).uniform(-1, 1, 200_000).astype(np.float32)

    def db_of(bits):
        grid = Grid(2 / 2**bits, 0, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return sqnr_db(power(values), power(values - grid.rounded(values)))

    # A uniform signal on its own grid: 6.02 dB a bit.
    assert db_of(8) - db_of(7) == pytest.approx(6.02, abs=0.15)
    assert db_of(7) == pytest.approx(6.02 * 7, abs=0.3)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=20),
    scale=st.floats(0.01, 2),
    zero_point=st.integers(-128, 127),
)
def test_a_grid_rounds_to_the_nearest_number_that_it_holds(values, scale, zero_point):
    values = np.array(values, np.float32)
    held = (np.arange(-128, 128) - zero_point) * scale
    nearest = np.abs(values[:, None].astype(float) - held).min(1)
    given_ = Grid(scale, zero_point).rounded(values).astype(float)
    assert np.abs(given_ - values) == pytest.approx(nearest, abs=1e-4)
    assert np.abs(given_[:, None] - held).min(1).max() < 1e-4


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), spread=st.floats(0.1, 8))
def test_clipped_levels_and_channels_are_counted(seed, spread):
    values = np.random.default_rng(seed).normal(0, spread, (1, 5, 5, 6)).astype(np.float32)
    values[..., 0] /= 50
    grid = Grid(4 / 255, 0)
    tally = Tally(grid)
    tally.add_values(values, power(values))
    levels = grid.to_levels(values).astype(np.int8)
    tally.add_error(levels, 20.0, 1.0, 30.0)
    beyond = (values < grid.low - grid.scale / 2) | (values > grid.high + grid.scale / 2)
    spans = np.ptp(levels.reshape(-1, 6).astype(int), axis=0) + 1
    assert tally.clipped == pytest.approx(beyond.mean())
    assert tally.levels_used == len(np.unique(levels)) / 256
    assert tally.std == pytest.approx(values.std(), rel=1e-3)
    assert tally.step_per_std == pytest.approx(grid.scale / values.std(), rel=1e-3)
    assert (spans <= 15).mean() <= tally.coarse_channels <= (spans <= 18).mean()
    assert tally.drop_db == [10.0]


@pytest.mark.parametrize(("before", "found", "drop"), [(EXACT_DB, 30, 10), (90, 60, -20), (25, 20, 5)])
def test_what_is_lost_above_40_db_is_no_drop(before, found, drop):
    tally = Tally(None)
    tally.add_error(np.zeros(3, np.float32), found, 1.0, before)
    assert tally.drop_db == [drop]


@settings(max_examples=40, deadline=None)
@given(noise=st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(any))
def test_half_of_the_error_is_in_the_fewest_channels(noise):
    tally = Tally(None)
    tally.add_own(np.sqrt(np.array([noise], np.float32)), 30.0, 30.0)
    largest = sorted(noise, reverse=True)
    fewest = next(n for n in range(1, 9) if 2 * sum(largest[:n]) >= sum(noise))
    # At exactly one half, rounding may ask for one channel more.
    assert tally.half_channels in {fewest, fewest + (2 * sum(largest[:fewest]) == sum(noise))}
