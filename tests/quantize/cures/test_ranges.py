"""Ranges of activations, against a search over all levels, and what a rare large value costs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.quantize.cures.observed import BINS, Seen, count, observe
from helpers.quantize.cures.plan import HIGHEST, LOWEST, Plan, Range
from helpers.quantize.cures.ranges import (
    WAYS,
    bins_of,
    curve_behind,
    least_squares,
    minmax,
    range_by,
    ranges_by,
)
from helpers.quantize.cures.writing import integer_content
from helpers.quantize.trained.constants import whole_model
from helpers.runtimes.litert.reader import graph_of
from tests.quantize.cures.test_equalize import error
from tests.support.faulty_networks import faulty, images


def seen_of(values: np.ndarray) -> Seen:
    low, high = values.min(), values.max()
    counts = np.histogram(values, BINS, (low, high if high > low else low + 1))[0]
    return Seen(np.float32([low]), np.float32([high]), np.array([values.mean()]), counts)


def rounded(values: np.ndarray, grid: Range) -> np.ndarray:
    levels = np.clip(np.rint(values / grid.step) + grid.zero_point, LOWEST, HIGHEST)
    return (levels - grid.zero_point) * grid.step


def identity(x):
    return x


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["normal", "laplace", "uniform"]),
    st.floats(-3, 3),
    st.floats(0.01, 100),
    st.integers(0, 99),
)
def test_every_way_gives_a_range_within_the_extremes(kind, centre, spread, seed):
    values = getattr(np.random.default_rng(seed), kind)(centre, spread, 4000).astype(np.float32)
    seen = seen_of(values)
    whole = minmax(seen)
    for way in WAYS:
        found = range_by(way, seen, identity)
        assert whole.low - 1e-5 <= found.low <= 0 <= found.high <= whole.high + 1e-5
    squares = [np.square(rounded(values, each) - values).mean() for each in (least_squares(seen), whole)]
    assert squares[0] <= squares[1] * 1.05


@pytest.mark.parametrize("value", [0.0, 2.5, -1.0])
@pytest.mark.parametrize("way", WAYS)
def test_a_tensor_of_one_value_keeps_it(way, value):
    found = range_by(way, seen_of(np.full(50, value, np.float32)), identity)
    assert abs(rounded(np.array([value]), found)[0] - value) <= abs(value) / 100


def test_a_leaky_relu_behind_makes_a_range_spend_its_levels_above_zero():
    generator = np.random.default_rng(0)
    values = np.concatenate([generator.uniform(-40, 0, 50), generator.uniform(0, 4, 9000)])
    leaky = lambda x: np.where(x > 0, x, 0.1 * x)  # noqa: E731
    plain, behind = least_squares(seen_of(values)), least_squares(seen_of(values), leaky)
    assert behind.low > plain.low
    costs = [np.square(leaky(rounded(values, each)) - leaky(values)).mean() for each in (plain, behind)]
    assert costs[1] < costs[0]


def opened(name: str, photos):
    content = faulty(name)
    model = whole_model(content)
    graph = graph_of(model, len(content))
    seen = observe(content, graph, photos)
    count(content, graph, photos, seen)
    return content, model, graph, seen


@pytest.mark.parametrize(("name", "wanted"), [("plain", 0.1), ("silu", None)])
def test_the_curve_behind_a_tensor_is_read_from_the_file(name, wanted):
    _, model, graph, _ = opened(name, images(1))
    first = graph.convolutions[0].outputs[0]
    curve, x = curve_behind(graph, model, first), np.array([-2.0, 3.0])
    expected = np.where(x > 0, x, wanted * x) if wanted else x / (1 + np.exp(-x))
    np.testing.assert_allclose(curve(x), expected, rtol=1e-6)


def test_a_rare_spike_takes_no_levels_of_the_others():
    photos, usual = images(16), images(6, seed=9)
    photos[3][0, 5, 5] = 60
    content, model, graph, seen = opened("plain", photos)
    errors = {
        way: error(content, integer_content(content, Plan(ranges_by(way, graph, model, seen))), usual)
        for way in ("minmax", "percentile-99.9", "entropy")
    }
    assert errors["percentile-99.9"] < 0.5 * errors["minmax"]
    assert errors["entropy"] < errors["minmax"]


def test_histograms_count_every_value():
    photos = images(3)
    _, _, graph, seen = opened("plain", photos)
    for tensor in graph.tensors:
        if tensor.name in seen:
            assert seen[tensor.name].counts.sum() == 3 * tensor.elements
            centres, counts = bins_of(seen[tensor.name])
            assert len(centres) == len(counts) == BINS
