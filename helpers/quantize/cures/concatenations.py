"""Concatenations of tensors of different sizes: one grid for all of them leaves the small ones no levels."""

from helpers.quantize.cures.kernels import data_inputs
from helpers.quantize.cures.plan import Plan, Range
from helpers.runtimes.litert.graph import Graph, Operator

LEAST_RATIO = 1.5  # of ranges that make a difference


def uneven(graph: Graph, plan: Plan) -> list[Operator]:
    """Concatenations of which one input's range is much wider than another's, the most uneven first."""
    found = {}
    for operator in graph.operators:
        ranges = [plan.ranges[t.name] for t in data_inputs(operator) if t.name in plan.ranges]
        if operator.type == "CONCATENATION" and len(ranges) > 1:
            found[operator.index] = unevenness(ranges)
    order = sorted(found, key=lambda index: -found[index])
    return [graph.operators[index] for index in order if found[index] > LEAST_RATIO]


def unevenness(ranges: list[Range]) -> float:
    """The widest over the narrowest."""
    widths = [each.high - each.low for each in ranges if each.high > each.low]
    return max(widths) / min(widths) if widths else 1.0
