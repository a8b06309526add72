"""A ``.onnx`` file as a graph: constants, who makes a tensor, and the convolutions with their weights."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from helpers.lab.errors import LabError

MADE_ANEW = "delete the file and run 02_quantize.ipynb again."
# Operator -> the place of its weights among its inputs, ONNX Runtime's own ones included.
CONVOLUTIONS = {
    "Conv": 1, "FusedConv": 1, "NhwcFusedConv": 1, "ConvTranspose": 1, "ConvInteger": 1, "QLinearConv": 3,
    "QLinearConvTranspose": 3, "MatMul": 1, "FusedMatMul": 1, "Gemm": 1, "FusedGemm": 1, "MatMulInteger": 1,
    "MatMulIntegerToFloat": 1, "DynamicQuantizeMatMul": 1, "QLinearMatMul": 3, "QGemm": 3,
}  # fmt: skip
# Who multiplies integers: with whole activations from the graph, or with those that are quantized per call.
WHOLE = ("QLinearConv", "QLinearConvTranspose", "QLinearMatMul", "QGemm")
PER_CALL = ("ConvInteger", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul")
# Weights pass through these on their way from the constant that holds them.
_WIDENING = ("DequantizeLinear", "Cast", "Transpose", "Reshape", "QuantizeLinear", "ReorderInput")


@dataclass(frozen=True)
class Weights:
    """The constant that a convolution's weights come from.

    Attributes:
        dtype: as it is stored; ``multiplied``: as the operator meets them.
        scales: number of scales that go with them; 0 without.
    """

    name: str
    dtype: str
    multiplied: str
    shape: tuple[int, ...]
    scales: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


class OnnxGraph:
    """The main graph of an ``onnx.ModelProto``."""

    def __init__(self, model: Any):
        self.nodes = list(model.graph.node)
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.constants |= {node.output[0]: value for node in self.nodes for value in constant_value(node)}

    @cached_property
    def makers(self) -> dict[str, Any]:
        """Tensor -> the node that makes it."""
        return {name: node for node in self.nodes for name in node.output}

    def convolutions(self) -> Iterator[tuple[Any, Weights]]:
        """Each convolution, or product with constant weights, and its weights."""
        for node in self.nodes:
            place = CONVOLUTIONS.get(node.op_type)
            weights = self.weights_at(node, place) if place is not None else None
            if weights:
                yield node, weights

    def weights_at(self, node: Any, place: int) -> Weights | None:
        """None where no constant is at the beginning."""
        name = node.input[place]
        way = list(self._way(name))
        tensor = self.constants.get(way[-1])
        if tensor is None:
            return None
        scales = self.scales_of(node, name)
        return Weights(way[-1], dtype_of(tensor), self.dtype_at(name), tuple(tensor.dims), scales)

    def _way(self, name: str) -> Iterator[str]:
        """A tensor and those before it, through what only widens weights."""
        yield name
        maker = self.makers.get(name)
        if maker is not None and name not in self.constants and maker.op_type in _WIDENING:
            yield from self._way(maker.input[0])

    def scales_of(self, node: Any, name: str) -> int:
        """Number of scales of a convolution's weights: they come from a node, or beside them, or later."""
        maker = self.makers.get(name)
        beside = {"QLinearConv": 4, "QLinearMatMul": 4, "QGemm": 4}.get(node.op_type)
        scale = maker.input[1] if maker is not None and maker.op_type == "DequantizeLinear" else ""
        scale = node.input[beside] if beside else scale
        # Sums of integers are scaled after the operator, by a constant that the quantizer names so.
        scale = f"{name.removesuffix('_quantized')}_scale" if node.op_type in PER_CALL else scale
        return math.prod(self.constants[scale].dims) if scale in self.constants else 0

    def dtype_at(self, name: str) -> str:
        """Of a tensor of weights: of the constant, or of what a node makes of it."""
        import onnx

        if name in self.constants:
            return dtype_of(self.constants[name])
        maker = self.makers[name]
        if maker.op_type == "Cast":
            (to,) = (item.i for item in maker.attribute if item.name == "to")
            return numpy_name(onnx.helper.tensor_dtype_to_np_dtype(to))
        return "float32" if maker.op_type == "DequantizeLinear" else self.dtype_at(maker.input[0])


def constant_value(node: Any) -> list[Any]:
    """The tensor of a ``Constant`` node, none of another."""
    return [item.t for item in node.attribute if node.op_type == "Constant" and item.name == "value"]


def dtype_of(tensor: Any) -> str:
    import onnx

    return numpy_name(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))


def numpy_name(dtype: Any) -> str:
    return str(dtype.name)


def read_onnx(path: Path) -> Any:
    """The ``onnx.ModelProto``, constants included.

    Raises:
        LabError: it is absent or damaged.
    """
    import onnx

    if not path.is_file():
        raise LabError(f"{path} does not exist.", "a .onnx file", MADE_ANEW)
    with damage_told(path):
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
        return model


@contextlib.contextmanager
def damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of a damaged file any error can follow
        said = (str(error).strip().splitlines() or [repr(error)])[0]
        raise LabError(f"{path} is damaged: {said}.", "a whole .onnx file", MADE_ANEW) from error
