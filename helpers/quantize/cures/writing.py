"""An int8 ``.tflite`` of a float32 one and a plan: a converter whose every number is given from outside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from helpers.lab.errors import LabError
from helpers.quantize.cures.grids import integer_operators, settled_ranges
from helpers.quantize.cures.kernels import ONE_GRID
from helpers.quantize.cures.plan import HIGHEST, LEAST_STEP, LOWEST, Plan, Range
from helpers.quantize.simulate import channel_axis
from helpers.quantize.trained.constants import ABSENT, bias_place, whole_model
from helpers.quantize.trained.int8_file import drop_unread
from helpers.runtimes.litert.graph import Graph, Operator, Tensor
from helpers.runtimes.litert.operator_kinds import CONVOLUTIONS, WEIGHTS
from helpers.runtimes.litert.reader import graph_of

INT8, INT32, FLOAT = schema.TensorType.INT8, schema.TensorType.INT32, schema.TensorType.FLOAT32
INT32_ENDS = (-(2**31), 2**31 - 1)
MOST_BIAS = 2**30  # in steps: the products are added to it
# Of a layer's largest step: that of a channel that is all 0, or next to it. Kernels bound it from below.
LEAST_STEP_SHARE = 2.0**-16


@dataclass
class Writer:
    """One file in the making."""

    model: schema.ModelT
    graph: Graph
    plan: Plan
    whole: set[int]
    ranges: dict[int, Range]
    operators: list[schema.OperatorT] = field(default_factory=list)
    versions: dict[tuple[int, Any], int] = field(
        default_factory=dict
    )  # (tensor, grid or float) -> its number
    codes: dict[int, int] = field(default_factory=dict)

    @property
    def tensors(self) -> list[schema.TensorT]:
        return self.model.subgraphs[0].tensors

    def write(self) -> bytes:
        stored = self.model.subgraphs[0]
        primary = self.primary_grids()
        for tensor in self.graph.tensors:
            self.versions[tensor.index, primary.get(tensor.index)] = tensor.index
        for index, grid in primary.items():
            set_range(self.tensors[index], grid)
        for operator in self.graph.operators:
            self.rewire(operator, stored.operators[operator.index], primary)
        ends = [self.version(int(number), None, primary) for number in stored.outputs]
        for signature in self.model.signatureDefs or ():
            for end in signature.outputs or ():
                place = list(stored.outputs).index(end.tensorIndex)
                end.tensorIndex = ends[place]
        stored.outputs = np.array(ends, np.int32)
        stored.operators = self.operators
        drop_unread(self.model)
        return bytes(flatbuffer_utils.convert_object_to_bytearray(self.model))

    def primary_grids(self) -> dict[int, Range]:
        """Tensors that are made as integers."""
        made = [op for op in self.graph.operators if op.index in self.whole]
        return {t.index: self.ranges[t.index] for op in made for t in op.outputs}

    def rewire(self, operator: Operator, stored: schema.OperatorT, primary: Mapping[int, Range]) -> None:
        """Append the operator, and before it what makes of its inputs what it takes."""
        whole = operator.index in self.whole
        inputs = [int(number) for number in stored.inputs]
        for tensor in {t.index: t for t in operator.inputs if t.dtype == "float32"}.values():
            if not tensor.constant:
                wanted = self.taken(operator, tensor) if whole else None
                number = self.version(tensor.index, wanted, primary)
                inputs = [number if each == tensor.index else each for each in inputs]
        stored.inputs = np.array(inputs, np.int32)
        if whole:
            self.set_constants(operator, stored)
        self.operators.append(stored)

    def taken(self, operator: Operator, tensor: Tensor) -> Range:
        """The grid in which an integer operator reads a tensor."""
        if operator.outputs[0].name in self.plan.apart or (
            operator.type in ONE_GRID and self.ranges[tensor.index] != self.ranges[operator.outputs[0].index]
        ):
            return self.ranges[operator.outputs[0].index]
        return self.ranges[tensor.index]

    def version(self, tensor: int, wanted: Range | None, primary: Mapping[int, Range]) -> int:
        """Number of the tensor in a grid (None: float32), made by one more operator where it is not there."""
        if (tensor, wanted) not in self.versions:
            source = self.tensors[self.versions[tensor, primary.get(tensor)]]
            copy = schema.TensorT()
            copy.name = (source.name or b"") + (b"_float" if wanted is None else b"_int8")
            copy.shape, copy.shapeSignature = source.shape, source.shapeSignature
            copy.hasRank = source.hasRank
            copy.type = FLOAT
            if wanted is not None:
                set_range(copy, wanted)
            self.tensors.append(copy)
            number = len(self.tensors) - 1
            kind = "DEQUANTIZE" if wanted is None else "QUANTIZE"
            self.operators.append(self.cast(kind, self.versions[tensor, primary.get(tensor)], number))
            self.versions[tensor, wanted] = number
        return self.versions[tensor, wanted]

    def cast(self, kind: str, source: int, made: int) -> schema.OperatorT:
        operator = schema.OperatorT()
        operator.opcodeIndex = self.code(getattr(schema.BuiltinOperator, kind))
        operator.inputs, operator.outputs = np.array([source], np.int32), np.array([made], np.int32)
        return operator

    def code(self, builtin: int) -> int:
        """Index of an operator's code, added where it is not there."""
        if builtin not in self.codes:
            code = schema.OperatorCodeT()
            code.builtinCode, code.version = builtin, 3
            code.deprecatedBuiltinCode = min(builtin, 127)
            self.model.operatorCodes.append(code)
            self.codes[builtin] = len(self.model.operatorCodes) - 1
        return self.codes[builtin]

    def set_constants(self, operator: Operator, stored: schema.OperatorT) -> None:
        if operator.type in CONVOLUTIONS:
            self.set_convolution(operator, stored)
            return
        for place, number in enumerate(stored.inputs):
            tensor = self.graph.tensors[number] if number < len(self.graph.tensors) else None
            if tensor is not None and tensor.constant and tensor.dtype == "float32":
                grid = self.ranges[operator.outputs[0].index] if operator.type in ONE_GRID else None
                stored.inputs[place] = self.constant(tensor, grid)

    def constant(self, tensor: Tensor, grid: Range | None) -> int:
        """Number of an int8 copy of a float32 constant."""
        values = np.frombuffer(bytes(self.model.buffers[tensor.buffer].data), "<f4")
        grid = grid or Range.around(values.min(), values.max())
        levels = np.clip(np.rint(values / grid.step) + grid.zero_point, LOWEST, HIGHEST).astype(np.int8)
        number = self.copied(tensor, levels, INT8)
        set_range(self.tensors[number], grid)
        return number

    def copied(self, tensor: Tensor, values: np.ndarray, type_: int) -> int:
        source, copy, buffer = self.tensors[tensor.index], schema.TensorT(), schema.BufferT()
        buffer.data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        self.model.buffers.append(buffer)
        copy.name, copy.shape, copy.type = source.name, source.shape, type_
        copy.hasRank, copy.buffer = source.hasRank, len(self.model.buffers) - 1
        copy.quantization = schema.QuantizationParametersT()
        self.tensors.append(copy)
        return len(self.tensors) - 1

    def set_convolution(self, operator: Operator, stored: schema.OperatorT) -> None:
        weights, axis = operator.weights, channel_axis(operator)
        key = (weights.index, "int8")
        values = np.frombuffer(bytes(self.model.buffers[weights.buffer].data), "<f4").reshape(weights.shape)
        steps = self.steps(weights, values, axis)
        if key not in self.versions:
            number = self.copied(weights, weight_codes(values, steps, axis, self.plan, weights.name), INT8)
            set_steps(self.tensors[number], steps, axis)
            self.versions[key] = number
        inputs = [int(each) for each in stored.inputs]
        inputs[WEIGHTS] = self.versions[key]
        place = bias_place(operator.type)
        inputs += [ABSENT] * (place + 1 - len(inputs))
        image = self.taken(operator, operator.image)
        inputs[place] = self.bias(operator, np.float32(image.step) * steps)
        stored.inputs = np.array(inputs, np.int32)

    def steps(self, weights: Tensor, values: np.ndarray, axis: int) -> np.ndarray:
        """Of the weights' channels, float32: where the plan leaves them open, so wide that int32 holds the
        bias of every convolution that reads them."""
        steps = weight_steps(values, axis, self.plan, weights.name)
        if weights.name in self.plan.steps:
            return steps
        for reader in self.graph.convolutions:
            if reader.weights.buffer == weights.buffer and reader.index in self.whole:
                image = self.taken(reader, reader.image)
                least = np.abs(self.bias_values(reader, len(steps))) / (image.step * MOST_BIAS)
                steps = np.maximum(steps, least.astype(np.float32))
        return steps

    def bias_values(self, operator: Operator, channels: int) -> np.ndarray:
        """float64 ``[channels]``, with what the plan adds."""
        stored = self.model.subgraphs[0].operators[operator.index].inputs
        place = bias_place(operator.type)
        number = int(stored[place]) if len(stored) > place else ABSENT
        values = np.zeros(channels)
        if number != ABSENT and number < len(self.graph.tensors):
            tensor = self.graph.tensors[number]
            if not tensor.constant:
                raise LabError(
                    f"the bias of {operator.outputs[0].name} is computed.", "a constant", "keep it in float."
                )
            values = np.frombuffer(bytes(self.model.buffers[tensor.buffer].data), "<f4").astype(np.float64)
        return values + self.plan.biases.get(operator.outputs[0].name, 0)

    def bias(self, operator: Operator, steps: np.ndarray) -> int:
        """Number of the bias as int32 in steps of (input's step) x (weights' step of its channel)."""
        values = self.bias_values(operator, len(steps))
        levels = np.clip(np.rint(values / steps), *INT32_ENDS).astype(np.int32)
        made = schema.TensorT()
        buffer = schema.BufferT()
        buffer.data = levels.view(np.uint8)
        self.model.buffers.append(buffer)
        made.name, made.type = f"{operator.outputs[0].name}_bias".encode(), INT32
        made.shape, made.hasRank = np.array([len(steps)], np.int32), True
        made.buffer = len(self.model.buffers) - 1
        made.quantization = schema.QuantizationParametersT()
        set_steps(made, steps, 0)
        self.tensors.append(made)
        return len(self.tensors) - 1


