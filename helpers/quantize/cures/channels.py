"""Which channels of which tensors can be scaled together without changing what a network answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from helpers.runtimes.litert.graph import Graph, Operator, Tensor
from helpers.runtimes.litert.operator_kinds import CONVOLUTIONS

# f(s x) = s f(x) for every s > 0, channel by channel.
HOMOGENEOUS = frozenset({
    "RELU", "LEAKY_RELU", "PRELU", "MAX_POOL_2D", "AVERAGE_POOL_2D", "RESIZE_NEAREST_NEIGHBOR",
    "RESIZE_BILINEAR", "PAD",
})  # fmt: skip
SUMS = frozenset({"ADD", "SUB", "MAXIMUM", "MINIMUM"})
_ACTIVATIONS = schema.ActivationFunctionType
HOMOGENEOUS_FUSED = (_ACTIVATIONS.NONE, _ACTIVATIONS.RELU)


@dataclass(frozen=True, eq=False)
class ChannelGroups:
    """
    Attributes:
        of: tensor's name -> group of each of its channels, int64 ``[channels]``; -1 for one that must stay.
        count: how many groups there are.
    """

    of: Mapping[str, np.ndarray]
    count: int


class Labels:
    """Groups of channels, joined as the operators ask. Group 0 is that of all that must stay."""

    def __init__(self):
        self.parents = [0]
        self.of: dict[int, np.ndarray] = {}

    def new(self, count: int) -> np.ndarray:
        first = len(self.parents)
        self.parents.extend(range(first, first + count))
        return np.arange(first, first + count)

    def at(self, tensor: Tensor) -> np.ndarray:
        if tensor.index not in self.of:
            self.of[tensor.index] = self.new(tensor.shape[-1] if tensor.shape else 1)
        return self.of[tensor.index]

    def root(self, label: int) -> int:
        while self.parents[label] != label:
            self.parents[label] = self.parents[self.parents[label]]
            label = self.parents[label]
        return label

    def join(self, one: np.ndarray, other: np.ndarray) -> None:
        for a, b in zip(one, other, strict=True):
            low, high = sorted((self.root(int(a)), self.root(int(b))))
            self.parents[high] = low

    def fix(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            if tensor.dtype == "float32" and not tensor.constant:
                self.join(self.at(tensor), np.zeros(len(self.at(tensor)), int))


def channel_groups(graph: Graph, model: schema.ModelT) -> ChannelGroups:
    """Groups of channels that a scale can run through: into the weights behind, out of the weights before."""
    labels, shared = Labels(), shared_weights(graph)
    labels.fix([*graph.inputs, *graph.outputs])
    for operator in graph.operators:
        options = model.subgraphs[0].operators[operator.index].builtinOptions
        relate(labels, operator, options, shared)
    roots = dict.fromkeys((0,), 0)
    found = {}
    for tensor in graph.tensors:
        if tensor.index in labels.of:
            own = [labels.root(int(label)) for label in labels.of[tensor.index]]
            for label in own:
                roots.setdefault(label, len(roots))
            found[tensor.name] = np.array([roots[label] - 1 for label in own])
    return ChannelGroups(found, len(roots) - 1)


def shared_weights(graph: Graph) -> set[int]:
    """Buffers that several convolutions read."""
    buffers = [operator.weights.buffer for operator in graph.convolutions]
    return {buffer for buffer in buffers if buffers.count(buffer) > 1}


def relate(labels: Labels, operator: Operator, options, shared: set[int]) -> None:
    """Join the channels that an operator ties, and fix those through which no scale can run."""
    made, kind = operator.outputs[0], operator.type
    if getattr(options, "fusedActivationFunction", _ACTIVATIONS.NONE) not in HOMOGENEOUS_FUSED:
        labels.fix([made])
    given = [t for t in operator.inputs if t.dtype == "float32" and not t.constant]
    whole = [t for t in given if t.shape[-1:] == made.shape[-1:]]
    if kind in CONVOLUTIONS:
        relate_convolution(labels, operator, shared)
    elif kind in HOMOGENEOUS and len(whole) == len(given) == 1 and keeps_channels(kind, given[0], made):
        labels.join(labels.at(given[0]), labels.at(made))
    elif kind in SUMS and len(given) == 2 and len(whole) == 2 and given[0].shape == given[1].shape:
        for tensor in given:
            labels.join(labels.at(tensor), labels.at(made))
    elif kind == "MUL" and factor(given, labels) is not None and len(whole) == len(given):
        scaled = next(t for t in given if t is not factor(given, labels))
        labels.join(labels.at(scaled), labels.at(made))
    elif kind in ("MUL", "DIV") and len(given) == len(whole) == 1 and operator.inputs[0] is given[0]:
        labels.join(labels.at(given[0]), labels.at(made))
    elif kind == "CONCATENATION" and len(given) == len(operator.inputs):
        relate_concatenation(labels, given, made, options.axis % len(made.shape))
    elif kind == "MEAN" and len(whole) == 1 and len(made.shape) > 1:
        labels.join(labels.at(given[0]), labels.at(made))
    else:
        labels.fix([*given, *operator.outputs])


def keeps_channels(kind: str, given: Tensor, made: Tensor) -> bool:
    return given.shape[-1] == made.shape[-1] and len(given.shape) == len(made.shape)


def factor(given: Sequence[Tensor], labels: Labels) -> Tensor | None:
    """Of two factors the one whose channels all stay: an attention, a gate. The other one is scaled."""
    if len(given) != 2:
        return None
    fixed = [t for t in given if all(labels.root(int(label)) == 0 for label in labels.at(t))]
    return fixed[0] if len(fixed) == 1 else None


def relate_convolution(labels: Labels, operator: Operator, shared: set[int]) -> None:
    image, made = operator.image, operator.outputs[0]
    labels.at(image), labels.at(made)
    flat = operator.type == "FULLY_CONNECTED" and image.shape[-1] != operator.weights.shape[-1]
    if not operator.weights.constant or operator.weights.buffer in shared or flat:
        labels.fix([image, made])


def relate_concatenation(labels: Labels, given: Sequence[Tensor], made: Tensor, axis: int) -> None:
    if axis == len(made.shape) - 1:
        labels.join(np.concatenate([labels.at(tensor) for tensor in given]), labels.at(made))
    else:
        for tensor in given:
            labels.join(labels.at(tensor), labels.at(made))
