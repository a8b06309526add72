"""A float32 ``.tflite`` whose weights are those that a kind of quantization would leave of them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from helpers.lab.errors import LabError
from helpers.lab.units import how_many
from helpers.quantize.kinds.coding import BYTE, Coded, Kind, decode, pack, require_finite
from helpers.quantize.layers.decibels import power, sqnr_db
from helpers.quantize.layers.names import output_names, short_names
from helpers.runtimes.litert.graph import Operator, Tensor
from helpers.runtimes.litert.operator_kinds import CONVOLUTIONS, WEIGHTS
from helpers.runtimes.litert.reader import MARK, buffer_bytes, graph_of, operator_name

FLOAT = "float32"
FLOAT_BITS = 32


@dataclass(frozen=True)
class SimulatedLayer:
    """One constant of weights.

    Attributes:
        name: short name of the first operator that reads it, ``operator`` its type.
        shape: of the weights, ``weights`` their number.
        coded_bits: with all side information, each part padded to whole bytes.
        signal: sum of squares of the weights, ``noise`` of what the codes change them by.
        kind: what codes it: the kind asked for, another one to which that leaves small layers, or ``float32``
            for one that is kept.
    """

    name: str
    operator: str
    shape: tuple[int, ...]
    weights: int
    coded_bits: int
    signal: float
    noise: float
    kind: str

    @property
    def sqnr_db(self) -> float:
        """Of the weights, in dB; ``EXACT_DB`` where they are unchanged."""
        return sqnr_db(self.signal, self.noise)


@dataclass(frozen=True)
class Simulated:
    """A file of the same operators and size, with other weights.

    Attributes:
        content: the ``.tflite`` file; but for weights it is the float32 file byte by byte.
        layers: in order of execution, a constant that several operators read once; kept ones among them.
        coded_bytes: size of the whole file if the codes stood in it in place of these weights.
        skipped: (name, reason) of layers whose weights are as they were.
        packed: codes and side information of all quantized layers, to the bit.
        rest: the file with zeros in place of these weights.
    """

    content: bytes
    layers: tuple[SimulatedLayer, ...]
    coded_bytes: int
    skipped: tuple[tuple[str, str], ...]
    packed: bytes
    rest: bytes

    @property
    def weight_bits(self) -> float:
        """Mean bits of a weight over the quantized layers, with all side information."""
        return mean_bits(self.quantized)

    @property
    def all_weight_bits(self) -> float:
        """The same over all of ``layers``: those that are kept with 32."""
        return mean_bits(self.layers)

    @property
    def quantized(self) -> list[SimulatedLayer]:
        """The layers that are not kept."""
        return [layer for layer in self.layers if layer.kind != FLOAT]

    @property
    def sqnr_db(self) -> float:
        """10 log10 (sum w² / sum (w - ŵ)²) over all weights of the quantized layers, in dB."""
        return sqnr_db(sum(x.signal for x in self.quantized), sum(x.noise for x in self.quantized))


def mean_bits(layers: Sequence[SimulatedLayer]) -> float:
    return sum(layer.coded_bits for layer in layers) / sum(layer.weights for layer in layers)


@dataclass(frozen=True)
class Opened:
    """A file's main graph, and its names for people."""

    model: schema.ModelT
    operators: Sequence[Operator]
    names: list[str]


def simulated(content: bytes, kind: Kind, keep_first_last: bool = False) -> Simulated:
    """Put in place of the weights of every layer what ``kind`` leaves of them; all else stays, biases too.

    A constant that several operators read is encoded once, along the channels of the first of them.

    Args:
        content: a float32 ``.tflite`` file.
        keep_first_last: keep the weights of layers that the input reaches with no other layer of weights
            between, and of those from which an output is reached so: of all branches.

    Raises:
        LabError: it is no ``.tflite`` file, has no weights to quantize, or some that are not finite.
    """
    opened = open_file(content)
    found, skipped = weighted(opened)
    kept = kept_buffers(opened) if keep_first_last else set()
    require_weights(found, skipped, kept)
    changed, rest = bytearray(content), bytearray(content)
    views, blanks = buffer_views(changed), buffer_views(rest)
    layers, packed = [], []
    for operator in found:
        buffer, name = operator.inputs[WEIGHTS].buffer, opened.names[operator.index]
        if buffer in kept:
            layers.append(kept_layer(views[buffer], name, operator))
            continue
        layer, coded = replaced(views[buffer], name, operator, kind)
        layers.append(layer)
        packed.append(pack(coded))
        blanks[buffer][:] = 0
    saved = sum(FLOAT_BITS * layer.weights - layer.coded_bits for layer in layers)
    size = len(content) - saved // BYTE
    return Simulated(bytes(changed), tuple(layers), size, tuple(skipped), b"".join(packed), bytes(rest))


