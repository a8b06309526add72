"""Two or three values for each channel: -s and s, with or without 0."""

import math
from dataclasses import dataclass

import numpy as np

from helpers.quantize.kinds.coding import Coded, Part
from helpers.quantize.kinds.groups import by_channel, from_channels
from helpers.quantize.kinds.least_squares import best_scales, nonzero

# 3^5 = 243 of the 256 values of a byte.
TRITS = 5
PLACES = 3 ** np.arange(TRITS)


@dataclass(frozen=True)
class Binary:
    """sign(w) times the mean of |w| of the channel (Rastegari et al. 2016, arXiv:1603.05279): the least
    squared error there is. 0 has no code of its own and becomes +s; a channel of zeros stays zero (s = 0).
    """

    name: str = "binary"

    def encode(self, weights: np.ndarray, channel_axis: int) -> Coded:
        rows = by_channel(weights, channel_axis)
        scales = np.abs(rows).mean(1, dtype=np.float64).astype(np.float32)
        parts = (Part("codes", (rows < 0).astype(np.uint8), 1), Part("scales", scales, 32))
        return Coded(self, weights.shape, channel_axis, parts)

    def decode(self, coded: Coded) -> np.ndarray:
        values = np.where(coded["codes"], np.float32(-1), np.float32(1)) * coded["scales"][:, None]
        return from_channels(values, coded.shape, coded.channel_axis)


@dataclass(frozen=True)
class Ternary:
    """-s, 0 and s for each channel (Li et al. 2016, arXiv:1605.04711), of least squared error.

    The threshold is not their 0.7 of the mean |w| but exact: the weights that are not 0 are a prefix of those
    sorted by |w|, the one with the largest (sum of |w|)^2 / count, and s is its mean. Five weights take a
    byte: 1.6 bits each; for equally many of each value, no code takes fewer than 1.585.
    """

    name: str = "ternary"

    def encode(self, weights: np.ndarray, channel_axis: int) -> Coded:
        rows = by_channel(weights, channel_axis)
        scales = best_scales(np.abs(rows), np.array([0.0, 1.0])).astype(np.float32)
        signs = np.sign(rows) * (np.abs(rows) > nonzero(scales)[:, None] / 2)
        parts = (Part("codes", in_bytes(signs.ravel()), 8), Part("scales", scales, 32))
        return Coded(self, weights.shape, channel_axis, parts)

    def decode(self, coded: Coded) -> np.ndarray:
        count = math.prod(coded.shape)
        signs = from_bytes(coded["codes"], count).reshape(coded.shape[coded.channel_axis], -1)
        return from_channels(signs * coded["scales"][:, None], coded.shape, coded.channel_axis)


def in_bytes(signs: np.ndarray) -> np.ndarray:
    """-1, 0 and 1 ``[n]`` -> uint8 ``[n / 5, rounded up]``, the first of five in base 3's lowest place."""
    trits = np.pad(signs.astype(np.int16) + 1, (0, -len(signs) % TRITS))
    return (trits.reshape(-1, TRITS) @ PLACES).astype(np.uint8)


def from_bytes(codes: np.ndarray, count: int) -> np.ndarray:
    """``in_bytes`` undone, as float32 ``[count]``."""
    trits = codes.astype(np.int16)[:, None] // PLACES % 3
    return trits.reshape(-1)[:count].astype(np.float32) - 1
