"""Which tensor of a variant's file holds what a layer of the float32 file gives."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from helpers.runtimes.kinds_of_operators import CASTS
from helpers.runtimes.litert.graph import Graph, Operator, Tensor


@dataclass(frozen=True)
class Layer:
    """One output of an operator that both files have.

    Attributes:
        place: the operator's place among the operators of the float32 file that are no casts, from 0.
        operator, output: in the float32 file.
        same: the operator in the variant's file.
        made: its output there; ``read``: the same after casts, as the next layer reads it.
    """

    place: int
    operator: Operator
    output: Tensor
    same: Operator
    made: Tensor
    read: Tensor


@dataclass(frozen=True)
class Wiring:
    """The layers of a file, and the casts between them."""

    graph: Graph

    @cached_property
    def entry(self) -> Tensor:
        """The tensor that takes the image."""
        tensors = (tensor for op in self.graph.operators for tensor in op.inputs)
        return next(t for t in tensors if not t.constant and t.index not in self.graph.makers)

    @cached_property
    def layers(self) -> list[Operator]:
        """The operators that are no casts, in order of execution."""
        return [op for op in self.graph.operators if op.kind != CASTS]

    def moving(self, operator: Operator) -> list[Tensor]:
        """Inputs that depend on the photo."""
        return [tensor for tensor in operator.inputs if not self.graph.is_fixed(tensor)]

    def chain(self, tensor: Tensor) -> list[Tensor]:
        """The tensors from where a layer (or the file's input) gives the numbers to ``tensor``, by casts."""
        maker = self.graph.makers.get(tensor.index)
        if maker is None or maker.kind != CASTS:
            return [tensor]
        return [*self.chain(maker.inputs[0]), tensor]

    def as_read(self, tensor: Tensor) -> Tensor:
        """``tensor`` after the rounding between it and its only reader; itself where there are several."""
        readers = self.graph.users[tensor.index]
        if len(readers) != 1 or readers[0].type != "QUANTIZE":
            return tensor
        return self.as_read(readers[0].outputs[0])


def unambiguous(tensors: Iterable[Tensor]) -> dict[str, Tensor]:
    """Tensors by name, without names that several have."""
    tensors = list(tensors)
    counts = Counter(tensor.name for tensor in tensors)
    return {tensor.name: tensor for tensor in tensors if counts[tensor.name] == 1}


def match(base: Wiring, variant: Wiring) -> list[Layer]:
    """The layers that both files have, by the names of their outputs, in the float32 file's order."""
    made = unambiguous(tensor for op in variant.layers for tensor in op.outputs)
    wanted = unambiguous(tensor for op in base.layers for tensor in op.outputs)
    found = []
    for place, operator in enumerate(base.layers):
        for output in operator.outputs:
            same = made.get(output.name)
            if same is not None and wanted.get(output.name) is output:
                maker, read = variant.graph.makers[same.index], variant.as_read(same)
                found.append(Layer(place, operator, output, maker, same, read))
    return found
