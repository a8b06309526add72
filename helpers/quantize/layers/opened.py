"""A file cut open: every layer gets its inputs from outside, so that each one's own error can be seen."""

import copy
from dataclasses import dataclass
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from helpers.quantize.layers.match import Wiring
from helpers.runtimes.litert.graph import Tensor
from helpers.runtimes.litert.reader import read_model


@dataclass(frozen=True)
class Opened:
    """A model in which no layer reads what another one gave.

    Attributes:
        content: the ``.tflite`` file.
        inputs: index of each new input in ``content`` -> the tensor in whose place layers read it.
    """

    content: bytes
    inputs: dict[int, Tensor]


def read_whole(path: Path) -> schema.ModelT:
    """A file as objects, with those constants in their buffers that lie behind the flatbuffer.

    Raises:
        LabError: it is not a ``.tflite`` file.
    """
    model = read_model(path)
    content = np.fromfile(path, np.uint8)
    for buffer in model.buffers:
        if buffer.data is None and buffer.size:
            buffer.data = content[buffer.offset : buffer.offset + buffer.size]
            buffer.offset = buffer.size = 0
    return model


def open_layers(model: schema.ModelT, wiring: Wiring) -> Opened:
    """Make each tensor that a layer reads a new input of the file; casts behind a layer stay in place.

    Tensors keep their indices, so outputs are found where they are in the file itself.

    Args:
        model: the file of ``wiring`` as objects; it is changed.
    """
    graph = model.subgraphs[0]
    replaced: dict[int, int] = {}
    inputs: dict[int, Tensor] = {}
    for layer in wiring.layers:
        for tensor in wiring.moving(layer):
            if tensor.index not in replaced:
                replaced[tensor.index] = len(graph.tensors)
                inputs[len(graph.tensors)] = tensor
                graph.tensors.append(outside(graph.tensors[tensor.index]))
        operator = graph.operators[layer.index]
        operator.inputs = [replaced.get(int(i), int(i)) for i in operator.inputs]
    graph.inputs = [*map(int, graph.inputs), *inputs]
    # What nobody reads would not be computed.
    graph.outputs = sorted({wiring.as_read(made).index for layer in wiring.layers for made in layer.outputs})
    # A signature would have to name every input.
    model.signatureDefs = []
    return Opened(packed(model), inputs)


def outside(tensor: schema.TensorT) -> schema.TensorT:
    """The same tensor as an input of the file."""
    new = copy.copy(tensor)
    new.name = (tensor.name or b"") + b";from_outside"
    return new


def packed(model: schema.ModelT) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
