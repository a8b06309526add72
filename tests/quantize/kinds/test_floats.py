"""Shorter float formats against NumPy, ml_dtypes and arithmetic in float64."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.quantize.kinds.catalogue import KINDS
from helpers.quantize.kinds.coding import decode

FORMATS = {
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float8-e4m3": ml_dtypes.float8_e4m3fn,
    "float8-e5m2": ml_dtypes.float8_e5m2,
}
FLOATS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50)


def cast(name: str, values: np.ndarray) -> np.ndarray:
    return decode(KINDS[name].encode(np.float32(values).reshape(1, -1), 0)).ravel()


def tf32(values: np.ndarray) -> np.ndarray:
    """To 11 significant binary places, or to whole multiples of 2^-136, ties to even, in float64."""
    exponents = np.maximum(np.frexp(values.astype(np.float64))[1] - 11, -136)
    return np.ldexp(np.rint(np.ldexp(values.astype(np.float64), -exponents)), exponents)


@pytest.mark.parametrize("name", FORMATS)
@given(values=FLOATS)
def test_within_the_range_it_is_the_plain_cast(name, values):
    values = np.float32(values)
    with np.errstate(over="ignore"):
        plain = values.astype(FORMATS[name]).astype(np.float32)
    inside = np.isfinite(plain)
    ours = cast(name, values)
    np.testing.assert_array_equal(ours[inside].view(np.uint32), plain[inside].view(np.uint32))
    most = np.float32(ml_dtypes.finfo(FORMATS[name]).max)
    np.testing.assert_array_equal(ours[~inside], np.sign(values[~inside]) * most)


@pytest.mark.parametrize("name", FORMATS)
def test_every_number_of_the_format_stays(name):
    dtype = np.dtype(FORMATS[name])
    values = np.arange(2 ** (8 * dtype.itemsize)).astype(f"u{dtype.itemsize}").view(dtype).astype(np.float32)
    values = values[np.isfinite(values)]
    np.testing.assert_array_equal(cast(name, values), values)


@given(FLOATS)
def test_tf32_has_ten_bits_of_mantissa(values):
    values = np.float32(values)
    ours, expected = cast("tf32", values), tf32(values)
    inside = np.abs(expected) < 2.0**128
    np.testing.assert_array_equal(ours[inside], expected[inside])
    np.testing.assert_array_equal(ours[~inside], np.sign(values[~inside]) * (2 - 2.0**-10) * 2.0**127)


def test_tf32_rounds_ties_to_even():
    step = 2.0**-10
    assert cast("tf32", [1 + step / 2, 1 + 1.5 * step, 1 + 0.51 * step]).tolist() == [
        1,
        1 + 2 * step,
        1 + step,
    ]


def test_what_is_beyond_the_range_becomes_its_end():
    assert cast("float8-e4m3", [448, 500, -1e9]).tolist() == [448, 448, -448]
    assert cast("float8-e5m2", [57344, 1e9, -1e9]).tolist() == [57344, 57344, -57344]
    assert cast("float16", [65504, 1e9]).tolist() == [65504, 65504]


@pytest.mark.parametrize(
    ("name", "bits"),
    [("tf32", 19), ("bfloat16", 16), ("float16", 16), ("float8-e4m3", 8), ("float8-e5m2", 8)],
)
def test_bits_are_those_of_the_format_alone(name, bits):
    assert KINDS[name].encode(np.ones((8, 2), np.float32), 0).bits == 16 * bits
