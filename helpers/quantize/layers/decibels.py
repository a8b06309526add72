"""Signal-to-quantization-noise ratio, and the numbers that an integer tensor can hold."""

import math
from dataclasses import dataclass

import numpy as np

# Above this an error is at the level of float32's own rounding (2^-24 is 144 dB).
EXACT_DB = 140.0
# An error of 1 % of the values' own size.
NEGLIGIBLE_DB = 40.0


def sqnr_db(signal: float, noise: float) -> float:
    """10 log10(``signal`` / ``noise``), of two sums of squares, within ±``EXACT_DB``.

    6.02 dB are one bit (Bennett 1948, doi:10.1002/j.1538-7305.1948.tb01340.x). Without noise:
    ``EXACT_DB``; with noise and no signal: -``EXACT_DB``; with noise that is not finite: likewise.
    """
    if noise == 0:
        return EXACT_DB
    if signal == 0 or not math.isfinite(noise):
        return -EXACT_DB
    return min(EXACT_DB, max(-EXACT_DB, 10 * math.log10(signal / noise)))


def power(values: np.ndarray) -> float:
    """Sum of squares of a float array of any shape."""
    flat = values.reshape(-1)
    return float(np.dot(flat, flat))


@dataclass(frozen=True)
class Grid:
    """The numbers that a quantized tensor can hold: (level - ``zero_point``) * ``scale``.

    Attributes:
        scale: distance of two neighbours, in the tensor's own unit.
        zero_point: the level that stands for 0.
        lowest, highest: the smallest and the largest level: -128 and 127 for int8.
    """

    scale: float
    zero_point: int
    lowest: int = -128
    highest: int = 127

    @property
    def levels(self) -> int:
        return self.highest - self.lowest + 1

    @property
    def low(self) -> float:
        """The smallest number that it holds."""
        return (self.lowest - self.zero_point) * self.scale

    @property
    def high(self) -> float:
        """The largest."""
        return (self.highest - self.zero_point) * self.scale

    def to_levels(self, values: np.ndarray) -> np.ndarray:
        """The nearest level of each of ``values``, as float32 (whole numbers); what is outside is clipped."""
        levels = np.multiply(values, np.float32(1 / self.scale))
        np.rint(levels, out=levels)
        levels += np.float32(self.zero_point)
        return np.clip(levels, self.lowest, self.highest, out=levels)

    def to_values(self, levels: np.ndarray) -> np.ndarray:
        """What levels of any dtype stand for, as float32."""
        values = levels.astype(np.float32)
        values -= np.float32(self.zero_point)
        values *= np.float32(self.scale)
        return values

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Each of ``values`` as the grid can hold it, as float32."""
        return self.to_values(self.to_levels(values))