def replaced(view: np.ndarray, name: str, operator: Operator, kind: Kind) -> tuple[SimulatedLayer, Coded]:
    """Overwrite weights ``view`` (the bytes in the file) with what their codes stand for."""
    weights = view.view("<f4").reshape(operator.inputs[WEIGHTS].shape)
    layer, coded, values = coded_layer(weights, name, operator.type, channel_axis(operator), kind)
    view[:] = values.reshape(-1).view(np.uint8)
    return layer, coded


def coded_layer(
    weights: np.ndarray, name: str, operator: str, axis: int, kind: Kind
) -> tuple[SimulatedLayer, Coded, np.ndarray]:
    """A layer, its codes, and the float32 values that they stand for.

    Args:
        operator: its type; ``axis``: of the output channels.
    """
    require_finite(weights, name)
    coded = kind.encode(weights, axis)
    values = np.ascontiguousarray(decode(coded), "<f4")
    before, after = weights.astype(np.float64), values.astype(np.float64)
    layer = SimulatedLayer(
        name, operator, weights.shape, weights.size, coded.bits, power(before), power(after - before),
        coded.kind.name,
    )  # fmt: skip
    return layer, coded, values


def kept_layer(view: np.ndarray, name: str, operator: Operator) -> SimulatedLayer:
    return float_layer(view.view("<f4").reshape(operator.inputs[WEIGHTS].shape), name, operator.type)


def float_layer(weights: np.ndarray, name: str, operator: str) -> SimulatedLayer:
    """A layer that keeps its weights."""
    bits, signal = FLOAT_BITS * weights.size, power(weights.astype(np.float64))
    return SimulatedLayer(name, operator, weights.shape, weights.size, bits, signal, 0.0, FLOAT)


def channel_axis(operator: Operator) -> int:
    """Depthwise weights are ``[1, h, w, channels]``, all others have the output channels first."""
    return 3 if operator.type == "DEPTHWISE_CONV_2D" else 0


def open_file(content: bytes) -> Opened:
    if content[4:8] != MARK:
        raise LabError("no .tflite file.", "a flatbuffer of LiteRT", "run 02_quantize.ipynb again.")
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = graph_of(model, len(content))
    made = [op.outputs[0].name if op.outputs else op.type for op in graph.operators]
    return Opened(model, graph.operators, short_names(made, output_names(graph)))


def buffer_views(content: bytearray) -> list[np.ndarray]:
    """The bytes of every buffer where they lie in the file, to be written to; also behind the flatbuffer."""
    model, whole = schema.Model.GetRootAs(content, 0), np.frombuffer(content, np.uint8)
    buffers = [model.Buffers(number) for number in range(model.BuffersLength())]
    outside = [whole[one.Offset() : one.Offset() + one.Size()] for one in buffers]
    return [
        one.DataAsNumpy() if one.DataLength() else rest for one, rest in zip(buffers, outside, strict=True)
    ]


def weighted(opened: Opened) -> tuple[list[Operator], list[tuple[str, str]]]:
    """The first operator of each constant that can be quantized; name and reason of those that cannot."""
    others, first, skipped = other_readers(opened.model), {}, in_other_graphs(opened.model)
    for operator in opened.operators:
        if operator.type in CONVOLUTIONS:
            reason = reason_against(opened, operator, others)
            if reason:
                skipped.append((opened.names[operator.index], reason))
            else:
                first.setdefault(operator.inputs[WEIGHTS].buffer, operator)
    return list(first.values()), skipped


