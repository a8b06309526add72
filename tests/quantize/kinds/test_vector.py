"""Product quantization: sizes by hand, clusters against scikit-learn's best of several."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from helpers.quantize.kinds import vector
from helpers.quantize.kinds.coding import decode
from helpers.quantize.kinds.uniform import MIN_MAX, Uniform
from helpers.quantize.kinds.vector import Vector, clustered
from tests.support.drawn_weights import error


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("size", "index_bits"), [(2, 8), (4, 8), (8, 6)])
def test_bits_by_hand(size, index_bits):
    # 64 * 192 = 12,288 weights: at full table 4, 2 or 1 bit each, and at most twice that with the table.
    coded = Vector(size).encode(normal(64, 1, 1, 192), 0)
    codes = 12288 // size * index_bits
    table = 2**index_bits * size * 16
    assert coded.bits == codes + table + 8
    assert codes + table <= 2 * 12288 * 8 / size
    larger = 12288 // size * (index_bits + 1) + 2 * table
    assert index_bits == 8 or larger > 2 * 12288 * 8 / size


@pytest.mark.parametrize("size", [2, 4, 8])
def test_small_layers_take_8_bits(size):
    tensor = normal(1, 3, 3, 4)
    coded, plain = Vector(size).encode(tensor, 3), Uniform(8, "channel", MIN_MAX).encode(tensor, 3)
    assert coded.kind == plain.kind
    assert coded.bits == plain.bits + 8
    np.testing.assert_array_equal(decode(coded), decode(plain))


def test_the_form_of_a_layer_follows_from_its_size():
    assert [Vector(2).index_bits(n, n // 2) for n in (50, 100, 200, 400, 2048, 10**6)] == [0, 4, 5, 5, 8, 8]
    assert [Vector(8).index_bits(n, n // 8) for n in (1000, 2000, 8192, 32768, 10**6)] == [0, 4, 6, 8, 8]


def test_subvectors_lie_in_a_channel_and_are_filled_up_with_zeros():
    tensor = np.zeros((64, 3, 3, 3), np.float32)
    tensor[::2] = normal(27).reshape(3, 3, 3)
    tensor = np.float32(tensor.astype(vector.TABLE_DTYPE))
    coded = Vector(4).encode(tensor, 0)
    assert coded["codes"].shape == (64, 7)
    np.testing.assert_array_equal(decode(coded), tensor)


def test_every_subvector_has_the_nearest_centroid():
    vectors = normal(3000, 4)
    table, codes = clustered(vectors, 64)
    distances = ((vectors[:, None].astype(np.float64) - table) ** 2).sum(2)
    ours = np.take_along_axis(distances, codes[:, None], 1)[:, 0]
    np.testing.assert_allclose(ours, distances.min(1), rtol=1e-6)


@pytest.mark.parametrize(("size", "count"), [(2, 16), (4, 64), (8, 16)])
def test_the_clusters_are_about_the_best_of_several_tries(size, count):
    vectors = normal(2000, size)
    table, codes = clustered(vectors, count)
    best = KMeans(count, n_init=5, random_state=1).fit(vectors).inertia_
    assert error(vectors, table[codes]) <= 1.05 * best


def test_a_sample_of_subvectors_costs_little(monkeypatch):
    vectors = normal(20000, 2)
    whole = error(vectors, (lambda made: made[0][made[1]])(clustered(vectors, 32)))
    monkeypatch.setattr(vector, "SAMPLE", 100)
    assert error(vectors, (lambda made: made[0][made[1]])(clustered(vectors, 32))) <= 1.05 * whole


def test_tiny_and_huge_weights_are_clustered_alike():
    tensor = normal(64, 64)
    powers = {
        scale: decode(Vector(4).encode(tensor * np.float32(scale), 0)) for scale in (1, 2.0**-90, 2.0**90)
    }
    for scale, values in powers.items():
        np.testing.assert_array_equal(values / np.float32(scale), powers[1])


def test_more_bits_have_less_error():
    tensor = normal(256, 128)
    errors = [error(tensor, decode(Vector(size).encode(tensor, 0))) for size in (2, 4, 8)]
    assert errors == sorted(errors)
