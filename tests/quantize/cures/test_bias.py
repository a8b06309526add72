"""Bias correction."""

import numpy as np
import pytest

from helpers.quantize.cures.bias import corrected
from helpers.quantize.cures.plan import Plan
from helpers.quantize.cures.planned import met
from helpers.quantize.cures.writing import integer_content
from tests.support.planned_networks import (
    error,
    graph_in,
    min_max_plan,
    photos,
    rounded_down,
    with_planned_weights,
    with_weights,
)
from tests.support.training_networks import network_bytes

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
HELD = photos(8, seed=77)


def mean_gaps(content, plan, given):
    """Largest mean error of a channel, in its layer's standard deviation, of each convolution."""
    found = []

    def look(meeting, plan):
        gap = np.asarray(meeting.exact - meeting.made(plan)).reshape(-1, meeting.exact.shape[-1])
        found.append(np.abs(gap.mean(0)).max() / np.asarray(meeting.exact).std())
        return plan

    met(content, plan, given, look)
    return found


@pytest.mark.parametrize("case", ["detector", "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])
def test_means_are_put_back(case):
    content, seen = network_bytes(case), photos()
    plan = rounded_down(content, min_max_plan(content, seen))
    assert max(mean_gaps(content, plan, seen)) > 0.003
    assert max(mean_gaps(content, corrected(content, plan, seen), seen)) < 1e-5


@pytest.mark.parametrize("bits", [8, 4])
def test_a_biased_rounding_is_cured_in_the_file(bits):
    content, seen = network_bytes(), photos()
    if bits == 8:
        plan, written = min_max_plan(content, seen), integer_content
    else:
        plan, written = Plan({}, weight_bits=4), with_planned_weights
    plan = rounded_down(content, plan)
    before = error(written(content, plan), content, HELD)
    assert error(written(content, corrected(content, plan, seen)), content, HELD) < 0.8 * before


def test_a_network_without_the_fault_gets_no_worse():
    content, seen = network_bytes(), photos()
    plan = min_max_plan(content, seen)
    before = error(integer_content(content, plan), content, HELD)
    assert error(integer_content(content, corrected(content, plan, seen)), content, HELD) < 1.1 * before


def test_channels_of_zeros_stay_finite():
    def first_gone(values):
        values[:1] = 0
        return values

    content, seen = with_weights(network_bytes(), first_gone), photos()
    plan = corrected(content, min_max_plan(content, seen), seen)
    assert all(np.isfinite(bias).all() for bias in plan.biases.values())


def test_one_type_of_operators_is_corrected_by_itself():
    content, seen = network_bytes(), photos()
    plan = rounded_down(content, min_max_plan(content, seen))
    graph = graph_in(content)
    depthwise = {op.outputs[0].name for op in graph.convolutions if op.type == "DEPTHWISE_CONV_2D"}
    made = corrected(content, plan, seen, ("DEPTHWISE_CONV_2D",))
    assert set(made.biases) == depthwise != {op.outputs[0].name for op in graph.convolutions}
    before = error(integer_content(content, plan), content, HELD)
    assert error(integer_content(content, made), content, HELD) < before


def test_operators_that_stay_float_keep_their_bias():
    content, seen = network_bytes(), photos(8)
    whole = corrected(content, min_max_plan(content, seen), seen)
    name = next(iter(whole.biases))
    plan = min_max_plan(content, seen)
    kept = Plan(plan.ranges, floats=frozenset({name}))
    assert name not in corrected(content, kept, seen).biases
