"""The walk of a rounded network against LiteRT's integer kernels."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from helpers.quantize.cures.planned import PlannedActivations, evenly, last_readers, meeting_at, met
from helpers.quantize.cures.writing import integer_content
from helpers.quantize.trainable.network import Network
from helpers.quantize.trainable.operators import activated
from helpers.runtimes.litert.kept_tensors import Running
from tests.support.planned_networks import graph_in, min_max_plan, photos
from tests.support.training_networks import CASES, network_bytes

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
# Without an integer kernel, or without anything that is rounded.
FLOAT_CASES = ("HARD_SWISH",)


def layer_gaps(case: str, fused: bool) -> dict[str, float]:
    """Operator's output -> largest difference in levels, where each reads what LiteRT's file has."""
    content = network_bytes(case)
    plan = min_max_plan(content, photos())
    written = integer_content(content, plan)
    running, tensors = Running(written), {}
    running.set(running.inputs[0], photos(1, seed=9)[0])
    running.invoke()
    for tensor in graph_in(written).tensors:
        tensors.setdefault(tensor.name, tensor)
    activations = PlannedActivations(graph_in(content), plan, fused)
    exact, rounded = Network(content, (), ()), Network(content, (), (), activations)
    gaps = {}
    for operator in (op for op in exact.graph.operators if op.index in activations.whole):
        given = {
            t.index: tf.constant(running.values(tensors[t.name].index))
            for t in operator.inputs
            if not t.constant
        }
        made, output = exact.product(operator, given, ()), operator.outputs[0]
        if operator.weights is not None:
            made = meeting_at(exact, rounded, operator, given, given, made).made(plan)
        else:
            made = rounded.product(operator, given, ())
        value = activations.rounded(output, activated(made, exact.options(operator)))
        there = tensors[output.name]
        gap = np.abs(np.asarray(value) - running.values(there.index)) / there.grid.scale
        gaps[output.name] = float(gap.max())
    return gaps


@pytest.mark.parametrize("case", ["detector", *(case for case in CASES if case not in FLOAT_CASES)])
def test_each_layer_is_that_of_the_int8_file_within_a_level(case):
    gaps = layer_gaps(case, fused=False)
    assert max(gaps.values(), default=0) < 1.01, gaps


def test_the_fused_rounding_is_the_same_within_a_level():
    assert max(layer_gaps("detector", fused=True).values()) < 1.01


def test_ranges_stay_as_they_are_until_they_are_moved():
    content = network_bytes()
    plan, graph = min_max_plan(content, photos()), graph_in(content)
    activations = PlannedActivations(graph, plan)
    assert activations.trained(graph) == dict(plan.ranges)
    activations.growth.assign_add(np.full(len(activations.grids), np.log(2), np.float32))
    moved = activations.trained(graph)
    for tensor, grid in activations.ranges.items():
        assert moved[graph.tensors[tensor].name].high == pytest.approx(2 * grid.high, rel=1e-6)
    again = PlannedActivations(graph, replace(plan, ranges=moved))
    assert {n: r.zero_point for n, r in again.ranges.items()} == {
        n: r.zero_point for n, r in activations.ranges.items()
    }


def test_a_walk_meets_every_convolution_once_in_order():
    content, seen = network_bytes(), []
    plan = min_max_plan(content, photos(4))

    def look(meeting, plan):
        seen.append(meeting.operator.index)
        return plan

    assert met(content, plan, photos(2), look) == plan
    assert seen == [operator.index for operator in graph_in(content).convolutions]


def test_values_are_dropped_after_their_last_reader():
    graph = graph_in(network_bytes())
    dropped = [tensor for tensors in last_readers(graph).values() for tensor in tensors]
    assert len(dropped) == len(set(dropped))
    assert not {tensor.index for tensor in graph.outputs} & set(dropped)


def test_photos_are_taken_from_all_over():
    assert [int(x) for x in evenly(range(100), 3)] == [0, 50, 99]
    assert evenly([1, 2], 64) == [1, 2]
