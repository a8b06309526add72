"""Short floating-point numbers that share a power of two: the MX formats."""

from dataclasses import dataclass
from types import MappingProxyType

import ml_dtypes
import numpy as np

from helpers.quantize.kinds.coding import Coded, Part
from helpers.quantize.kinds.floats import saturated
from helpers.quantize.kinds.groups import BLOCK, by_channel, from_channels, in_groups

# Name -> format of an element, its bits, and the exponent of its largest number.
ELEMENTS = MappingProxyType(
    {
        "mxfp8-e4m3": (np.dtype(ml_dtypes.float8_e4m3fn), 8, 8),
        "mxfp6-e2m3": (np.dtype(ml_dtypes.float6_e2m3fn), 6, 2),
        "mxfp4": (np.dtype(ml_dtypes.float4_e2m1fn), 4, 2),
    }
)
SCALE_DTYPE = np.dtype(ml_dtypes.float8_e8m0fnu)
# The least and the largest exponent of a scale.
LEAST, MOST = -127, 127


@dataclass(frozen=True)
class Microscaling:
    """Blocks of 32 short floats times a power of two (OCP Microscaling Formats Specification 1.0, 2023).

    The scale is 2^(floor(log2 of the largest magnitude) - exponent of the format's largest number), of 8
    bits (E8M0); what lies beyond the largest number becomes it, as the specification's section 6.3 has it.
    A block is of neighbours within a channel; the last may be shorter.

    Attributes:
        name: one of ``ELEMENTS``.
    """

    name: str

    def encode(self, weights: np.ndarray, channel_axis: int) -> Coded:
        dtype, bits, top = ELEMENTS[self.name]
        rows = by_channel(weights, channel_axis)
        blocks = in_groups(rows, BLOCK)
        exponents = np.frexp(np.abs(blocks).max(1))[1] - 1 - top
        scales = np.ldexp(1.0, np.clip(exponents, LEAST, MOST))
        # In float64: the quotient of two powers of two may be beyond float32.
        values = saturated((blocks / scales[:, None]).astype(np.float32), dtype)
        codes = values.reshape(len(rows), -1)[:, : rows.shape[1]]
        parts = (Part("values", codes, bits), Part("scales", scales.astype(SCALE_DTYPE), 8))
        return Coded(self, weights.shape, channel_axis, parts)

    def decode(self, coded: Coded) -> np.ndarray:
        blocks = in_groups(coded["values"].astype(np.float32), BLOCK)
        values = blocks * coded["scales"].astype(np.float32)[:, None]
        return from_channels(values, coded.shape, coded.channel_axis)
