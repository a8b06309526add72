"""Stored integers and the real numbers that they stand for: ``real = scale * (stored - zero_point)``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Affine:
    """The scale of one tensor.

    Source of the formula: Jacob et al. 2018, equation 1; LiteRT's quantization specification.

    Attributes:
        scale, zero_point: of the whole tensor.
        dtype: name of the integers' dtype.
    """

    scale: float
    zero_point: int
    dtype: str

    def real(self, stored: np.ndarray) -> np.ndarray:
        """Stored integers -> float32 of the same shape."""
        return (stored.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)

    def stored(self, real: np.ndarray) -> np.ndarray:
        """Real numbers -> the nearest integers of the dtype, of the same shape; those outside at its ends."""
        ends = np.iinfo(self.dtype)
        places = np.rint(real / np.float32(self.scale) + np.float32(self.zero_point))
        return np.clip(places, ends.min, ends.max).astype(self.dtype)


def affine_of(detail: Mapping[str, Any]) -> Affine | None:
    """The scale of a tensor from LiteRT's details of it; None for one that holds real numbers.

    Integers without a scale stand for themselves.
    """
    dtype = np.dtype(detail["dtype"])
    if dtype.kind == "f":
        return None
    scale, zero_point = detail["quantization"]
    return Affine(float(scale), int(zero_point), dtype.name) if scale else Affine(1.0, 0, dtype.name)
