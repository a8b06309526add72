"""Which operators a plan makes int8, and the grid of each tensor that they read and give."""

from collections.abc import Mapping

from helpers.quantize.cures.kernels import GIVEN, ONE_GRID, can_be_int8, data_inputs
from helpers.quantize.cures.plan import Plan, Range
from helpers.runtimes.litert.graph import Graph, Operator


def integer_operators(graph: Graph, plan: Plan) -> set[int]:
    """Places of the operators that the plan makes int8: they can be, are not to stay float, and the ranges of
    all that they read and give are known."""
    return {
        operator.index
        for operator in graph.operators
        if can_be_int8(graph, operator)
        and operator.outputs[0].name not in plan.floats
        and all(tensor.constant or tensor.name in plan.ranges for tensor in data_inputs(operator))
        and (operator.type in GIVEN or all(tensor.name in plan.ranges for tensor in operator.outputs))
    }


def settled_ranges(graph: Graph, plan: Plan, whole: set[int]) -> dict[int, Range]:
    """Tensor -> its range in the file: where a kernel copies integers, what it reads and gives has one.

    A concatenation whose inputs are kept apart has the widest of them, and stores each anew. Where a copy's
    input is also given by a kernel whose grid is fixed, that grid is taken.
    """
    ranges = {t.index: plan.ranges[t.name] for t in graph.tensors if t.name in plan.ranges}
    for operator in graph.operators:
        if operator.index in whole and operator.type in GIVEN:
            ranges[operator.outputs[0].index] = GIVEN[operator.type]
    fixed = {op.outputs[0].index for op in graph.operators if op.index in whole and op.type in GIVEN}
    changed = True
    while changed:
        changed = False
        for operator in graph.operators:
            if operator.index in whole and operator.type in ONE_GRID:
                changed |= tie(ranges, fixed, tied_ends(operator, plan))
    for operator in graph.operators:
        if operator.index in whole and operator.outputs[0].name in plan.apart:
            ranges[operator.outputs[0].index] = widest(ranges, operator)
    return ranges


def tied_ends(operator: Operator, plan: Plan) -> list[int]:
    """Numbers of the tensors that must have one grid."""
    if operator.outputs[0].name in plan.apart:
        return []
    return [t.index for t in (*data_inputs(operator), *operator.outputs) if not t.constant]


def widest(ranges: Mapping[int, Range], operator: Operator) -> Range:
    found = [ranges[tensor.index] for tensor in data_inputs(operator) if not tensor.constant]
    return Range(min(r.low for r in found), max(r.high for r in found))


def tie(ranges: dict[int, Range], fixed: set[int], ends: list[int]) -> bool:
    """Give all ``ends`` one range; whether anything changed."""
    if len({ranges[end] for end in ends}) < 2:
        return False
    given = [end for end in ends if end in fixed]
    joined = ranges[given[0]] if given else ranges[ends[0]]
    for end in () if given else ends[1:]:
        joined = joined.joined(ranges[end])
    before = [ranges[end] for end in ends]
    for end in ends:
        if end not in fixed:
            ranges[end] = joined
    return before != [ranges[end] for end in ends]
