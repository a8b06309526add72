"""A float32 ``.tflite`` with trained weights and biases in place of its own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from helpers.lab.files import write_bytes
from helpers.quantize.kinds.coding import Coded, decode, pack
from helpers.quantize.layers.decibels import power
from helpers.quantize.recipes.simulated_file import made_of
from helpers.quantize.records import MadeFile
from helpers.quantize.simulate import Simulated, SimulatedLayer, buffer_views
from helpers.quantize.trained.constants import ABSENT, WeightLayer, bias_place, weight_layers, whole_model
from helpers.quantize.trained.trained_codes import TrainedCodes, require_fitting
from helpers.run.variants import Variant
from helpers.runtimes.litert.operator_kinds import CONVOLUTIONS
from helpers.runtimes.litert.reader import operator_name


def write_trained(
    float_file: Path, variant: Variant, codes: TrainedCodes, cure: str, output: Path
) -> MadeFile:
    """Write the file with the trained weights and biases, and return what its codes would take.

    Raises:
        LabError: they were trained for another network; ``cure``: what helps then.
    """
    content = with_own_biases(float_file.read_bytes())
    layers = weight_layers(content)
    require_fitting(codes, layers, cure)
    found = replaced(content, layers, codes)
    write_bytes(output, found.content)
    return made_of(found, variant, output)


def replaced(content: bytes, layers: Sequence[WeightLayer], codes: TrainedCodes) -> Simulated:
    """As ``simulate.simulated`` gives it; ``content``: a file in which each bias is of one convolution."""
    changed, rest = bytearray(content), bytearray(content)
    views, blanks, biases = buffer_views(changed), buffer_views(rest), bias_buffers(content)
    for layer, coded, trained in zip(layers, codes.layers, codes.biases, strict=True):
        written(views[layer.buffer], decode(coded))
        blanks[layer.buffer][:] = 0
        for number, bias in zip(layer.convolutions, trained, strict=True):
            written(views[biases[number]], bias)
            written(blanks[biases[number]], bias)
    packed = b"".join(map(pack, codes.layers))
    size = len(content) - sum(layer.weights.nbytes for layer in layers) + len(packed)
    told = tuple(told_layer(*pair) for pair in zip(layers, codes.layers, strict=True))
    return Simulated(bytes(changed), told, size, (), packed, bytes(rest))


def written(view: np.ndarray, values: np.ndarray) -> None:
    view[:] = np.ascontiguousarray(values, "<f4").reshape(-1).view(np.uint8)


def told_layer(layer: WeightLayer, coded: Coded) -> SimulatedLayer:
    """Its ratio of signal to error is to the float32 weights, which training has left behind."""
    before, after = layer.weights.astype(np.float64), decode(coded).astype(np.float64)
    errors = power(before), power(after - before)
    shape, count = layer.weights.shape, layer.weights.size
    return SimulatedLayer(layer.name, layer.type, shape, count, coded.bits, *errors, coded.kind.name)


def convolutions_of(model: schema.ModelT) -> list[schema.OperatorT]:
    return [one for one in model.subgraphs[0].operators if operator_name(model, one) in CONVOLUTIONS]


def bias_buffers(content: bytes) -> list[int]:
    """Buffer of the bias of every convolution of the main graph, in order of execution."""
    model = whole_model(content)
    tensors = model.subgraphs[0].tensors
    return [
        tensors[one.inputs[bias_place(operator_name(model, one))]].buffer for one in convolutions_of(model)
    ]


def with_own_biases(content: bytes) -> bytes:
    """A float32 ``.tflite`` in which every convolution has a bias that nothing else reads."""
    model = whole_model(content)
    taken: set[int] = set()
    changed = [give_bias(model, operator, taken) for operator in convolutions_of(model)]
    if not any(changed):
        return content
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def give_bias(model: schema.ModelT, operator: schema.OperatorT, taken: set[int]) -> bool:
    """Whether the operator had to be given one; ``taken``: buffers that are others'."""
    graph, place = model.subgraphs[0], bias_place(operator_name(model, operator))
    index = int(operator.inputs[place]) if len(operator.inputs) > place else ABSENT
    constant = index != ABSENT and model.buffers[graph.tensors[index].buffer].data is not None
    if index != ABSENT and not constant:  # computed in the graph
        return False
    if constant and graph.tensors[index].buffer not in taken and readers(model, index) == 1:
        taken.add(graph.tensors[index].buffer)
        return False
    values = bytes(model.buffers[graph.tensors[index].buffer].data) if constant else None
    inputs = [int(number) for number in operator.inputs] + [ABSENT] * (place + 1 - len(operator.inputs))
    inputs[place] = add_constant(model, operator, values)
    operator.inputs = np.array(inputs, np.int32)
    taken.add(graph.tensors[inputs[place]].buffer)
    return True


def readers(model: schema.ModelT, index: int) -> int:
    """How often the buffer of a tensor is read, in any graph."""
    buffer = model.subgraphs[0].tensors[index].buffer
    return sum(
        int(number) >= 0 and graph.tensors[int(number)].buffer == buffer
        for graph in model.subgraphs
        for operator in graph.operators
        for number in operator.inputs
    )


def add_constant(model: schema.ModelT, operator: schema.OperatorT, values: bytes | None) -> int:
    """Number of a new float32 tensor ``[channels]``, of zeros without ``values``."""
    graph = model.subgraphs[0]
    made = graph.tensors[int(operator.outputs[0])]
    channels = int(made.shape[-1])
    buffer = schema.BufferT()
    data = np.zeros(channels, "<f4").tobytes() if values is None else values
    buffer.data = np.frombuffer(data, np.uint8)
    model.buffers.append(buffer)
    tensor = schema.TensorT()
    tensor.shape, tensor.type = np.array([channels], np.int32), schema.TensorType.FLOAT32
    tensor.name, tensor.buffer = (made.name or b"layer") + b"/bias", len(model.buffers) - 1
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1
