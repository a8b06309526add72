"""Mixed precision: which operators gain most for the time that float costs there."""

from collections.abc import Callable, Mapping, Sequence

from helpers.quantize.cures.kernels import COPIES
from helpers.runtimes.litert.graph import Graph, Operator

# Of one core: how fast float32 multiplies beyond what 8 bits would take, and a change of dtype moves bytes.
# They rank operators; what a set of them takes is measured.
MACS_PER_MS, BYTES_PER_MS = 2e7, 4e6
READERS = frozenset({"LEAKY_RELU", "RELU", "RELU6", "PRELU", "HARD_SWISH", "LOGISTIC", "MUL"})


def units(graph: Graph, whole: set[int]) -> list[tuple[Operator, ...]]:
    """What is kept float together: an operator of 8 bits that computes, and the activations behind."""
    found = []
    for operator in graph.operators:
        if operator.index in whole and operator.type not in COPIES and operator.type not in READERS:
            found.append((operator, *activations_behind(graph, whole, operator)))
    return found


def activations_behind(graph: Graph, whole: set[int], operator: Operator) -> list[Operator]:
    """Those that alone read what it gives: a leaky ReLU; both operators of a SiLU."""
    users = [user for user in graph.users[operator.outputs[0].index] if user.index in whole]
    if not users or any(user.type not in READERS for user in users):
        return []
    further = [behind for user in users for behind in activations_behind(graph, whole, user)]
    return list({each.index: each for each in (*users, *further)}.values())


def gives_outputs(graph: Graph, unit: Sequence[Operator]) -> bool:
    """Whether outputs of the graph are reached from it through copies alone."""
    ends, waiting = {tensor.index for tensor in graph.outputs}, list(unit[-1].outputs)
    while waiting:
        tensor = waiting.pop()
        users = graph.users[tensor.index]
        if tensor.index in ends:
            return True
        if any(user.type not in COPIES for user in users):
            return False
        waiting += [made for user in users for made in user.outputs]
    return False


def names_of(unit: Sequence[Operator]) -> frozenset[str]:
    return frozenset(operator.outputs[0].name for operator in unit)


def sensitivities(
    found: Sequence[tuple[Operator, ...]], distance: Callable[[frozenset[str]], float], before: float
) -> dict[int, float]:
    """Place of a unit -> by how much the heads come nearer to float32's where it alone is float."""
    return {place: before - distance(names_of(unit)) for place, unit in enumerate(found)}


def by_worth(gains: Mapping[int, float], costs: Mapping[int, float]) -> list[int]:
    """Units that help, most gain per millisecond first."""
    helpful = [place for place, gain in gains.items() if gain > 0]
    return sorted(helpful, key=lambda place: -gains[place] / max(costs[place], 1e-6))


def costs_ms(found: Sequence[tuple[Operator, ...]]) -> dict[int, float]:
    """Place of a unit -> about how much longer an inference takes where it alone is float32."""
    costs = {}
    for place, unit in enumerate(found):
        ends = [*unit[0].inputs, *unit[-1].outputs]
        moved = sum(5 * tensor.elements for tensor in ends if not tensor.constant)
        costs[place] = sum(operator.macs for operator in unit) / MACS_PER_MS + moved / BYTES_PER_MS
    return costs