def weight_steps(values: np.ndarray, axis: int, plan: Plan, name: str) -> np.ndarray:
    """float32 ``[channels]``."""
    if name in plan.steps:
        return np.float32(plan.steps[name])
    most = 2 ** (plan.weight_bits - 1) - 1
    rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
    steps = np.abs(rows).max(1) / most
    return np.float32(np.maximum(steps, max(steps.max() * LEAST_STEP_SHARE, LEAST_STEP)))


def weight_codes(values: np.ndarray, steps: np.ndarray, axis: int, plan: Plan, name: str) -> np.ndarray:
    """int8, of the weights' shape."""
    if name in plan.codes:
        return np.asarray(plan.codes[name], np.int8).reshape(values.shape)
    most = 2 ** (plan.weight_bits - 1) - 1
    along = [-1 if each == axis else 1 for each in range(values.ndim)]
    return np.clip(np.rint(values / steps.reshape(along)), -most, most).astype(np.int8)


def set_range(tensor: schema.TensorT, grid: Range) -> None:
    tensor.type = INT8
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = np.array([grid.step], np.float32)
    tensor.quantization.zeroPoint = np.array([grid.zero_point], np.int64)


def set_steps(tensor: schema.TensorT, steps: np.ndarray, axis: int) -> None:
    tensor.quantization.scale = np.asarray(steps, np.float32)
    tensor.quantization.zeroPoint = np.zeros(len(steps), np.int64)
    tensor.quantization.quantizedDimension = axis