def reason_against(opened: Opened, operator: Operator, others: dict[int, str]) -> str:
    """Why an operator's weights stay as they are; empty where they need not."""
    tensor = operator.inputs[WEIGHTS]
    source = cast_of(opened.operators, tensor)
    if source is not None:
        return f"its weights are stored as {source.dtype}, behind a cast"
    if not tensor.constant:
        return "its weights are computed in the graph"
    if tensor.dtype != FLOAT:
        return f"its weights are stored as {tensor.dtype}"
    if opened.model.subgraphs[0].tensors[tensor.index].sparsity is not None:
        return "its weights are stored as a sparse matrix"
    if tensor.buffer in others:
        return f"its weights are read as something else too, by {others[tensor.buffer]}"
    return ""


def cast_of(operators: Sequence[Operator], tensor: Tensor) -> Tensor | None:
    """The constant of which a tensor is a cast."""
    casts = (op for op in operators if op.folded and op.outputs[0].index == tensor.index)
    return next((op.inputs[0] for op in casts), None)


def other_readers(model: schema.ModelT) -> dict[int, str]:
    """Buffer -> an operator that reads it, but not as a layer's weights, in any graph of the file."""
    found = {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            name = operator_name(model, operator)
            for place, index in enumerate(operator.inputs):
                if index >= 0 and not (name in CONVOLUTIONS and place == WEIGHTS):
                    found[graph.tensors[index].buffer] = name
    return {number: name for number, name in found.items() if buffer_bytes(model.buffers[number])}


def in_other_graphs(model: schema.ModelT) -> list[tuple[str, str]]:
    """Layers of loops and conditions, which are graphs of their own: they stay as they are."""
    return [
        (
            (graph.tensors[operator.outputs[0]].name or b"").decode(),
            "it is in another graph of the file: in a loop, say",
        )
        for graph in model.subgraphs[1:]
        for operator in graph.operators
        if operator_name(model, operator) in CONVOLUTIONS
    ]


def kept_buffers(opened: Opened) -> set[int]:
    """Buffers with weights of a first or a last layer."""
    graph, operators = opened.model.subgraphs[0], opened.operators
    fixed = {op.outputs[0].index for op in operators if op.folded}
    first = reached(operators, set(map(int, graph.inputs)), fixed)
    return {operator.inputs[WEIGHTS].buffer for operator in first} | last_buffers(opened)


def last_buffers(opened: Opened) -> set[int]:
    """Buffers with weights of a last layer."""
    graph, operators = opened.model.subgraphs[0], opened.operators
    fixed = {op.outputs[0].index for op in operators if op.folded}
    last = reached(operators[::-1], set(map(int, graph.outputs)), fixed, backward=True)
    return {operator.inputs[WEIGHTS].buffer for operator in last}


def reached(
    operators: Sequence[Operator], tensors: set[int], fixed: set[int], backward: bool = False
) -> Iterator[Operator]:
    """The layers of weights that are met first on any way from ``tensors``."""
    for operator in operators:
        ends = ({t.index for t in operator.inputs}, {t.index for t in operator.outputs})
        near, far = reversed(ends) if backward else ends
        if not near & tensors:
            continue
        if operator.type in CONVOLUTIONS and has_weights(operator, fixed):
            yield operator
        else:
            tensors |= far


def has_weights(operator: Operator, fixed: set[int]) -> bool:
    """Whether what it multiplies by lies in the file; two activations may be multiplied as well."""
    tensor = operator.inputs[WEIGHTS]
    return tensor.constant or tensor.index in fixed


def require_weights(found: list[Operator], skipped: list[tuple[str, str]], kept: set[int]) -> None:
    """Raise if nothing is left to quantize."""
    if not found:
        counts = Counter(reason for _, reason in skipped)
        reasons = "; ".join(f"{how_many(count, 'layer')}: {reason}" for reason, count in counts.items())
        raise LabError(
            f"no layer with float32 weights to quantize{f' ({reasons})' if reasons else ''}.",
            f"a constant of float32 behind one of {', '.join(CONVOLUTIONS)}",
            "simulate the float32 file of a model, not one of its variants.",
        )
    if {operator.inputs[WEIGHTS].buffer for operator in found} <= kept:
        raise LabError(
            "every layer of weights is a first or a last one.",
            "one between them",
            "take the form that keeps no layers: without +edges.",
        )
