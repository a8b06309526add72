"""An int8 ``.tflite`` with trained codes, steps, biases and grids in place of the quantizer's own."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from helpers.lab.errors import LabError
from helpers.lab.files import write_bytes
from helpers.quantize.kinds.coding import Coded
from helpers.quantize.kinds.groups import from_channels
from helpers.quantize.recipes.edge_quantizer import kept_float, recipe_applied
from helpers.quantize.recipes.integers import INT8 as INT8_RECIPE
from helpers.quantize.trained.constants import ABSENT, WeightLayer, bias_place, weight_layers, whole_model
from helpers.quantize.trained.grids import INT8, activation_grids
from helpers.quantize.trained.trained_codes import TrainedCodes, require_fitting
from helpers.quantize.trained.weight_file import convolutions_of, with_own_biases
from helpers.runtimes.litert.graph import Graph
from helpers.runtimes.litert.operator_kinds import WEIGHTS
from helpers.runtimes.litert.reader import graph_of, operator_name

INT32_ENDS = (-(2**31), 2**31 - 1)


def int8_content(content: bytes, photos: Iterable[np.ndarray], float_operators: Sequence[str] = ()) -> bytes:
    """The deployable int8 file of a float32 one (``with_own_biases``), as variant int8 is made."""
    return recipe_applied(content, [*INT8_RECIPE.steps(), *kept_float(float_operators)], photos)


def int8_layers(layers: Sequence[WeightLayer], graph: Graph) -> tuple[WeightLayer, ...]:
    """Those that the int8 file multiplies as integers."""
    whole = {
        n
        for n, operator in enumerate(graph.convolutions)
        if operator.weights.dtype == operator.image.dtype == INT8
    }
    return tuple(layer for layer in layers if set(layer.convolutions) <= whole)


def write_int8(
    float_file: Path, codes: TrainedCodes, float_operators: Sequence[str], cure: str, output: Path
) -> None:
    """Write the int8 file.

    Raises:
        LabError: the codes were trained for another network; ``cure``: what helps then.
    """
    content = with_own_biases(float_file.read_bytes())
    # Every number that calibration chooses is replaced: any image shows which tensors are rounded.
    made = int8_content(content, [any_image(content)], float_operators)
    graph = graph_of(whole_model(made), len(made))
    layers = int8_layers(weight_layers(content), graph)
    require_fitting(codes, layers, cure)
    write_bytes(output, with_trained(made, graph, layers, codes, cure))


def any_image(content: bytes) -> np.ndarray:
    """float32, of the input's shape."""
    graph = graph_of(whole_model(content), len(content))
    return np.random.default_rng(0).uniform(-1, 1, graph.inputs[0].shape).astype(np.float32)


def with_trained(
    made: bytes, graph: Graph, layers: Sequence[WeightLayer], codes: TrainedCodes, cure: str
) -> bytes:
    model = whole_model(made)
    grids = activation_grids(graph)
    if len(grids) != len(codes.scales):
        raise LabError(
            f"{codes.form} of {codes.model} was trained with {len(codes.scales)} grids of activations; the "
            f"int8 file has {len(grids)}.",
            "the file that was trained",
            cure,
        )
    tensors = model.subgraphs[0].tensors
    for grid, scale, zero in zip(grids, codes.scales, codes.zero_points, strict=True):
        for index in grid.tensors:
            set_grid(tensors[index], np.array([scale]), [int(zero)])
    operators = convolutions_of(model)
    for layer, coded, biases in zip(layers, codes.layers, codes.biases, strict=True):
        for number, bias in zip(layer.convolutions, biases, strict=True):
            set_layer(model, operators[number], coded, bias)
    drop_unread(model)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def set_grid(tensor: schema.TensorT, scales: np.ndarray, zeros: list[int]) -> None:
    tensor.quantization.scale = np.asarray(scales, np.float32)
    tensor.quantization.zeroPoint = np.array(zeros, np.int64)


def set_layer(model: schema.ModelT, operator: schema.OperatorT, coded: Coded, bias: np.ndarray) -> None:
    """Weights as int8; the bias as int32 in steps of (input's scale) x (weights' scale)."""
    tensors, scales = model.subgraphs[0].tensors, coded["scales"]
    type_ = operator_name(model, operator)
    image = tensors[int(operator.inputs[2 if type_ == "TRANSPOSE_CONV" else 0])]
    weights, added = (tensors[int(operator.inputs[place])] for place in (WEIGHTS, bias_place(type_)))
    codes = from_channels(coded["codes"].astype(np.float32), coded.shape, coded.channel_axis)
    set_constant(model, weights, codes.astype(np.int8))
    set_grid(weights, scales, [0] * len(scales))
    steps = np.float32(image.quantization.scale[0]) * scales
    levels = np.clip(np.rint(bias.astype(np.float64) / steps), *INT32_ENDS)
    set_constant(model, added, levels.astype(np.int32))
    set_grid(added, steps, [0] * len(scales))


def set_constant(model: schema.ModelT, tensor: schema.TensorT, values: np.ndarray) -> None:
    """In a buffer of its own: equal constants may share one."""
    buffer = schema.BufferT()
    buffer.data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1


def drop_unread(model: schema.ModelT) -> None:
    """Drop the tensors that no operator has any longer, and what is in the buffers that no tensor has."""
    for number, graph in enumerate(model.subgraphs):
        ends = [s for s in model.signatureDefs or () if s.subgraphIndex == number]
        drop_tensors(graph, [end for s in ends for end in (*(s.inputs or ()), *(s.outputs or ()))])
    read = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    read |= {item.buffer for item in model.metadata or ()}
    for number, buffer in enumerate(model.buffers):
        if number not in read:
            buffer.data = None


def drop_tensors(graph: schema.SubGraphT, ends: Sequence[schema.TensorMapT]) -> None:
    """``ends``: of the graph's signatures, which hold numbers of tensors, too."""
    lists = [(graph, "inputs"), (graph, "outputs")]
    lists += [(op, name) for op in graph.operators for name in ("inputs", "outputs", "intermediates")]
    lists = [(owner, name) for owner, name in lists if getattr(owner, name) is not None]
    read = {int(n) for owner, name in lists for n in getattr(owner, name)} - {ABSENT}
    kept = sorted(read | {end.tensorIndex for end in ends})
    place = {old: new for new, old in enumerate(kept)} | {ABSENT: ABSENT}
    for owner, name in lists:
        setattr(owner, name, np.array([place[int(n)] for n in getattr(owner, name)], np.int32))
    for end in ends:
        end.tensorIndex = place[end.tensorIndex]
    graph.tensors = [graph.tensors[n] for n in kept]
