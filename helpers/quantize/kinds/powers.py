"""Signs and powers of two: multiplication becomes a shift, or two shifts and a sum."""

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from helpers.quantize.kinds.coding import Coded, Part
from helpers.quantize.kinds.groups import by_channel, from_channels
from helpers.quantize.kinds.least_squares import best_scales, nonzero

# Magnitude bits -> the exponents that each of the two terms chooses from (or 0), as in Li et al.'s own code,
# but from 2^0 on: the scale makes up for the factor.
TERMS = {3: ((0, -1, -3), (-2,)), 4: ((0, -2, -4), (-1, -3, -5))}


@dataclass(frozen=True)
class Powers:
    """A sign and a power of two, or a sign and a sum of two, times a scale for each channel.

    With one term (Miyashita et al. 2016, arXiv:1603.01025) the magnitudes are 0 and 2^0, 2^-1, ... as many as
    ``bits`` - 1 bits can tell apart. With two (additive powers of two: Li et al. 2020, arXiv:1909.13144) they
    are the sums of a power or 0 of each of the sets in ``TERMS``: denser where the weights are large.

    Rounding is to the nearest value, not to the nearest exponent; with that, the scale (float32) is the one
    of least squared error, found exactly. Zero stays zero: 0 is a level, with two codes (of either sign).

    Attributes:
        bits: of a code: its highest bit the sign, the others the place among the sorted magnitudes. From 2 to
            6; 4 or 5 with two terms.
        terms: 1 or 2.
    """

    bits: int
    terms: int = 1

    @property
    def name(self) -> str:
        return f"{'log2' if self.terms == 1 else 'apot'}-{self.bits}"

    @cached_property
    def magnitudes(self) -> np.ndarray:
        """float64 ``[2^(bits-1)]``, ascending from 0."""
        bits = self.bits - 1
        sets = TERMS[bits] if self.terms == 2 else (range(0, 1 - 2**bits, -1),)
        choices = ((0.0, *(2.0**exponent for exponent in exponents)) for exponents in sets)
        return np.sort([sum(term) for term in itertools.product(*choices)])

    def encode(self, weights: np.ndarray, channel_axis: int) -> Coded:
        rows = by_channel(weights, channel_axis)
        scales = nonzero(best_scales(np.abs(rows), self.magnitudes).astype(np.float32))
        middles = (self.magnitudes[1:] + self.magnitudes[:-1]) / 2
        places = np.searchsorted(middles, np.abs(rows) / scales.astype(np.float64)[:, None])
        signs = (rows < 0) & (places > 0)
        codes = (places | signs << (self.bits - 1)).astype(np.uint8)
        parts = (Part("codes", codes, self.bits), Part("scales", scales, 32))
        return Coded(self, weights.shape, channel_axis, parts)

    def decode(self, coded: Coded) -> np.ndarray:
        # The second half of the table: the negative magnitudes.
        table = np.concatenate([self.magnitudes, -self.magnitudes]).astype(np.float32)
        values = table[coded["codes"]] * coded["scales"][:, None]
        return from_channels(values, coded.shape, coded.channel_axis)
