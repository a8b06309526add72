"""A float32 ONNX file whose weights are those that a kind of quantization would leave of them."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import onnx
from onnx import numpy_helper

from helpers.lab.errors import LabError
from helpers.quantize.kinds.coding import BYTE, Kind, pack
from helpers.quantize.simulate import FLOAT_BITS, Simulated, coded_layer, float_layer

# Operators with weights as their second input.
LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def simulated_onnx(content: bytes, kind: Kind, keep_first_last: bool = False) -> Simulated:
    """As ``simulate.simulated`` of a ``.tflite``: what ``kind`` leaves stands in place of the weights.

    Args:
        content: a float32 ONNX file with its weights in it.

    Raises:
        LabError: it has no weights to quantize, or some that are not finite.
    """
    model = onnx.load_from_string(content)
    blank = onnx.ModelProto()
    blank.CopyFrom(model)
    found, skipped = weighted(model.graph)
    kept = kept_weights(model.graph) if keep_first_last else set()
    if not found or found.keys() <= kept:
        raise nothing_to_quantize(skipped, kept)
    places = {each.name: place for place, each in enumerate(model.graph.initializer)}
    layers, packed = [], []
    for name, node in found.items():
        weights = numpy_helper.to_array(model.graph.initializer[places[name]])
        if name in kept:
            layers.append(float_layer(weights, name_of(node), node.op_type))
            continue
        layer, coded, values = coded_layer(weights, name_of(node), node.op_type, channel_axis(node), kind)
        layers.append(layer)
        packed.append(pack(coded))
        put(model.graph, places[name], values)
        put(blank.graph, places[name], np.zeros_like(values))
    changed = model.SerializeToString(deterministic=True)
    saved = sum(FLOAT_BITS * layer.weights - layer.coded_bits for layer in layers)
    rest = blank.SerializeToString(deterministic=True)
    size = len(changed) - saved // BYTE
    return Simulated(changed, tuple(layers), size, tuple(skipped), b"".join(packed), rest)


def put(graph: onnx.GraphProto, place: int, values: np.ndarray) -> None:
    name = graph.initializer[place].name
    graph.initializer[place].CopyFrom(numpy_helper.from_array(values, name))


def name_of(node: onnx.NodeProto) -> str:
    return node.name or node.output[0]


def channel_axis(node: onnx.NodeProto) -> int:
    """Of the output channels: first of a convolution, second of a transposed one and of most matrices."""
    if node.op_type == "Gemm":
        return 0 if any(each.name == "transB" and each.i for each in node.attribute) else 1
    return {"Conv": 0, "ConvTranspose": 1}.get(node.op_type, -1)


def weighted(graph: onnx.GraphProto) -> tuple[dict[str, onnx.NodeProto], list[tuple[str, str]]]:
    """Weights that can be quantized -> the first layer that reads them; name and reason of other layers."""
    floats = {each.name for each in graph.initializer if each.data_type == onnx.TensorProto.FLOAT}
    others = {name: node.op_type for node in graph.node for name in read_otherwise(node)}
    found, skipped = {}, []
    for node in graph.node:
        if node.op_type not in LAYERS:
            continue
        name = node.input[1]
        if name not in floats:
            skipped.append((name_of(node), "its weights are computed in the graph, or no float32"))
        elif name in others:
            skipped.append((name_of(node), f"its weights are read as something else too, by {others[name]}"))
        else:
            found.setdefault(name, node)
    return found, skipped


def read_otherwise(node: onnx.NodeProto) -> Iterable[str]:
    """What a node reads not as a layer's weights."""
    return (name for place, name in enumerate(node.input) if node.op_type not in LAYERS or place != 1)


def kept_weights(graph: onnx.GraphProto) -> set[str]:
    """Weights of layers that the image reaches with no other layer between, and of the last ones."""
    constants = {each.name for each in graph.initializer}
    ends = {each.name for each in graph.input} - constants, {each.name for each in graph.output}
    first = reached(graph.node, ends[0])
    return {node.input[1] for node in (*first, *reached(graph.node[::-1], ends[1], backward=True))}


def reached(
    nodes: Sequence[onnx.NodeProto], tensors: set[str], backward: bool = False
) -> Iterator[onnx.NodeProto]:
    """The layers that are met first on any way from ``tensors``."""
    tensors = set(tensors)
    for node in nodes:
        near, far = (node.output, node.input) if backward else (node.input, node.output)
        if not tensors & set(near):
            continue
        if node.op_type in LAYERS:
            yield node
        else:
            tensors |= set(far)


def nothing_to_quantize(skipped: Sequence[tuple[str, str]], kept: set[str]) -> LabError:
    if kept:
        return LabError(
            "every layer of weights is a first or a last one.",
            "one between them",
            "take the form that keeps no layers: without +edges.",
        )
    reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped[:3])
    return LabError(
        f"no layer with float32 weights to quantize{f' ({reasons})' if reasons else ''}.",
        f"a float32 initializer behind one of {', '.join(LAYERS)}",
        "simulate the float32 file of a model, not one of its variants.",
    )
