"""Following a graph: what an operator depends on, what depends on it, where the convolutions end."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from helpers.lab.errors import LabError
from helpers.models.savedmodels.freeze import Frozen

CONVOLUTIONS = {"Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput"}
# After one of these, what was one row per candidate is a choice of candidates.
CHOICES = {
    "NonMaxSuppression", "NonMaxSuppressionV2", "NonMaxSuppressionV3", "NonMaxSuppressionV4",
    "NonMaxSuppressionV5", "CombinedNonMaxSuppression", "TopK", "TopKV2", "Where", "While", "StatelessWhile",
    "Enter",
}  # fmt: skip
# Their results say how large something is, not what it holds.
SIZES = {"Shape", "ShapeN", "Size", "Rank"}


@dataclass(frozen=True)
class Found:
    """A tensor and the shape that it has when the graph runs."""

    tensor: tf.Tensor
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


def above(tensors: Iterable[tf.Tensor], cut: Container[str] = ()) -> set[Any]:
    """Operators that the tensors depend on, their own included, where tensors named in ``cut`` are given."""
    seen, waiting = set(), [tensor for tensor in tensors if tensor.name not in cut]
    while waiting:
        operator = waiting.pop().op
        if operator not in seen:
            seen.add(operator)
            waiting += [tensor for tensor in operator.inputs if tensor.name not in cut]
    return seen


def below(operators: Iterable[Any]) -> set[Any]:
    """Operators that depend on the values of ``operators``, themselves included."""
    seen, waiting = set(), list(operators)
    while waiting:
        operator = waiting.pop()
        if operator not in seen and operator.type not in SIZES:
            seen.add(operator)
            waiting += [reader for output in operator.outputs for reader in output.consumers()]
    return seen


def detection_operators(frozen: Frozen) -> set[Any]:
    """Operators that boxes and scores of detections depend on."""
    return above([frozen.outputs["detection_boxes"], frozen.outputs["detection_scores"]])


def convolutions(frozen: Frozen) -> list[Any]:
    """Convolutions that detections depend on, in the graph's order.

    Raises:
        LabError: there are none outside of loops.
    """
    used = detection_operators(frozen)
    found = [op for op in frozen.graph.get_operations() if op.type in CONVOLUTIONS and op in used]
    if not found:
        raise LabError(
            "the SavedModel's detections depend on no convolution.",
            "a convolutional detector whose network stands outside of loops",
            "use another model: this one's core cannot be cut out.",
        )
    return found


def first_convolutions(frozen: Frozen) -> list[Any]:
    """Those that no other convolution comes before."""
    every = convolutions(frozen)
    later = below(reader for op in every for output in op.outputs for reader in output.consumers())
    return [op for op in every if op not in later]


def after_network(frozen: Frozen) -> list[Any]:
    """Operators between the last convolutions, these included, and the first choice among candidates."""
    every = convolutions(frozen)
    before = above([tensor for op in every for tensor in op.inputs])
    chosen = below(op for op in below(every) if op.type in CHOICES)
    reached = below(every) - before - chosen
    used = detection_operators(frozen)
    return [op for op in frozen.graph.get_operations() if op in reached and op in used]


def last_convolutions(frozen: Frozen) -> list[Any]:
    return [op for op in after_network(frozen) if op.type in CONVOLUTIONS]


def sized(frozen: Frozen, operators: Iterable[Any], photo: np.ndarray) -> list[Found]:
    """Float outputs of operators, with the shapes that they have for one photo."""
    tensors = [t for op in operators for t in op.outputs if readable(frozen, t)]
    shapes = [value.shape for value in frozen.values(tensors, photo)] if tensors else []
    return [Found(tensor, shape) for tensor, shape in zip(tensors, shapes, strict=True)]


def sized_one(frozen: Frozen, tensor: tf.Tensor, photo: np.ndarray) -> Found:
    return Found(tensor, frozen.values([tensor], photo)[0].shape)


def readable(frozen: Frozen, tensor: tf.Tensor) -> bool:
    return tensor.dtype == tf.float32 and frozen.graph.is_fetchable(tensor.op)
