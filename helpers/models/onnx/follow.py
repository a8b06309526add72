"""From a graph's outputs back to the convolutions that make its heads."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from helpers.models.onnx.library import package

CONVOLUTION = "Conv"
# Operators whose further inputs are places, axes, sizes or numbers of entries, not values.
FIRST_ALONE = (
    "Reshape", "Expand", "Slice", "Tile", "Gather", "GatherElements", "GatherND", "Resize", "Unsqueeze",
    "Squeeze", "Transpose", "TopK", "Pad", "Split", "ReduceSum", "ReduceMax", "ReduceMean", "Flatten",
)  # fmt: skip
# Operators that give no value of the photo.
WITHOUT_VALUES = ("Shape", "Size", "Constant", "ConstantOfShape", "Range")


def makers(model: Any) -> dict[str, Any]:
    """The node that makes each value, by the value's name."""
    return {name: node for node in model.graph.node for name in node.output if name}


def last_convolutions(model: Any, outputs: Iterable[str]) -> list[Any]:
    """The convolutions nearest to the outputs, in the order in which they are met.

    A convolution that only sums up bins of a distribution is no head: it is part of the decoding.
    """
    made, weights = makers(model), initializers(model)
    found, seen, waiting = [], set(), list(outputs)[::-1]
    while waiting:
        node = made.get(waiting.pop())
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if node.op_type == CONVOLUTION and not sums_bins(node, weights):
            found.append(node)
        else:
            waiting += list(values_of(node))[::-1]
    return found


def values_of(node: Any) -> Iterator[str]:
    """Names of the inputs whose values a node passes on."""
    if node.op_type in WITHOUT_VALUES:
        return
    first = node.op_type in (*FIRST_ALONE, CONVOLUTION)
    yield from (name for name in (node.input[:1] if first else node.input) if name)


def sums_bins(node: Any, weights: dict[str, Any]) -> bool:
    """Whether a convolution's only filter is 0, 1, 2, ...: the expectation of a distance's distribution."""
    if len(node.input) < 2 or node.input[1] not in weights:
        return False
    stored = weights[node.input[1]]
    if stored.dims[0] != 1 or int(np.prod(stored.dims)) != stored.dims[1] or stored.dims[1] < 2:
        return False
    bins = package("onnx").numpy_helper.to_array(stored).ravel()
    return bool(np.array_equal(bins, np.arange(len(bins))))


def initializers(model: Any) -> dict[str, Any]:
    return {item.name: item for item in model.graph.initializer}


def needed(model: Any, tensors: Iterable[str]) -> list[Any]:
    """The nodes that ``tensors`` depend on, in the graph's order."""
    made, names, waiting = makers(model), set(), list(tensors)
    nodes = set()
    while waiting:
        name = waiting.pop()
        if name in names:
            continue
        names.add(name)
        if (node := made.get(name)) is not None and id(node) not in nodes:
            nodes.add(id(node))
            waiting += [*node.input, *inner_names(node)]
    return [node for node in model.graph.node if id(node) in nodes]


def inner_names(node: Any) -> list[str]:
    """Names that the branches and loop bodies of a node read; those of their own are among them."""
    graphs = [part.g for part in node.attribute if part.HasField("g")]
    graphs += [graph for part in node.attribute for graph in part.graphs]
    read = [name for graph in graphs for inner in graph.node for name in (*inner.input, *inner_names(inner))]
    return read + [item.name for graph in graphs for item in graph.output]
