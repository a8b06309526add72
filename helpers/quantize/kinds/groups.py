"""Weights as rows, one for each group that shares a scale, and back."""

import math

import numpy as np

from helpers.quantize.kinds.coding import require_finite

TENSOR, CHANNEL, BLOCK = "tensor", "channel", "block"
BLOCK_SIZE = 32


def by_channel(weights: np.ndarray, channel_axis: int) -> np.ndarray:
    """float32 ``[channels, weights of each]``: along the other axes in their own order.

    Raises:
        LabError: a weight is not finite.
    """
    require_finite(weights)
    moved = np.moveaxis(np.asarray(weights, np.float32), channel_axis, 0)
    return np.ascontiguousarray(moved).reshape(len(moved), -1)


def from_channels(rows: np.ndarray, shape: tuple[int, ...], channel_axis: int) -> np.ndarray:
    """``by_channel`` undone: float32 of ``shape``, whose rows may be padded at their ends."""
    axis = channel_axis % len(shape)
    moved = (shape[axis], *shape[:axis], *shape[axis + 1 :])
    whole = rows.reshape(shape[axis], -1)[:, : math.prod(moved[1:])]
    return np.ascontiguousarray(np.moveaxis(whole.reshape(moved), 0, axis), np.float32)


def padded(rows: np.ndarray, size: int) -> np.ndarray:
    """Rows with zeros at their ends, up to a multiple of ``size``."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % size)))


def in_groups(rows: np.ndarray, granularity: str) -> np.ndarray:
    """``[channels, n]`` -> ``[groups, weights of each]``; the last block of a channel ends in zeros."""
    if granularity == TENSOR:
        return rows.reshape(1, -1)
    return rows if granularity == CHANNEL else padded(rows, BLOCK_SIZE).reshape(-1, BLOCK_SIZE)
