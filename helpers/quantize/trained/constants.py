"""The layers of weights of a float32 ``.tflite``, with the biases that are added behind them."""

from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from helpers.quantize.dead_channels import CHANNEL_AXES
from helpers.quantize.kinds.coding import require_finite
from helpers.quantize.simulate import channel_axis, last_buffers, open_file, require_weights, weighted
from helpers.runtimes.litert.operator_kinds import CONVOLUTIONS, WEIGHTS

ABSENT = -1


@dataclass(frozen=True, eq=False)
class WeightLayer:
    """One constant of weights: the unit that is quantized.

    Attributes:
        name: of the first operator that reads it, short; ``type``: of that operator.
        buffer: its number in the file.
        weights: float32, as the file has them; their output channels lie along ``axis``.
        convolutions: which of the file's convolutions read it, counted from 0 in order of execution.
        biases: float32 ``[channels]`` for each of them; zeros where there is none.
        ends: whether an output is reached from it with no other layer of weights between.
    """

    name: str
    type: str
    buffer: int
    weights: np.ndarray
    axis: int
    convolutions: tuple[int, ...]
    biases: tuple[np.ndarray, ...]
    ends: bool

    @property
    def channels(self) -> int:
        return self.weights.shape[self.axis]

    @property
    def norm(self) -> float:
        """By which a network is known again, whatever software folded its batch norms."""
        return float(np.sqrt(np.square(self.weights, dtype=np.float64).sum()))


def bias_place(type_: str) -> int:
    """Where the bias stands among a convolution's inputs."""
    return CHANNEL_AXES[getattr(schema.BuiltinOperator, type_)][1]


def weight_layers(content: bytes) -> tuple[WeightLayer, ...]:
    """In order of execution, as ``simulate`` finds them.

    Raises:
        LabError: no ``.tflite`` file, no weights to quantize, or some that are not finite.
    """
    opened = open_file(content)
    model = whole_model(content)
    found, skipped = weighted(opened)
    require_weights(found, skipped, set())
    last = last_buffers(opened)
    readers = [operator for operator in opened.operators if operator.type in CONVOLUTIONS]
    layers = []
    for operator in found:
        buffer, name = operator.inputs[WEIGHTS].buffer, opened.names[operator.index]
        places = tuple(n for n, one in enumerate(readers) if one.inputs[WEIGHTS].buffer == buffer)
        weights = floats(model, buffer).reshape(operator.inputs[WEIGHTS].shape)
        require_finite(weights, name)
        axis = channel_axis(operator)
        biases = tuple(bias_of(model, readers[n].index, weights.shape[axis]) for n in places)
        ends = buffer in last
        layers.append(WeightLayer(name, operator.type, buffer, weights, axis, places, biases, ends))
    return tuple(layers)


def whole_model(content: bytes) -> schema.ModelT:
    """The file as objects, with the values of buffers that lie behind the flatbuffer."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers:
        if buffer.data is None and buffer.size:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def floats(model: schema.ModelT, buffer: int) -> np.ndarray:
    return np.frombuffer(bytes(model.buffers[buffer].data), "<f4")


def bias_of(model: schema.ModelT, operator: int, channels: int) -> np.ndarray:
    """float32 ``[channels]``; zeros where the operator has none, or computes it."""
    graph = model.subgraphs[0]
    stored = graph.operators[operator]
    place = CHANNEL_AXES[model.operatorCodes[stored.opcodeIndex].builtinCode][1]
    index = stored.inputs[place] if len(stored.inputs) > place else ABSENT
    if index == ABSENT or model.buffers[graph.tensors[index].buffer].data is None:
        return np.zeros(channels, np.float32)
    return floats(model, graph.tensors[index].buffer)
