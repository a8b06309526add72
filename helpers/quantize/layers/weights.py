"""A layer's weights as a variant stores them, against those of float32."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from helpers.quantize.layers.decibels import power, sqnr_db
from helpers.runtimes.litert.graph import Tensor

_STORED = {"float32": np.float32, "float16": np.float16, "int8": np.int8}


def weights_sqnr_db(
    base: tuple[schema.ModelT, Tensor | None], variant: tuple[schema.ModelT, Tensor | None]
) -> float | None:
    """SQNR in dB of weights of two files; None where there are none, or their storage is not read here."""
    values, other = (read_weights(*side) if side[1] else None for side in (base, variant))
    if values is None or other is None or values.shape != other.shape:
        return None
    return sqnr_db(power(values), power(values - other))


def read_weights(model: schema.ModelT, tensor: Tensor) -> np.ndarray | None:
    """A constant as float32, in its own shape; None for 2-bit storage and for scales per block."""
    data = model.buffers[tensor.buffer].data
    if data is None or tensor.dtype not in (*_STORED, "int4"):
        return None
    stored = np.asarray(data, np.uint8)
    four_bit = tensor.dtype == "int4"
    stored = unpacked(stored, tensor.elements) if four_bit else stored.view(_STORED[tensor.dtype])
    stored = stored.reshape(tensor.shape)
    if tensor.dtype.startswith("float"):
        return stored.astype(np.float32)
    return dequantized(stored, tensor)


def unpacked(packed: np.ndarray, count: int) -> np.ndarray:
    """``count`` signed 4-bit numbers as int8, two to a byte, the first in its lower half."""
    halves = np.stack([packed << 4, packed & 0xF0], axis=1).reshape(-1)[:count]
    return halves.astype(np.uint8).view(np.int8) >> 4


def dequantized(levels: np.ndarray, tensor: Tensor) -> np.ndarray | None:
    """Integer weights with one scale, or one for each slice along an axis."""
    scale, zero = (np.asarray(values, np.float32) for values in (tensor.scales, tensor.zero_points or (0,)))
    if len(scale) not in (1, levels.shape[tensor.axis]):
        return None
    shape = [-1 if dimension == tensor.axis else 1 for dimension in range(levels.ndim)]
    return (levels.astype(np.float32) - zero.reshape(shape)) * scale.reshape(shape)
