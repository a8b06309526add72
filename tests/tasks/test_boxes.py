"""Anchors and box coding, against hand calculation and against their TensorFlow twins."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.models.embedded import architecture, export
from helpers.models.embedded.loss import corners, encode
from helpers.tasks.detection.boxes import decode_boxes, make_anchors


def random_boxes(random: np.random.Generator, count: int) -> np.ndarray:
    sides = random.uniform(0.01, 0.6, (count, 2))
    low = random.uniform(-0.1, 1, (count, 2)) * (1 - sides)
    return np.concatenate([low, low + sides], 1).astype(np.float32)


def random_anchors(random: np.random.Generator, count: int) -> np.ndarray:
    return np.concatenate(
        [random.uniform(0, 1, (count, 2)), random.uniform(0.03, 0.8, (count, 2))], 1
    ).astype(np.float32)


def test_a_box_decoded_by_hand():
    anchor = np.array([[0.5, 0.4, 0.2, 0.1]], np.float32)
    # ty = 10 * 0.1 / 0.2 moves the centre by 0.1; th = 5 ln 2 doubles the height.
    encoding = np.array([[5.0, -10.0, 5 * np.log(2), 5 * np.log(3)]], np.float32)
    expected = [0.6 - 0.2, 0.3 - 0.15, 0.6 + 0.2, 0.3 + 0.15]
    assert decode_boxes(encoding, anchor)[0] == pytest.approx(expected, abs=1e-6)


def test_a_zero_encoding_is_the_anchor_itself():
    anchors = random_anchors(np.random.default_rng(0), 50)
    decoded = decode_boxes(np.zeros((50, 4), np.float32), anchors)
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, corners(tf.constant(anchors)).numpy(), atol=1e-6)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_decoding_inverts_encoding(seed):
    random = np.random.default_rng(seed)
    boxes, anchors = random_boxes(random, 40), random_anchors(random, 40)
    encoded = encode(tf.constant(boxes[None]), tf.constant(anchors)).numpy()[0]
    np.testing.assert_allclose(decode_boxes(encoded, anchors), boxes, atol=2e-5)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_the_savedmodel_decodes_as_the_tail_does(seed):
    random = np.random.default_rng(seed)
    anchors, encodings = random_anchors(random, 40), random.normal(0, 3, (40, 4)).astype(np.float32)
    theirs = export.decode(tf.constant(encodings[None]), tf.constant(anchors)).numpy()[0]
    np.testing.assert_allclose(decode_boxes(encodings, anchors), theirs, rtol=1e-5, atol=1e-5)


def test_two_cells_of_anchors_by_hand():
    anchors = make_anchors((2, 1), (0.2, 0.5), (1.0, 4.0))
    assert anchors.shape == ((4 + 1) * 3, 4)
    assert anchors.dtype == np.float32
    np.testing.assert_allclose(anchors[0], [0.25, 0.25, 0.2, 0.2], rtol=1e-6)
    # Four times as wide as high, of the same area.
    np.testing.assert_allclose(anchors[1], [0.25, 0.25, 0.1, 0.4], rtol=1e-6)
    np.testing.assert_allclose(anchors[2, 2:], [0.1**0.5, 0.1**0.5], rtol=1e-6)
    # Row by row: the second cell lies to the right of the first, the third below it.
    np.testing.assert_allclose(anchors[[3, 6, 9], :2], [[0.25, 0.75], [0.75, 0.25], [0.75, 0.75]])
    np.testing.assert_allclose(anchors[12], [0.5, 0.5, 0.5, 0.5])
    # After the last scale the series goes on in the same proportion: 0.5 * 0.5 / 0.2.
    np.testing.assert_allclose(anchors[14, 2:], [(0.5 * 1.25) ** 0.5] * 2, rtol=1e-6)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=4), st.integers(1, 4))
def test_anchors_fill_every_cell_of_every_map(grids, ratio_count):
    scales = np.linspace(0.1, 0.8, len(grids)).tolist()
    anchors = make_anchors(grids, scales, [1.0, 2.0, 0.5, 3.0][:ratio_count])
    assert len(anchors) == sum(grid * grid for grid in grids) * (ratio_count + 1)
    start = 0
    for grid in grids:
        count = grid * grid * (ratio_count + 1)
        part, start = anchors[start : start + count], start + count
        assert len(np.unique(part[:, :2], axis=0)) == grid * grid
        assert part[:, :2].mean(0) == pytest.approx([0.5, 0.5], abs=1e-5)
        assert part[:, :2].min() == pytest.approx(0.5 / grid)


def test_the_embedded_detectors_anchors():
    anchors = architecture.anchors()
    cells = sum(grid * grid for grid in architecture.GRID_SIZES)
    assert anchors.shape == (cells * architecture.ANCHORS_PER_CELL, 4)
    assert (anchors[:, :2] > 0).all()
    assert (anchors[:, :2] < 1).all()
