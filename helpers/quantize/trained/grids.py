"""The tensors that an int8 file rounds between its layers, and which of them have one grid."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from helpers.runtimes.litert.graph import Graph, Operator, Tensor

INT8 = "int8"
# Their int8 kernels copy or compare stored integers: what they read and what they give has one grid.
COPIES = (
    "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CONCATENATION", "MAX_POOL_2D", "RESIZE_NEAREST_NEIGHBOR", "PAD",
    "PADV2", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT", "PACK", "UNPACK", "GATHER",
)  # fmt: skip
ONE_GRID = (*COPIES, "AVERAGE_POOL_2D", "RESIZE_BILINEAR")
# LiteRT's kernels take one grid for their output alone: 0..1 or -1..1.
GIVEN = ("LOGISTIC", "SOFTMAX", "TANH")


@dataclass(frozen=True)
class ActivationGrid:
    """One grid of a file.

    Attributes:
        tensors: numbers of the tensors that have it.
        copies: those of them that need no rounding, since they are copies of others.
        fixed: whether a kernel takes no other.
    """

    tensors: tuple[int, ...]
    copies: tuple[int, ...]
    scale: float
    zero_point: int
    fixed: bool


def has_grid(tensor: Tensor) -> bool:
    return tensor.dtype == INT8 and not tensor.constant and tensor.grid is not None


def activation_grids(graph: Graph) -> tuple[ActivationGrid, ...]:
    """Grids in the order of their first tensors; tensors that must have one are in one, if they have it."""
    tied = Ties(tensor.index for tensor in graph.tensors if has_grid(tensor))
    copies, fixed = set(), set()
    for operator in graph.operators:
        ends = [tensor for tensor in tied_ends(operator) if has_grid(tensor)]
        for other in ends[1:]:
            if (other.scales, other.zero_points) == (ends[0].scales, ends[0].zero_points):
                tied.join(ends[0].index, other.index)
        if operator.type in COPIES:
            made = [t.index for t in operator.outputs if has_grid(t)]
            copies |= {index for index in made if all(tied.same(index, end.index) for end in ends)}
        fixed |= {t.index for t in operator.outputs if operator.type in GIVEN and has_grid(t)}
    return tuple(grid_of_group(graph, group, copies, fixed) for group in tied.groups())


def tied_ends(operator: Operator) -> tuple[Tensor, ...]:
    return (*operator.inputs, *operator.outputs) if operator.type in ONE_GRID else ()


def grid_of_group(graph: Graph, group: list[int], copies: set[int], fixed: set[int]) -> ActivationGrid:
    grid = graph.tensors[group[0]].grid
    kept = tuple(index for index in group if index in copies)
    scale = float(np.float32(grid.scale))
    return ActivationGrid(tuple(group), kept, scale, grid.zero_point, bool(fixed & set(group)))


class Ties:
    """Numbers in groups, which can be joined."""

    def __init__(self, numbers: Iterable[int]):
        self._group = {number: [number] for number in numbers}

    def join(self, one: int, other: int) -> None:
        kept, gone = self._group[one], self._group[other]
        if kept is not gone:
            kept += gone
            self._group |= dict.fromkeys(gone, kept)

    def same(self, one: int, other: int) -> bool:
        return self._group[one] is self._group[other]

    def groups(self) -> list[list[int]]:
        distinct = {id(group): sorted(group) for group in self._group.values()}
        return sorted(distinct.values())
