"""Boxes from the cells of feature maps, as the YOLO family and its kin encode them; relative to the input."""

from collections.abc import Sequence

import numpy as np

from helpers.tasks.detection.tails.logits import sigmoid

# exp of more makes sides thousands of times a stride: as good as the whole image, and no infinity.
LARGEST_EXPONENT = 10.0
COORDINATES = 4


def grid_of(size: Sequence[int], stride: int) -> tuple[int, int]:
    """Rows and columns of the feature map of a stride; a part of a cell at the end is a cell.

    Args:
        size: height and width of the input, in pixels.
    """
    return -(-size[0] // stride), -(-size[1] // stride)


def cell_places(
    size: Sequence[int], strides: Sequence[int], offset: float, anchors_each: int = 1
) -> np.ndarray:
    """Where cells lie, float32 ``[N, 4]``: (x, y, step in x, step in y), relative to the input.

    Map by map; within a map anchor by anchor, row by row.

    Args:
        size: height and width of the input, in pixels; ``strides``: of the maps, in pixels.
        offset: where in its cell a place is: 0 for its left top corner, 0.5 for its centre.
        anchors_each: how often each map is repeated.
    """
    height, width = size
    parts = []
    for stride in strides:
        rows, columns = grid_of(size, stride)
        y, x = (axis.ravel() + offset for axis in np.indices((rows, columns)))
        steps = np.full(len(x), stride / width), np.full(len(x), stride / height)
        place = np.stack([x * stride / width, y * stride / height, *steps], 1)
        parts += [place] * anchors_each
    return np.concatenate(parts).astype(np.float32)


def from_exponents(raw: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Encodings ``[n, 4]`` (x, y, w, h) -> boxes ``[n, 4]`` (ymin, xmin, ymax, xmax).

    Centre (cell + x) * stride, sides exp(w) * stride: ``decode_outputs`` of YOLOX's ``yolo_head.py``.
    """
    centres = place[:, :2] + raw[:, :2] * place[:, 2:]
    halves = np.exp(np.minimum(raw[:, 2:], LARGEST_EXPONENT)) * place[:, 2:] / 2
    return around(centres, halves)


def from_anchors(raw: np.ndarray, place: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Encodings ``[n, 4]`` -> boxes ``[n, 4]``.

    Centre (cell + 2 sigmoid(x) - 0.5) * stride, sides (2 sigmoid(w))^2 * anchor: ``Detect`` of YOLOv5's
    ``models/yolo.py``.

    Args:
        anchors: (width, height) ``[n, 2]``, relative to the input.
    """
    shares = 2 * sigmoid(raw)
    centres = place[:, :2] + (shares[:, :2] - 0.5) * place[:, 2:]
    return around(centres, shares[:, 2:] ** 2 * anchors / 2)


def from_distances(raw: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Distributions ``[n, 4 * bins]`` of the distances to left, top, right and bottom -> boxes ``[n, 4]``.

    A distance is the expectation of its bins 0, 1, ..., in strides: Li et al. 2020, "Generalized Focal
    Loss", equation 6. With one bin it is the number itself.
    """
    steps = np.tile(place[:, 2:], 2)
    ends = expectations(raw) * steps * np.float32([-1, -1, 1, 1]) + np.tile(place[:, :2], 2)
    return ends[:, [1, 0, 3, 2]]


def expectations(raw: np.ndarray) -> np.ndarray:
    """Logits ``[n, 4 * bins]`` -> expected bins ``[n, 4]``."""
    bins = raw.reshape(len(raw), COORDINATES, raw.shape[1] // COORDINATES)
    if bins.shape[2] == 1:
        return bins[:, :, 0]
    powers = np.exp(bins - bins.max(-1, keepdims=True))
    return powers @ np.arange(bins.shape[2], dtype=np.float32) / powers.sum(-1)


def around(centres: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """Centres (x, y) and half sides ``[n, 2]`` -> boxes (ymin, xmin, ymax, xmax) ``[n, 4]``."""
    return np.concatenate([centres - halves, centres + halves], 1)[:, [1, 0, 3, 2]]
