"""The core as a graph of its own: from the image to the heads, written as ``.onnx``."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from helpers.models.onnx.follow import initializers, makers, needed
from helpers.models.onnx.heads import Head
from helpers.models.onnx.library import package, refused
from helpers.models.onnx.network import Network

INPUT = "image"
PRODUCER = "quantization-lab"


def core(network: Network, heads: Mapping[str, Head]) -> Any:
    """The part of a graph that makes the heads, as a checked ``ModelProto``.

    Its input is ``image``, its outputs are named as ``heads`` are; all shapes are fixed and noted. A
    convolution that makes several heads becomes one per head, of the same filters: so each can have a scale
    of its own.

    Raises:
        LabError: it is no sound graph.
    """
    onnx = package("onnx")
    whole = copied(network.model)
    ends = split_convolutions(whole, heads)
    nodes = needed(whole, ends.values())
    renamed = {network.image: INPUT} | {tensor: name for name, tensor in ends.items()}
    for node in nodes:
        rename(node.input, renamed)
        rename(node.output, renamed)
    shape = [1, 3, *network.size] if network.layout == "NCHW" else [1, *network.size, 3]
    image = onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, shape)
    outputs = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ends]
    read = {name for node in nodes for name in node.input}
    stored = [item for item in whole.graph.initializer if item.name in read]
    graph = onnx.helper.make_graph(nodes, "core", [image], outputs, stored)
    model = onnx.helper.make_model(
        graph, opset_imports=list(whole.opset_import), ir_version=whole.ir_version, producer_name=PRODUCER
    )
    return checked(model, network)


def checked(model: Any, network: Network) -> Any:
    """With the shapes of all tensors."""
    onnx = package("onnx")
    try:
        model = onnx.shape_inference.infer_shapes(model, True, strict_mode=True, data_prop=True)
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # of either part of onnx, its own type
        raise refused(network.path, error) from error
    return model


def copied(model: Any) -> Any:
    copy = type(model)()
    copy.CopyFrom(model)
    return copy


def rename(names: Any, renamed: Mapping[str, str]) -> None:
    for place, name in enumerate(names):
        names[place] = renamed.get(name, name)


def split_convolutions(model: Any, heads: Mapping[str, Head]) -> dict[str, str]:
    """Add a convolution for each head that has only some channels of its own; the tensor of each head."""
    made, ends = makers(model), {}
    for name, head in heads.items():
        ends[name] = head.tensor
        if head.channels:
            ends[name] = f"{head.tensor}/{name}"
            model.graph.node.append(part_of(model, made[head.tensor], head.channels, ends[name]))
    return ends


def part_of(model: Any, node: Any, channels: Iterable[int], name: str) -> Any:
    """A convolution of some of a convolution's filters, whose output is ``name``."""
    onnx, stored, inputs = package("onnx"), initializers(model), [node.input[0]]
    for place, kind in zip(node.input[1:], ("weight", "bias"), strict=False):
        values = onnx.numpy_helper.to_array(stored[place])[list(channels)]
        inputs.append(f"{name}.{kind}")
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.ascontiguousarray(values), inputs[-1]))
    part = type(node)()
    part.CopyFrom(node)
    del part.input[:], part.output[:]
    part.input.extend(inputs)
    part.output.append(name)
    part.name = name
    return part


def with_outputs(model: Any, tensors: Iterable[str]) -> Any:
    """A copy of a whole graph that gives some of its inner tensors, too."""
    onnx, copy = package("onnx"), copied(model)
    known = {item.name for item in copy.graph.output}
    copy.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in dict.fromkeys(tensors)
        if name not in known
    )
    return copy
