"""Uniform grids around zero: integers times a scale."""

from dataclasses import dataclass

import ml_dtypes
import numpy as np

from helpers.quantize.kinds.coding import Coded, Part
from helpers.quantize.kinds.groups import BLOCK, CHANNEL, by_channel, from_channels, in_groups
from helpers.quantize.kinds.least_squares import best_scales, nonzero, quotient

MIN_MAX, LEAST_SQUARES = "min-max", "least-squares"
SHORT = {MIN_MAX: "minmax", LEAST_SQUARES: "lse"}
# Up to here the best scale is found exactly; beyond, n * levels is too much to sort, and gains are small.
EXACT_BITS = 4
# Steps of a grid by those of one with a bit less. Of the best grids of Gaussian weights they are 0.54 to 0.57
# (Max 1960, doi:10.1109/TIT.1960.1057548), of those that cover all weights a little less than a half.
FINER = np.linspace(0.46, 0.62, 17)
NEAR = np.linspace(-0.008, 0.008, 5)
ROUNDS = 3


@dataclass(frozen=True)
class Uniform:
    """Signed integers from -(2^(bits-1) - 1) to 2^(bits-1) - 1, times a scale (Jacob et al. 2018, symmetric).

    The lowest code is left out, as LiteRT does for int8 weights; per channel and min-max, 8 bits are what the
    file quantizer stores, to the last code.

    Attributes:
        bits: from 2 to 8.
        granularity: what shares a scale: the ``tensor``, a ``channel``, or a ``block`` of 32 neighbours in a
            channel. A channel's last block may be shorter: no codes are stored for what it lacks.
        range: ``min-max``: the largest weight has the largest code. ``least-squares``: the scale of least
            squared error, exact up to 4 bits (but for the scale's own rounding); beyond, the best that a
            search finds. The scale of one bit less is among the candidates, so more bits never give
            more error; so is min-max's own. Quantizing once more changes nothing, to float32's
            last place, where the scale is no search's.

    A scale takes 32 bits; that of a block 16 (bfloat16), as more would be a bit for each weight: LiteRT too
    rounds those of blocks to 8 bits of significand.
    """

    bits: int
    granularity: str = CHANNEL
    range: str = LEAST_SQUARES

    @property
    def name(self) -> str:
        return f"uniform-{self.bits}-{self.granularity}-{SHORT[self.range]}"

    @property
    def top(self) -> int:
        """The largest code."""
        return 2 ** (self.bits - 1) - 1

    @property
    def scale_dtype(self) -> np.dtype:
        return np.dtype(ml_dtypes.bfloat16 if self.granularity == BLOCK else np.float32)

    def encode(self, weights: np.ndarray, channel_axis: int) -> Coded:
        rows = by_channel(weights, channel_axis)
        groups = in_groups(rows, self.granularity)
        search = largest_scales if self.range == MIN_MAX else least_squares
        scales = nonzero(search(groups, self.bits, self.scale_dtype))
        codes = rounded(groups, scales, self.top).astype(np.int8).reshape(len(rows), -1)[:, : rows.shape[1]]
        stored = scales.astype(self.scale_dtype)
        parts = (Part("codes", codes, self.bits), Part("scales", stored, 8 * stored.itemsize))
        return Coded(self, weights.shape, channel_axis, parts)

    def decode(self, coded: Coded) -> np.ndarray:
        groups = in_groups(coded["codes"].astype(np.float32), self.granularity)
        values = groups * coded["scales"].astype(np.float32)[:, None]
        return from_channels(values, coded.shape, coded.channel_axis)


def rounded(groups: np.ndarray, scales: np.ndarray, top: int) -> np.ndarray:
    """The code of each weight, as float32; ``scales``: float32 ``[groups]``, none of them 0."""
    codes = np.divide(groups, scales[:, None])
    np.rint(codes, out=codes)
    return np.clip(codes, -top, top, out=codes)


def squared_errors(groups: np.ndarray, scales: np.ndarray, top: int) -> np.ndarray:
    """float64 ``[groups]``: of the values as they are decoded."""
    gap = rounded(groups, nonzero(scales), top)
    gap *= scales[:, None]
    gap -= groups
    return np.einsum("ij,ij->i", gap, gap, dtype=np.float64)


def stored_scales(scales: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Scales as they are after being stored, as float32."""
    return scales.astype(np.float32).astype(dtype).astype(np.float32)


def largest_scales(groups: np.ndarray, bits: int, dtype: np.dtype) -> np.ndarray:
    """Of min-max, float32 ``[groups]``."""
    top = np.float32(2 ** (bits - 1) - 1)
    return stored_scales(np.abs(groups).max(1, initial=0) / top, dtype)


def least_squares(groups: np.ndarray, bits: int, dtype: np.dtype) -> np.ndarray:
    """Of least squared error, float32 ``[groups]``."""
    top = 2 ** (bits - 1) - 1
    search = Search(groups, top, dtype, largest_scales(groups, bits, dtype))
    coarser = least_squares(groups, bits - 1, dtype) if bits > 2 else None
    if bits <= EXACT_BITS:
        search.consider(best_scales(np.abs(groups), np.arange(top + 1.0)))
    if coarser is not None:
        # The same scale with more codes: it has no more error.
        search.consider(coarser)
    if bits > EXACT_BITS:
        search.refine(coarser)
    return search.best


class Search:
    """The best scales so far, of groups ``[groups, n]``, as they are stored in ``dtype``."""

    def __init__(self, groups: np.ndarray, top: int, dtype: np.dtype, first: np.ndarray):
        self.groups, self.top, self.dtype = groups, top, dtype
        self.best, self.errors = first, squared_errors(groups, first, top)

    def consider(self, scales: np.ndarray) -> None:
        """Take those of ``scales`` that have a smaller error."""
        stored = stored_scales(scales, self.dtype)
        errors = squared_errors(self.groups, stored, self.top)
        better = errors < self.errors
        self.best, self.errors = np.where(better, stored, self.best), np.where(better, errors, self.errors)

    def refine(self, coarser: np.ndarray) -> None:
        """Try finer grids of a coarser one, then neighbours of the best, then the best scale of the codes."""
        for factor in FINER:
            self.consider(coarser * np.float32(factor))
        middle = self.best
        for step in NEAR:
            self.consider(middle * np.float32(1 + step))
        for _ in range(ROUNDS):
            self.consider(self.fitted())

    def fitted(self) -> np.ndarray:
        """<w,c> / <c,c> of the codes of the best scales so far, float64 ``[groups]``."""
        codes = rounded(self.groups, nonzero(self.best), self.top)
        dot = [np.einsum("ij,ij->i", codes, other, dtype=np.float64) for other in (self.groups, codes)]
        return quotient(*dot)
