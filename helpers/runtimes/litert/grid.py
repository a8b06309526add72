"""Stored integers and the real numbers that they stand for: ``real = scale * (stored - zero_point)``."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Grid:
    """The numbers that a quantized tensor can hold: (level - ``zero_point``) * ``scale``.

    Source of the formula: Jacob et al. 2018, equation 1; LiteRT's quantization specification.

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


def grid_of(dtype: str, scale: float = 1.0, zero_point: int = 0) -> Grid:
    """The grid of integers of a dtype; without a scale they stand for themselves."""
    ends = np.iinfo(dtype)
    return Grid(scale, zero_point, int(ends.min), int(ends.max))
