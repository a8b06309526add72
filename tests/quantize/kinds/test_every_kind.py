"""What every kind of quantization promises, on weights of all sorts."""

import dataclasses
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.quantize.kinds.catalogue import KINDS, get_kind
from helpers.quantize.kinds.coding import Coded, Field, Part, decode, pack, unpack
from helpers.quantize.kinds.groups import by_channel, from_channels, in_groups
from helpers.quantize.kinds.uniform import Uniform
from tests.support.drawn_weights import LAYOUTS, drawn, error, weights

NAMES = tuple(KINDS)
# Their scales are made anew of products that float32 has rounded: the last place may change.
TO_THE_LAST_PLACE = tuple(name for name in NAMES if name.startswith(("uniform", "apot")))
# The best grid of 5 bits and more is searched for, and of decoded weights the search may end on another one.
SEARCHED = tuple(
    f"uniform-{n}-{scales}-lse" for n in (5, 6, 7, 8) for scales in ("tensor", "channel", "block")
)
# Distinct values of a channel, or of a layer where there is one table.
LEVELS = {"ternary": 3, "binary": 2, "log2-3": 7, "log2-4": 15, "log2-5": 31, "apot-4": 15, "apot-5": 31}


def made(name: str, tensor: tuple[np.ndarray, int]) -> tuple[Coded, np.ndarray]:
    """Codes and decoded values; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        coded = KINDS[name].encode(*tensor)
        return coded, decode(coded)


@given(st.sampled_from(NAMES), weights())
@settings(max_examples=400)
def test_the_packed_bytes_hold_all_that_decoding_needs(name, tensor):
    coded, values = made(name, tensor)
    content = pack(coded)
    assert 8 * len(content) == coded.bits
    again = unpack(content, coded.layout)
    for part, same in zip(coded.parts, again.parts, strict=True):
        assert part.field == same.field
        assert part.values.tobytes() == same.values.tobytes()
    np.testing.assert_array_equal(decode(again), values)


@given(st.sampled_from(NAMES), weights())
@settings(max_examples=400)
def test_values_are_finite_of_the_same_shape_and_never_worse_than_nothing(name, tensor):
    _, values = made(name, tensor)
    assert values.shape == tensor[0].shape
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    power = error(tensor[0], np.zeros_like(tensor[0]))
    assert error(tensor[0], values) <= power * (1 + 1e-6)


@given(st.sampled_from([name for name in NAMES if name not in SEARCHED]), weights(scales=(1e-3, 1.0)))
@settings(max_examples=400)
def test_quantized_weights_stay_what_they_are(name, tensor):
    # Subvectors that zeros fill up are told apart from others once they are decoded.
    coded, values = made(name, tensor)
    again = made(name, (values, tensor[1]))[1]
    if name in TO_THE_LAST_PLACE or coded.kind.name.startswith("uniform"):
        np.testing.assert_allclose(again, values, rtol=3e-7, atol=0)
    elif not coded.kind.name.startswith("vector"):
        np.testing.assert_array_equal(again, values)


@given(st.sampled_from(list(LEVELS)), weights())
@settings(max_examples=200)
def test_no_channel_has_more_values_than_levels(name, tensor):
    rows = by_channel(made(name, tensor)[1], tensor[1])
    assert max(len(np.unique(row)) for row in rows) <= LEVELS[name]


@given(st.integers(2, 8), st.sampled_from(["tensor", "channel", "block"]), weights())
@settings(max_examples=200)
def test_no_group_has_more_values_than_codes(bits, granularity, tensor):
    values = decode(Uniform(bits, granularity, "least-squares").encode(*tensor))
    groups = in_groups(by_channel(values, tensor[1]), granularity)
    assert max(len(np.unique(group)) for group in groups) <= 2**bits - 1


@given(st.sampled_from([name for name in NAMES if name.startswith(("codebook", "vector"))]), weights())
@settings(max_examples=100)
def test_no_layer_has_more_values_than_its_table(name, tensor):
    coded, values = made(name, tensor)
    if coded.kind.name == name:
        assert len(np.unique(values)) <= coded["table"].size


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", range(len(LAYOUTS)))
def test_zeros_stay_zeros(name, layout):
    assert not made(name, drawn(layout, "zero", 1.0, 0))[1].any()


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(("codebook", "vector"))])
def test_a_channel_of_zeros_among_others_stays_zero(name):
    for layout in range(3):
        tensor, axis = drawn(layout, "normal", 1.0, 1)
        np.moveaxis(tensor, axis, 0)[2] = 0
        assert not np.moveaxis(made(name, (tensor, axis))[1], axis, 0)[2].any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(name, value):
    tensor, axis = drawn(0, "normal", 1.0, 2)
    tensor[1, 2, 0, 3] = value
    with pytest.raises(LabError, match="1 of 180 weights"):
        KINDS[name].encode(tensor, axis)


@pytest.mark.parametrize("name", NAMES)
def test_encoding_is_the_same_every_time_and_leaves_the_weights_alone(name):
    generator = np.random.default_rng(3)
    tensor = generator.normal(size=(32, 1, 1, 96)).astype(np.float32)
    before = tensor.copy()
    contents = {pack(KINDS[name].encode(tensor, 0)) for _ in range(2)}
    assert len(contents) == 1
    np.testing.assert_array_equal(tensor, before)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(("codebook", "vector"))])
def test_where_the_channel_axis_lies_changes_nothing(name):
    tensor = drawn(1, "normal", 1.0, 4)[0]
    first = np.ascontiguousarray(np.moveaxis(tensor, 3, 0))
    ours, other = (made(name, pair)[1] for pair in ((tensor, 3), (first, 0)))
    np.testing.assert_array_equal(np.moveaxis(ours, 3, 0), other)


def test_kinds_are_frozen_and_known_by_their_names():
    for name, kind in KINDS.items():
        assert kind.name == name
        assert get_kind(name) is kind
        assert hash(kind) == hash(dataclasses.replace(kind))
        assert kind == dataclasses.replace(kind)
    with pytest.raises(LabError, match="'ternary'"):
        get_kind("ternery")


@given(
    st.integers(1, 32).flatmap(
        lambda bits: st.tuples(st.just(bits), st.lists(st.integers(0, 2**bits - 1), max_size=20))
    )
)
def test_integers_of_any_width_come_back(drawn_values):
    bits, values = drawn_values
    unsigned = np.array(values, np.uint32)
    signed = (unsigned.astype(np.int64) - (unsigned >> (bits - 1)).astype(np.int64) * 2**bits).astype(
        np.int32
    )
    for array in (unsigned, signed):
        coded = Coded(KINDS["binary"], array.shape, 0, (Part("codes", array, bits),))
        content = pack(coded)
        assert len(content) == -(-bits * len(values) // 8)
        back = unpack(content, coded.layout)["codes"]
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)


def test_bits_are_packed_from_the_lowest_and_each_part_begins_at_a_byte():
    first, second = Part("a", np.uint8([1, 2, 3]), 3), Part("b", np.int8([-1, 1]), 2)
    coded = Coded(KINDS["binary"], (3,), 0, (first, second))
    assert pack(coded) == bytes([0b11_010_001, 0b0, 0b0111])
    assert coded.bits == 24
    assert first.field == Field("a", np.dtype(np.uint8), (3,), 3)
    with pytest.raises(ValueError, match="4 bytes"):
        unpack(bytes(4), coded.layout)


@pytest.mark.parametrize(("values", "bits"), [(np.uint8([4]), 2), (np.int8([-3]), 2), (np.int8([2]), 2)])
def test_values_that_do_not_fit_are_refused(values, bits):
    with pytest.raises(ValueError, match="do not fit"):
        Part("codes", values, bits)


@given(weights(scales=(1.0,)))
def test_rows_are_channels_and_come_back(tensor):
    values, axis = tensor
    rows = by_channel(values, axis)
    for channel, row in enumerate(rows):
        np.testing.assert_array_equal(row, np.take(values, channel, axis).ravel())
    np.testing.assert_array_equal(from_channels(rows, values.shape, axis), values)
    np.testing.assert_array_equal(from_channels(rows, values.shape, axis - values.ndim), values)
