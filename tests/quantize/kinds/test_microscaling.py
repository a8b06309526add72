"""The MX formats: by hand, and against the nearest of all their numbers."""

import numpy as np
import pytest
from hypothesis import given, settings

from helpers.quantize.kinds.coding import decode
from helpers.quantize.kinds.groups import by_channel, in_groups
from helpers.quantize.kinds.microscaling import ELEMENTS, Microscaling
from tests.support.drawn_weights import weights


def numbers(name: str) -> np.ndarray:
    """Every finite number of the element's format."""
    dtype, bits, _ = ELEMENTS[name]
    values = np.arange(2**bits, dtype=np.uint8).view(dtype).astype(np.float64)
    return values[np.isfinite(values)]


def test_mxfp4_by_hand():
    # Its numbers are 0, 0.5, 1, 1.5, 2, 3, 4, 6; the largest here is in 4..8, so the scale is 2^(2 - 2) = 1.
    tensor = np.float32([[7, -4.9, 2.4, 0.3, 0.2]])
    coded = Microscaling("mxfp4").encode(tensor, 0)
    assert decode(coded).tolist() == [[6, -4, 2, 0.5, 0]]
    assert coded["scales"].astype(float).tolist() == [1]
    assert coded.bits == 24 + 8  # five weights of 4 bits take three bytes


@pytest.mark.parametrize("name", ELEMENTS)
def test_the_exponent_is_that_of_the_largest_number(name):
    assert ELEMENTS[name][2] == np.floor(np.log2(numbers(name).max()))


@pytest.mark.parametrize("name", ELEMENTS)
@given(tensor=weights(scales=(1e-30, 1.0, 1e30)))
@settings(max_examples=20)
def test_each_weight_becomes_the_nearest_number_times_the_scale(name, tensor):
    coded = Microscaling(name).encode(*tensor)
    ours, blocks = (in_groups(by_channel(v, tensor[1]), "block") for v in (decode(coded), tensor[0]))
    scales = coded["scales"].astype(np.float64)
    most = np.abs(blocks).max(1)
    top = ELEMENTS[name][2]
    full = most > 0
    assert (scales * 2.0**top <= most * (1 + 1e-7))[full].all()
    assert (most < scales * 2.0 ** (top + 1))[full].all()
    for block, values, scale in list(zip(blocks.astype(np.float64), ours, scales, strict=True))[:20]:
        nearest = np.abs(block[:, None] - scale * numbers(name)).min(1)
        np.testing.assert_allclose(np.abs(block - values), nearest, rtol=0, atol=1e-7 * scale * 2.0**top)


@pytest.mark.parametrize(("name", "bits"), [("mxfp8-e4m3", 8), ("mxfp6-e2m3", 6), ("mxfp4", 4)])
def test_a_block_of_32_shares_8_bits(name, bits):
    assert Microscaling(name).encode(np.ones((2, 64), np.float32), 0).bits == 128 * bits + 4 * 8
