"""A ``.weights`` file: Darknet's order, and every byte accounted for."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.models.darknet.architecture import parse_architecture
from helpers.models.darknet.weights import parse_weights, read_weights, weights_bytes
from tests.models.darknet.generate import LONG_HEADER, SHORT_HEADER, convolution, head, net, weights_for

ARCHITECTURE = parse_architecture(net() + convolution(4) + convolution(8, groups=4) + head(), "a.cfg")
CONTENT = weights_for(ARCHITECTURE, 0)


def test_numbers_stand_in_darknets_order():
    count = (len(CONTENT) - len(LONG_HEADER)) // 4
    content = LONG_HEADER + np.arange(count, dtype="<f4").tobytes()
    first, second, last = parse_weights(content, ARCHITECTURE, "a.weights").values()
    for start, vector in enumerate((first.biases, first.scales, first.mean, first.variance)):
        assert vector.tolist() == [4 * start + i for i in range(4)]
    assert first.kernel.shape == (4, 3, 3, 3)
    assert first.kernel.ravel().tolist() == list(range(16, 16 + 108))
    assert second.kernel.shape == (8, 1, 3, 3)
    assert last.scales is None
    assert last.biases[0] == last.kernel[0, 0, 0, 0] - 16
    assert last.kernel.ravel()[-1] == count - 1


@pytest.mark.parametrize(
    ("header", "length"),
    [
        ((0, 1, 9), 16),
        ((0, 2, 0), 20),
        ((1, 0, 0), 20),
        ((1000, 0, 0), 16),
        ((0, 1000, 0), 16),
    ],
)
def test_images_seen_take_8_bytes_from_version_0_2(header, length):
    start = struct.pack("<iii", *header).ljust(length, b"\x07")
    content = start + CONTENT[len(LONG_HEADER) :]
    for got, want in zip(
        parse_weights(content, ARCHITECTURE, "a").values(),
        parse_weights(CONTENT, ARCHITECTURE, "a").values(),
        strict=True,
    ):
        np.testing.assert_array_equal(got.kernel, want.kernel)


def layer_at(position: int) -> str:
    """The layer within which a file that ends at ``position`` ends."""
    end = len(LONG_HEADER)
    for layer in ARCHITECTURE.convolutions:
        vectors = 4 if layer.batch_normalize else 1
        end += 4 * (vectors * layer.shape[2] + int(np.prod(layer.kernel_shape)))
        if position < end:
            return layer.name
    raise AssertionError(position)


@given(st.integers(len(LONG_HEADER), len(CONTENT) - 1))
def test_a_file_that_ends_too_soon_names_the_layer(length):
    with pytest.raises(LabError) as error:
        parse_weights(CONTENT[:length], ARCHITECTURE, "a.weights")
    assert layer_at(length) in error.value.found
    assert "bytes left" in error.value.found


def test_the_error_of_a_short_file_states_bytes_and_shape():
    with pytest.raises(LabError) as error:
        parse_weights(CONTENT[:-4], ARCHITECTURE, "a.weights")
    last = ARCHITECTURE.convolutions[-1]
    needed = 4 * (16 + 16 * 8)
    assert error.value.found == f"a.weights has {needed - 4:,} bytes left at {last.name}."
    assert error.value.expected == f"{needed:,} bytes for 16 filters of 1 x 1 x 8"


@given(st.binary(min_size=1, max_size=40))
def test_bytes_left_over_are_counted(rest):
    with pytest.raises(LabError) as error:
        parse_weights(CONTENT + rest, ARCHITECTURE, "a.weights")
    assert f"{len(rest):,} bytes after the last layer" in error.value.found
    assert f"{len(CONTENT):,} bytes in all" in error.value.expected


@pytest.mark.parametrize("content", [b"", SHORT_HEADER[:-1], LONG_HEADER[:-1]])
def test_a_file_without_a_whole_header_is_refused(content):
    with pytest.raises(LabError, match="a header"):
        parse_weights(content, ARCHITECTURE, "a.weights")


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(LabError, match="cannot be read"):
        read_weights(tmp_path / "a.weights", ARCHITECTURE)


def test_the_size_of_a_file_follows_from_the_network():
    assert weights_bytes(ARCHITECTURE) == len(CONTENT)
