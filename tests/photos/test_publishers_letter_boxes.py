"""Letter-boxes as YOLOX and Ultralytics make them, against their own code written out; and channels first."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.models.designs.catalogue import DESIGNS
from helpers.models.parity import on_photo
from helpers.photos.decoding import core_input
from helpers.photos.preprocessing import Preprocessing
from helpers.tasks.detection.tails.selection import Detections

SIDES = st.integers(8, 300)


def of_yolox(photo: np.ndarray, height: int, width: int) -> tuple[np.ndarray, float]:
    """``preproc`` of ``yolox/data/data_augment.py``: BGR, channels first, and the ratio."""
    padded = np.ones((height, width, 3), dtype=np.uint8) * 114
    ratio = min(height / photo.shape[0], width / photo.shape[1])
    inner = max(1, int(photo.shape[1] * ratio)), max(1, int(photo.shape[0] * ratio))
    resized = cv2.resize(photo[:, :, ::-1], inner, interpolation=cv2.INTER_LINEAR)
    padded[: resized.shape[0], : resized.shape[1]] = resized
    return padded.transpose(2, 0, 1)[None].astype(np.float32), ratio


def of_ultralytics(photo: np.ndarray, height: int, width: int) -> tuple[np.ndarray, float, int, int]:
    """``letterbox`` of ``utils/augmentations.py`` without ``auto``: RGB, channels first, ratio, margins."""
    ratio = min(height / photo.shape[0], width / photo.shape[1])
    inner = max(1, round(photo.shape[1] * ratio)), max(1, round(photo.shape[0] * ratio))
    dw, dh = (width - inner[0]) / 2, (height - inner[1]) / 2
    resized = cv2.resize(photo, inner, interpolation=cv2.INTER_LINEAR)
    top, bottom, left, right = round(dh - 0.1), round(dh + 0.1), round(dw - 0.1), round(dw + 0.1)
    colour = (114, 114, 114)
    padded = cv2.copyMakeBorder(resized, top, bottom, left, right, cv2.BORDER_CONSTANT, value=colour)
    return padded.transpose(2, 0, 1)[None].astype(np.float32) / 255, ratio, left, top


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@settings(max_examples=40, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES)
def test_yolox(height, width, rows, columns):
    photo, how = noise(rows, columns), DESIGNS["yolox"].preprocessing(height, width, "NCHW")
    wanted, ratio = of_yolox(photo, height, width)
    np.testing.assert_array_equal(core_input(photo, how), wanted)
    assert how.span(rows, columns) == pytest.approx((height / ratio, width / ratio))
    assert how.margin(rows, columns) == (0, 0)


@settings(max_examples=40, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES)
def test_ultralytics(height, width, rows, columns):
    photo, how = noise(rows, columns), DESIGNS["yolov8"].preprocessing(height, width, "NCHW")
    wanted, ratio, left, top = of_ultralytics(photo, height, width)
    np.testing.assert_allclose(core_input(photo, how), wanted, atol=1e-6)
    assert how.span(rows, columns) == pytest.approx((height / ratio, width / ratio))
    assert how.margin(rows, columns) == pytest.approx((top / ratio, left / ratio))


@settings(max_examples=30)
@given(st.sampled_from(sorted(DESIGNS)), SIDES, SIDES, st.tuples(*[st.floats(0.1, 0.9)] * 4))
def test_a_box_of_the_photo_comes_back_from_its_place_in_the_input(name, rows, columns, box):
    how = DESIGNS[name].preprocessing(160, 224, "NCHW")
    corners = np.sort(np.reshape(box, (2, 2)), axis=0)
    share = np.divide((160, 224), how.span(rows, columns))
    placed = (corners * (rows, columns) + how.margin(rows, columns)) * share / (160, 224)
    found = Detections(placed.reshape(1, 4).astype(np.float32), np.ones(1, np.float32), np.ones(1, np.int32))
    assert on_photo(found, how, rows, columns).boxes[0] == pytest.approx(corners.ravel(), abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(SIDES, SIDES, st.booleans(), st.sampled_from(["RGB", "BGR"]))
def test_channels_first_are_the_same_values(rows, columns, pad, channels):
    last = Preprocessing(24, 40, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0), channels=channels, pad=pad)
    first = dataclasses.replace(last, layout="NCHW")
    photo = noise(rows, columns)
    wanted, found = core_input(photo, last), core_input(photo, first)
    assert wanted.shape == last.input_shape == (1, 24, 40, 3)
    assert found.shape == first.input_shape == (1, 3, 24, 40)
    assert found.flags.c_contiguous
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.transpose(0, 2, 3, 1), wanted)


@pytest.mark.parametrize("wrong", [{"layout": "CHWN"}, {"one_ratio": "up"}])
def test_an_unknown_word_is_refused(wrong):
    with pytest.raises(LabError, match=next(iter(wrong.values()))) as caught:
        Preprocessing(8, 8, (1.0,) * 3, (0.0,) * 3, **wrong)
    assert "one of" in caught.value.expected
