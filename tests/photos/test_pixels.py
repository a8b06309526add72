"""Photos of more than 8 bits: written by other software than that which reads them here."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from helpers.lab.errors import LabError
from helpers.photos.decoding import read_photo
from helpers.photos.pixels import eight_bits

RAMP = np.arange(64 * 256).reshape(64, 256)


def written(path, values):
    assert cv2.imwrite(str(path), values)
    return read_photo(path)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bits_lose_their_low_8(tmp_path, name):
    values = (RAMP * 4).astype(np.uint16)
    found = written(tmp_path / name, values)
    assert (found.shape, found.dtype) == ((64, 256, 3), np.uint8)
    np.testing.assert_array_equal(found, np.repeat((values >> 8).astype(np.uint8)[..., None], 3, 2))


def test_12_bits_in_a_file_of_16_lose_their_low_4(tmp_path):
    values = np.linspace(2000, 4095, RAMP.size).reshape(RAMP.shape).astype(np.uint16)
    found = written(tmp_path / "thermal.png", values)
    assert (found.min(), found.max()) == (125, 255)


def test_8_bits_in_a_file_of_16_stay_as_they_are(tmp_path):
    values = (RAMP % 256).astype(np.uint16)
    np.testing.assert_array_equal(written(tmp_path / "mask.png", values)[..., 1], values)


@pytest.mark.parametrize("highest", [1, 255])
def test_floats_are_0_to_1_or_0_to_255(tmp_path, highest):
    values = np.linspace(0, highest, RAMP.size).reshape(RAMP.shape).astype(np.float32)
    found = written(tmp_path / "float.tif", values)[..., 0].astype(float)
    assert np.abs(found - values * 255 / highest).max() <= 0.5 + 1e-4


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 3000), (0, np.nan), (0, np.inf)])
def test_other_floats_are_left_out_with_their_range(tmp_path, low, high):
    values = np.full((8, 8), low, np.float32)
    values[0, 0] = high
    cv2.imwrite(str(tmp_path / "float.tif"), values)
    with pytest.raises(LabError, match=r"its values are .*, where 0 to 1, or 0 to 255 are known"):
        read_photo(tmp_path / "float.tif")


@given(arrays.arrays(np.uint16, (5, 7)))
def test_more_is_never_darker(values):
    found, order = eight_bits(values).ravel().astype(int), np.argsort(values.ravel(), kind="stable")
    assert (np.diff(found[order]) >= 0).all()
    assert 0 <= found.min() <= found.max() <= 255


def test_16_bit_colours_are_scaled_too(tmp_path):
    values = np.stack([RAMP * 4, RAMP * 2, RAMP], 2).astype(np.uint16)
    found = written(tmp_path / "colour.png", values[..., ::-1])
    assert np.abs(found.astype(int) - (values >> 8)).max() <= 1
