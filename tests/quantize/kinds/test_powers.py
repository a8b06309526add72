"""Powers of two and sums of two of them: levels by hand, scales against a dense search."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from helpers.quantize.kinds.coding import decode
from helpers.quantize.kinds.groups import by_channel
from helpers.quantize.kinds.powers import Powers
from tests.support.drawn_weights import error, weights

KINDS = (Powers(2), Powers(3), Powers(4), Powers(5), Powers(4, terms=2), Powers(5, terms=2))


def test_levels_by_hand():
    assert Powers(2).magnitudes.tolist() == [0, 1]
    assert Powers(3).magnitudes.tolist() == [0, 0.25, 0.5, 1]
    assert Powers(4).magnitudes.tolist() == [0, *(2.0**-e for e in range(6, -1, -1))]
    assert Powers(4, terms=2).magnitudes.tolist() == [0, 0.125, 0.25, 0.375, 0.5, 0.75, 1, 1.25]


def test_levels_of_additive_powers_are_the_papers():
    # Li et al. 2020, equation 5 with k = n = 2: every sum of one of each, all of them different.
    first, second = (0, 1, 2**-2, 2**-4), (0, 2**-1, 2**-3, 2**-5)
    sums = sorted(a + b for a, b in itertools.product(first, second))
    assert Powers(5, terms=2).magnitudes.tolist() == sums
    assert len(set(sums)) == 16


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_levels_are_decoded_as_they_are(kind):
    levels = np.concatenate([kind.magnitudes, -kind.magnitudes[1:]]).astype(np.float32)
    tensor = np.stack([levels * 3, levels * 0.5])
    coded = kind.encode(tensor, 0)
    np.testing.assert_array_equal(decode(coded), tensor)
    assert coded["scales"].tolist() == [3, 0.5]
    size = -(-tensor.size * kind.bits // 8) * 8
    assert coded.bits == size + 2 * 32


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(tensor=weights(scales=(1.0,)))
@settings(max_examples=20)
def test_no_scale_on_a_dense_grid_is_better(kind, tensor):
    found = by_channel(decode(kind.encode(*tensor)), tensor[1])
    for row, ours in list(zip(by_channel(*tensor).astype(np.float64), found, strict=True))[:4]:
        scales = np.abs(row).max() * np.linspace(0.02, 1.5, 500)[:, None, None]
        values = scales * kind.magnitudes
        others = (np.abs(np.abs(row)[:, None] - values).min(2) ** 2).sum(1)
        assert error(row, ours) <= others.min() + 1e-6 * (row**2).sum()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_weight_becomes_the_nearest_value(kind):
    tensor = np.random.default_rng(0).normal(size=(3, 200)).astype(np.float32)
    coded = kind.encode(tensor, 0)
    values = decode(coded)
    for row, ours, scale in zip(tensor, values, coded["scales"], strict=True):
        table = np.concatenate([kind.magnitudes, -kind.magnitudes]).astype(np.float32) * scale
        nearest = np.abs(row[:, None] - table).min(1)
        np.testing.assert_allclose(np.abs(row - ours), nearest, rtol=0, atol=1e-6)