def integer_content(content: bytes, plan: Plan) -> bytes:
    """The int8 file; its inputs and outputs stay float32.

    Raises:
        LabError: a bias is computed.
    """
    model = whole_model(content)
    graph = graph_of(model, len(content))
    whole = integer_operators(graph, plan)
    ranges = settled_ranges(graph, plan, whole)
    for code in model.operatorCodes:  # int8 kernels came with later versions of the operators
        code.version = max(code.version, LEAST_VERSIONS.get(code.builtinCode, 1))
    return Writer(model, graph, plan, whole, ranges).write()


_OPERATORS = schema.BuiltinOperator
LEAST_VERSIONS = {
    getattr(_OPERATORS, name): version
    for name, version in {
        "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "TRANSPOSE_CONV": 3, "FULLY_CONNECTED": 4, "ADD": 2, "SUB": 3,
        "MUL": 2, "LEAKY_RELU": 2, "RELU": 2, "RELU6": 2, "MEAN": 2, "LOGISTIC": 2, "SOFTMAX": 2, "TANH": 2,
        "CONCATENATION": 2, "MAX_POOL_2D": 2, "AVERAGE_POOL_2D": 2, "PAD": 2, "RESIZE_NEAREST_NEIGHBOR": 2,
        "RESIZE_BILINEAR": 2, "TRANSPOSE": 2, "SLICE": 2, "STRIDED_SLICE": 2, "SPLIT": 2, "MAXIMUM": 2,
        "MINIMUM": 2, "SPACE_TO_DEPTH": 2, "DEPTH_TO_SPACE": 2,
    }.items()
}  # fmt: skip
