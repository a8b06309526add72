"""Tables of values: against every way to cut, and against scikit-learn."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from helpers.quantize.kinds import line_clusters
from helpers.quantize.kinds.codebook import Codebook
from helpers.quantize.kinds.coding import decode
from helpers.quantize.kinds.line_clusters import best_centroids
from helpers.quantize.kinds.uniform import MIN_MAX, Uniform
from tests.support.drawn_weights import error

SHAPES = {
    "normal": lambda generator, size: generator.normal(size=size),
    "uniform": lambda generator, size: generator.uniform(size=size),
    "long tails": lambda generator, size: generator.standard_t(2, size=size),
    "far from zero": lambda generator, size: generator.normal(1000, 1, size),
    "few values": lambda generator, size: generator.integers(0, 12, size).astype(float),
}


def error_of(values: np.ndarray, centroids: np.ndarray) -> float:
    return (np.abs(np.asarray(values, np.float64)[:, None] - centroids).min(1) ** 2).sum()


def least_error(values: list[float], count: int) -> float:
    """Of every way to cut the sorted values into ``count`` runs."""
    ordered = np.sort(np.float64(values))
    cuts = itertools.combinations(range(1, len(ordered)), count - 1)
    return min(sum(((part - part.mean()) ** 2).sum() for part in np.split(ordered, cut)) for cut in cuts)


@given(st.lists(st.floats(-100, 100, width=32), min_size=4, max_size=11), st.integers(2, 4))
def test_no_other_centroids_have_a_smaller_error(values, count):
    bound = least_error(values, count)
    assert error_of(values, best_centroids(np.array(values), count)) <= bound + 1e-7 * (1 + bound)


@pytest.mark.parametrize("form", SHAPES)
@pytest.mark.parametrize("count", [2, 4, 8, 16])
def test_scikit_learns_best_of_many_is_no_better(form, count):
    values = SHAPES[form](np.random.default_rng(0), 700)
    theirs = KMeans(min(count, len(np.unique(values))), n_init=10, random_state=0).fit(values[:, None])
    assert error_of(values, best_centroids(values, count)) <= theirs.inertia_ * (1 + 1e-6) + 1e-9


@pytest.mark.parametrize("form", SHAPES)
@pytest.mark.parametrize("count", [4, 16])
def test_fewer_places_to_cut_cost_little(form, count, monkeypatch):
    values = SHAPES[form](np.random.default_rng(1), 5000)
    exact = error_of(values, best_centroids(values, count))
    monkeypatch.setattr(line_clusters, "MOST_CUTS", 500)
    assert error_of(values, best_centroids(values, count)) <= exact * 1.002 + 1e-9


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40), st.integers(1, 12))
@settings(max_examples=200)
def test_values_that_are_no_more_than_centroids_are_the_centroids(values, count):
    distinct = sorted(set(values))
    found = best_centroids(np.array(values, np.float64), count)
    assert len(found) == min(count, len(distinct))
    if len(distinct) <= count:
        assert found.tolist() == distinct


def test_bits_and_values_by_hand():
    tensor = np.repeat(np.float32([-2, 0, 1, 8]), 16).reshape(4, 16)
    coded = Codebook(4).encode(tensor, 0)
    assert coded["table"].tolist() == [-2, 0, 1, 8]
    assert coded.bits == 64 * 2 + 4 * 32 + 8
    np.testing.assert_array_equal(decode(coded), tensor)


def test_a_table_that_is_not_full_repeats_its_last_entry():
    tensor = np.repeat(np.float32([-1, 5]), 40).reshape(8, 10)
    coded = Codebook(4).encode(tensor, 0)
    assert coded["table"].tolist() == [-1, 5, 5, 5]
    np.testing.assert_array_equal(decode(coded), tensor)


def test_each_weight_becomes_the_nearest_entry():
    tensor = np.random.default_rng(2).normal(size=(1, 3, 3, 64)).astype(np.float32)
    coded = Codebook(16).encode(tensor, 3)
    values = decode(coded)
    nearest = np.abs(tensor[..., None] - coded["table"]).min(-1)
    np.testing.assert_allclose(np.abs(tensor - values), nearest, rtol=0, atol=1e-6)


def test_a_layer_smaller_than_its_table_takes_8_bits():
    tensor = np.random.default_rng(3).normal(size=(2, 10)).astype(np.float32)
    coded = Codebook(16).encode(tensor, 0)
    plain = Uniform(8, "channel", MIN_MAX).encode(tensor, 0)
    assert coded.kind == plain.kind
    assert coded.bits == plain.bits + 8 < 20 * 4 + 16 * 32
    np.testing.assert_array_equal(decode(coded), decode(plain))


def test_it_is_at_least_as_good_as_any_other_form_of_as_many_values_for_the_layer():
    tensor = np.random.default_rng(4).standard_t(3, (32, 64)).astype(np.float32)
    for bits in (2, 3, 4):
        ours, other = (
            error(tensor, decode(kind.encode(tensor, 0)))
            for kind in (Codebook(2**bits), Uniform(bits, "tensor"))
        )
        assert ours <= other
