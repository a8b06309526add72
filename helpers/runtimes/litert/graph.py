"""The operators of a ``.tflite`` file: shapes, dtypes, multiply-adds and bytes, read from the flatbuffer."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ai_edge_litert import schema_py_generated as schema

from helpers.runtimes.litert.flatfile import (
    INPUTS,
    TENSOR_TYPES,
    WEIGHTS,
    arithmetic,
    operator_name,
    read_model,
)
from helpers.runtimes.litert.operator_kinds import (
    CASTS,
    DENSE,
    DEPTHWISE,
    ELEMENTWISE,
    MOVES,
    OTHER,
    POINTWISE,
)

# Bits of one element. Those below 8 are packed: a buffer holds ceil(elements * bits / 8) bytes.
BITS = {
    "float32": 32, "float16": 16, "bfloat16": 16, "float64": 64, "int64": 64, "uint64": 64, "int32": 32,
    "uint32": 32, "int16": 16, "uint16": 16, "int8": 8, "uint8": 8, "bool": 8, "int4": 4, "uint4": 4,
    "int2": 2,
}  # fmt: skip
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
_CASTS = ("QUANTIZE", "DEQUANTIZE", "CAST")
_ELEMENTWISE = (
    "ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "RELU", "RELU6", "HARD_SWISH", "LOGISTIC", "TANH",
    "ABS", "NEG", "SQRT", "RSQRT", "EXP", "PRELU", "LEAKY_RELU", "SOFTMAX",
)  # fmt: skip
# These change a tensor's shape and none of its bytes.
_VIEWS = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_MOVES = (
    *_VIEWS, "CONCATENATION", "RESIZE_NEAREST_NEIGHBOR", "PAD", "PADV2", "TRANSPOSE", "SLICE",
    "STRIDED_SLICE", "SPLIT", "PACK", "UNPACK", "GATHER", "TILE", "BROADCAST_TO",
    "SPACE_TO_DEPTH", "DEPTH_TO_SPACE",
)  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """One tensor. ``constant``: its values are in the file, in buffer number ``buffer``."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    constant: bool
    buffer: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes when packed; 0 for a dtype without a fixed width (strings)."""
        return math.ceil(self.elements * BITS.get(self.dtype, 0) / 8)


@dataclass(frozen=True)
class Operator:
    """One operator of the graph.

    Attributes:
        index: its place in the graph, which is also LiteRT's node number.
        kind: one of ``operator_kinds.KINDS``.
        inputs, outputs: its tensors; optional ones that are absent are left out.
        macs: multiply-adds of one inference; 0 for what is no convolution.
        compute_dtype: for a convolution as ``FileFacts.compute_dtype``; else the dtype of its output.
        folded: a cast of a constant. Its result never changes: XNNPACK computes it once, at loading.
    """

    index: int
    type: str
    kind: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    macs: int
    compute_dtype: str
    folded: bool

    @property
    def bytes_moved(self) -> int:
        """Bytes read and written if each tensor moves once; a lower bound (caches may make it move again)."""
        if self.folded or self.type in _VIEWS:
            return 0
        return sum(tensor.size_bytes for tensor in (*self.inputs, *self.outputs))


@dataclass(frozen=True)
class Boundary:
    """An operator that only changes the dtype, and its neighbours ("input", "output" at the graph's ends)."""

    operator: int
    type: str
    before: str
    after: str
    from_dtype: str
    to_dtype: str


@dataclass(frozen=True)
class Graph:
    """The file's main graph.

    Attributes:
        operators: in the order of execution.
        weights_bytes: bytes in the file of the convolutions' weights, a shared buffer once, 4-bit packed.
        weights_by_dtype: the same by stored dtype.
        constants_bytes: the same for every constant: weights, biases, shapes.
        file_bytes: size of the file.
    """

    operators: tuple[Operator, ...]
    weights_bytes: int
    weights_by_dtype: dict[str, int]
    constants_bytes: int
    file_bytes: int

    @cached_property
    def macs(self) -> int:
        return sum(operator.macs for operator in self.operators)

    @cached_property
    def bytes_moved(self) -> int:
        return sum(operator.bytes_moved for operator in self.operators)

    def running(self) -> list[Operator]:
        """Operators that run at each inference: all but the folded ones."""
        return [operator for operator in self.operators if not operator.folded]

    @cached_property
    def alive_bytes(self) -> int:
        """Largest sum of activations that are between being made and their last use, at any operator.

        A planner that lets an operator write over its own input needs less, one that leaves gaps more.
        """
        running, fixed = self.running(), {t.index for op in self.operators if op.folded for t in op.outputs}
        spans: dict[int, list[int]] = {}
        sizes: dict[int, int] = {}
        for place, operator in enumerate(running):
            for tensor in (*operator.inputs, *operator.outputs):
                if not tensor.constant and tensor.index not in fixed:
                    spans.setdefault(tensor.index, []).append(place)
                    sizes[tensor.index] = tensor.size_bytes
        alive = [0] * len(running)
        for index, places in spans.items():
            for place in range(places[0], places[-1] + 1):
                alive[place] += sizes[index]
        return max(alive, default=0)

    def boundaries(self) -> list[Boundary]:
        """Every cast that runs at each inference, and what stands before and after it."""
        makers = {tensor.index: op.type for op in self.operators for tensor in op.outputs}
        users: dict[int, str] = {}
        for op in reversed(self.operators):
            users |= {tensor.index: op.type for tensor in op.inputs}
        return [boundary(op, makers, users) for op in self.running() if op.kind == CASTS]


def boundary(operator: Operator, makers: dict[int, str], users: dict[int, str]) -> Boundary:
    source, target = operator.inputs[0], operator.outputs[0]
    before, after = makers.get(source.index, "input"), users.get(target.index, "output")
    return Boundary(operator.index, operator.type, before, after, source.dtype, target.dtype)


def read_graph(path: Path) -> Graph:
    """Read the main graph of a ``.tflite`` file; raises ``LabError`` if it is none."""
    model = read_model(Path(path))
    graph = model.subgraphs[0]
    tensors = [describe_tensor(model, index, tensor) for index, tensor in enumerate(graph.tensors)]
    operators = [describe(model, index, op, tensors) for index, op in enumerate(graph.operators)]
    weights = stored_weights(operators)
    return Graph(
        operators=tuple(operators),
        weights_bytes=stored_bytes(model, weights),
        weights_by_dtype={
            dtype: stored_bytes(model, [t for t in weights if t.dtype == dtype])
            for dtype in sorted({t.dtype for t in weights})
        },
        constants_bytes=stored_bytes(model, tensors),
        file_bytes=Path(path).stat().st_size,
    )


def buffer_bytes(buffer: schema.BufferT) -> int:
    """Bytes of a buffer; ``size`` counts those that stand behind the flatbuffer (files over 2 GB)."""
    return int(buffer.size) if buffer.data is None else len(buffer.data)


def stored_bytes(model: schema.ModelT, tensors: Iterable[Tensor]) -> int:
    """Bytes in the file of the constants among ``tensors``, a buffer that several share counted once."""
    return sum(buffer_bytes(model.buffers[number]) for number in {t.buffer for t in tensors if t.constant})


def stored_weights(operators: list[Operator]) -> list[Tensor]:
    """The constant behind each convolution's weights: itself, or what a folded cast widens."""
    widened = {op.outputs[0].index: op.inputs[0] for op in operators if op.folded}
    weights = [op.inputs[1] for op in operators if op.type in _WEIGHTED]
    return [widened.get(tensor.index, tensor) for tensor in weights]


def describe_tensor(model: schema.ModelT, index: int, tensor: schema.TensorT) -> Tensor:
    shape = () if tensor.shape is None else tuple(int(n) for n in tensor.shape)
    name = (tensor.name or b"").decode(errors="replace")
    constant = buffer_bytes(model.buffers[tensor.buffer]) > 0
    return Tensor(index, name, shape, TENSOR_TYPES[tensor.type].lower(), constant, int(tensor.buffer))


def describe(model: schema.ModelT, index: int, operator: schema.OperatorT, tensors: list[Tensor]) -> Operator:
    name = operator_name(model, operator)
    inputs = tuple(tensors[i] for i in operator.inputs if i >= 0)
    outputs = tuple(tensors[i] for i in operator.outputs if i >= 0)
    return Operator(
        index=index,
        type=name,
        kind=kind_of(name, inputs),
        inputs=inputs,
        outputs=outputs,
        macs=multiply_adds(name, inputs, outputs),
        compute_dtype=compute_dtype(name, inputs, outputs),
        folded=name in _CASTS and inputs[0].constant,
    )


def kind_of(name: str, inputs: tuple[Tensor, ...]) -> str:
    if name == "DEPTHWISE_CONV_2D":
        return DEPTHWISE
    if name == "FULLY_CONNECTED" or (name == "CONV_2D" and inputs[1].shape[1:3] == (1, 1)):
        return POINTWISE
    if name in ("CONV_2D", "TRANSPOSE_CONV"):
        return DENSE
    groups = ((_CASTS, CASTS), (_ELEMENTWISE, ELEMENTWISE), (_MOVES, MOVES))
    return next((kind for names, kind in groups if name in names), OTHER)


def multiply_adds(name: str, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> int:
    """Multiply-adds of a convolution as the schoolbook counts them (Sze et al. 2017,
    doi:10.1109/JPROC.2017.2761740).

    Weights are ``[out, h, w, in]`` (CONV_2D, TRANSPOSE_CONV), ``[1, h, w, channels]`` (depthwise) and
    ``[out, in]`` (FULLY_CONNECTED). Each output element takes ``h * w * in`` multiply-adds (depthwise
    ``h * w``, fully connected ``in``); padding counts. Of a TRANSPOSE_CONV each *input* element gives
    ``h * w * out``. Biases and what is no convolution: 0.
    """
    if name not in _WEIGHTED:
        return 0
    weight, made = inputs[1].shape, outputs[0].elements
    if name == "TRANSPOSE_CONV":
        return inputs[2].elements * math.prod(weight[:3])
    if name == "DEPTHWISE_CONV_2D":
        return made * math.prod(weight[1:3])
    return made * math.prod(weight[1:])


def compute_dtype(name: str, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> str:
    if name not in _WEIGHTED:
        return outputs[0].dtype if outputs else "none"
    return arithmetic(inputs[INPUTS.get(name, 0)].dtype, inputs[WEIGHTS].dtype)


def count_types(operators: Iterable[Operator]) -> dict[str, int]:
    """Operator type -> number, the most frequent first."""
    return dict(Counter(operator.type for operator in operators).most_common())
