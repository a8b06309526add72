"""Shorter floating-point formats: every weight by itself, without side information."""

from dataclasses import dataclass
from types import MappingProxyType

import ml_dtypes
import numpy as np

from helpers.quantize.kinds.coding import Coded, Part
from helpers.quantize.kinds.groups import by_channel, from_channels

DTYPES = MappingProxyType(
    {
        "float16": np.dtype(np.float16),
        "bfloat16": np.dtype(ml_dtypes.bfloat16),
        "float8-e4m3": np.dtype(ml_dtypes.float8_e4m3fn),
        "float8-e5m2": np.dtype(ml_dtypes.float8_e5m2),
    }
)
TF32_BITS = 19
# float32 has 13 bits of mantissa more than TF32.
TF32_CUT = 13
TF32_LARGEST = np.uint32(0x7F7FE000).view(np.float32)


@dataclass(frozen=True)
class Float:
    """A cast to a shorter format, to the nearest number, ties to even; no scale.

    In the format's range it is the plain cast, bit for bit. What lies beyond becomes the largest finite
    number of its sign (the saturating mode of the OCP 8-bit Floating Point Specification 1.0, section 5.2):
    the plain cast gives infinity or, in ``float8-e4m3``, which has no infinity, NaN, and one such weight
    leaves nothing of a network's answer. What is below half the smallest subnormal number becomes 0.

    ``float8-e4m3`` (largest 448, smallest 2^-9) and ``float8-e5m2`` (57344, 2^-16): Micikevicius et al. 2022,
    arXiv:2209.05433. With a scale for each block: ``microscaling``.

    Attributes:
        name: one of ``DTYPES``.
    """

    name: str

    @property
    def dtype(self) -> np.dtype:
        return DTYPES[self.name]

    def encode(self, weights: np.ndarray, channel_axis: int) -> Coded:
        values = saturated(by_channel(weights, channel_axis), self.dtype)
        return Coded(self, weights.shape, channel_axis, (Part("values", values, 8 * self.dtype.itemsize),))

    def decode(self, coded: Coded) -> np.ndarray:
        return from_channels(coded["values"].astype(np.float32), coded.shape, coded.channel_axis)


def saturated(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """float32 -> the nearest finite number of ``dtype``, ties to even."""
    most = np.float32(ml_dtypes.finfo(dtype).max)
    return np.clip(values, -most, most).astype(dtype)


@dataclass(frozen=True)
class TensorFloat32:
    """TF32: float32 with 10 bits of mantissa (NVIDIA A100 Tensor Core GPU Architecture, 2020).

    1 sign, 8 exponent and 10 mantissa bits, coded in 19; to the nearest, ties to even; beyond the largest
    finite number as ``Float``. Subnormal numbers are rounded on their own, coarser grid.
    """

    name: str = "tf32"

    def encode(self, weights: np.ndarray, channel_axis: int) -> Coded:
        rows = np.clip(by_channel(weights, channel_axis), -TF32_LARGEST, TF32_LARGEST)
        raw = rows.view(np.uint32)
        # Half a step less one, and one more where the last bit kept is odd: ties go to even.
        odd = (raw >> np.uint32(TF32_CUT)) & np.uint32(1)
        codes = (raw + np.uint32((1 << (TF32_CUT - 1)) - 1) + odd) >> np.uint32(TF32_CUT)
        return Coded(self, weights.shape, channel_axis, (Part("values", codes, TF32_BITS),))

    def decode(self, coded: Coded) -> np.ndarray:
        values = (coded["values"] << np.uint32(TF32_CUT)).view(np.float32)
        return from_channels(values, coded.shape, coded.channel_axis)
