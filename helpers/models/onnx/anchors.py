"""Anchors of a detector whose graph decodes boxes: worked out from what it makes of its own heads."""

from collections.abc import Mapping

import numpy as np

from helpers.models.designs.shapes import Reading
from helpers.models.onnx.heads import Head
from helpers.tasks.detection.tails.logits import sigmoid

LEAST_SHARE = 1e-3  # of an anchor; smaller sides are all rounding
DIGITS = 3  # of anchors, in pixels: YOLOv5 keeps them in float16 for some exports
Heads = Mapping[str, np.ndarray]


def solved(
    reading: Reading, heads: Mapping[str, Head], inner: Heads, boxes: np.ndarray, size: tuple[int, int]
) -> tuple[tuple[tuple[float, float], ...], ...] | None:
    """Per feature map, (width, height) of its anchors in pixels of the input; None where nothing fits.

    A side is (2 sigmoid(w))^2 * anchor, as of ``cells.from_anchors``; so anchor = side / (2 sigmoid(w))^2.

    Args:
        inner: the tensors of ``heads``, from the whole graph.
        boxes: (ymin, xmin, ymax, xmax) ``[N, 4]``, relative, as the whole graph has decoded them.
    """
    each, start, found = reading.design.anchors_each, 0, []
    sides = (boxes[:, [3, 2]] - boxes[:, [1, 0]]) * np.array(size[::-1])
    for level in range(len(reading.strides)):
        raw = raw_sides(heads[f"box_{level}"], inner, each)
        stop = start + raw.shape[0] * raw.shape[1]
        if stop > len(sides):
            return None
        found.append(medians(sides[start:stop].reshape(raw.shape), (2 * sigmoid(raw)) ** 2))
        start = stop
    return tuple(found) if start == len(sides) and np.isfinite(found).all() else None


def raw_sides(head: Head, inner: Heads, each: int) -> np.ndarray:
    """Encoded (w, h) of one feature map, ``[anchors, cells, 2]``."""
    whole = inner[head.tensor][0]
    channels = whole[list(head.channels)] if head.channels else whole
    return channels.reshape(each, 4, -1)[:, 2:].transpose(0, 2, 1)


def medians(sides: np.ndarray, shares: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Per anchor the middle of what its cells ``[anchors, cells, 2]`` say."""
    ratios = np.where(shares > LEAST_SHARE, sides / np.maximum(shares, LEAST_SHARE), np.nan)
    return tuple(tuple(round(float(v), DIGITS) for v in np.nanmedian(pair, 0)) for pair in ratios)
