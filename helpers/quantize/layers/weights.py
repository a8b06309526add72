"""A layer's weights as a variant stores them, against those of float32."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from helpers.quantize.layers.decibels import power, sqnr_db
from helpers.quantize.layers.match import Wiring
from helpers.runtimes.litert.flatfile import CONVOLUTIONS, WEIGHTS
from helpers.runtimes.litert.graph import Operator, Tensor

_STORED = {"float32": np.float32, "float16": np.float16, "int8": np.int8}


def stored_weights(wiring: Wiring, operator: Operator) -> Tensor | None:
    """The constant that holds a convolution's weights; None for any other operator."""
    if operator.type not in CONVOLUTIONS:
        return None
    return wiring.chain(operator.inputs[WEIGHTS])[0]


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
    return dequantized(stored, model.subgraphs[0].tensors[tensor.index].quantization)


def unpacked(packed: np.ndarray, count: int) -> np.ndarray:
    """``count`` signed 4-bit numbers as int8, two to a byte, the first in its lower half."""
    halves = np.stack([packed << 4, packed & 0xF0], axis=1).reshape(-1)[:count]
    return halves.astype(np.uint8).view(np.int8) >> 4


def dequantized(levels: np.ndarray, quantization: schema.QuantizationParametersT) -> np.ndarray | None:
    """Integer weights with one scale, or one for each slice along an axis."""
    scale = np.asarray(quantization.scale, np.float32)
    axis = int(quantization.quantizedDimension)
    if len(scale) not in (1, levels.shape[axis]):
        return None
    shape = [-1 if dimension == axis else 1 for dimension in range(levels.ndim)]
    zero = np.asarray(quantization.zeroPoint, np.float32)
    return (levels.astype(np.float32) - zero.reshape(shape)) * scale.reshape(shape)
