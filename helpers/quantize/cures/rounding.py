"""Weights' codes and steps learnt layer by layer, so that each layer's output is float32's (``quadratic``).

The objective of Nagel et al. 2020 (AdaRound, arXiv:2004.10568), and its sequential form (as in Frantar and
Alistarh 2022, arXiv:2208.11580): a layer makes good what the layers before it did. The steps are chosen by
the same error: the weights' optimal clipping.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from helpers.quantize.cures.bias import with_kept_mean
from helpers.quantize.cures.plan import Plan
from helpers.quantize.cures.planned import Meeting, evenly, met
from helpers.quantize.cures.quadratic import learned, quadratic
from helpers.quantize.cures.samples import LEARNED, samples_of
from helpers.quantize.cures.writing import weight_steps
from helpers.quantize.kinds.groups import by_channel, from_channels
from helpers.runtimes.litert.graph import Graph

MOST_PHOTOS = 48
# Of one channel, that are learnt together: their second moments take the square of it, and the time, too.
MOST_WEIGHTS = 4608
# Of the steps that cover all weights, by bits: the coarser the grid, the more it gains by clipping.
LEAST_FACTOR = {8: 0.8, 7: 0.75, 6: 0.7, 5: 0.6, 4: 0.45, 3: 0.35, 2: 0.3}
FACTORS = 8


def rounded(
    content: bytes,
    plan: Plan,
    photos: Sequence[np.ndarray],
    sequential: bool = True,
    biases: bool = False,
) -> Plan:
    """The plan with codes and steps of every rounded convolution.

    Weights that several convolutions read, those of transposed ones, and those of layers with more than
    ``MOST_WEIGHTS`` a channel stay as the plan has them.

    Args:
        content: the float32 ``.tflite``.
        photos: core inputs ``[1, H, W, C]``, float32.
        sequential: a layer reads what the rounded layers before it give; else what float32's give.
        biases: means are left to the bias, which is corrected on the way; else the weights answer for them.

    Raises:
        LabError: the network has an operator that is not known here.
    """
    change = partial(with_learned, sequential=sequential, biases=biases)
    return met(content, plan, evenly(photos, MOST_PHOTOS), change)


def with_learned(meeting: Meeting, plan: Plan, sequential: bool, biases: bool) -> Plan:
    if can_be_learnt(meeting):
        plan = with_codes(meeting, plan, sequential, biases)
    return with_kept_mean(meeting, plan) if biases else plan


def can_be_learnt(meeting: Meeting) -> bool:
    if meeting.operator.type not in LEARNED or readers(meeting.network.graph, meeting) > 1:
        return False
    return meeting.weights.size // meeting.weights.shape[meeting.axis] <= MOST_WEIGHTS


def meeting_bias(meeting: Meeting, groups: int) -> np.ndarray:
    """float32 ``[groups, 1, rows]``."""
    return meeting.bias.reshape(groups, 1, -1)


def readers(graph: Graph, meeting: Meeting) -> int:
    """How many convolutions have these weights."""
    return sum(one.weights.buffer == meeting.operator.weights.buffer for one in graph.convolutions)


def with_codes(meeting: Meeting, plan: Plan, sequential: bool, biases: bool) -> Plan:
    name, axis = meeting.operator.weights.name, meeting.axis
    found, top = samples_of(meeting, sequential), 2 ** (plan.weight_bits - 1) - 1
    groups = len(found.inputs)
    rows = by_channel(meeting.weights, axis).reshape(groups, -1, found.inputs.shape[-1])
    # From the grid that covers all weights, whatever the plan's own.
    steps = weight_steps(meeting.weights, axis, Plan({}, weight_bits=plan.weight_bits), name)
    factors = np.linspace(LEAST_FACTOR[plan.weight_bits], 1, FACTORS)
    wanted = found.wanted - meeting_bias(meeting, groups)
    form = quadratic(rows, found.inputs, wanted, centred=biases)
    codes, steps = learned(form, steps.reshape(groups, -1), top, factors)
    whole = from_channels(codes.reshape(meeting.weights.shape[axis], -1), meeting.weights.shape, axis)
    return replace(
        plan,
        codes={**plan.codes, name: whole.astype(np.int8)},
        steps={**plan.steps, name: np.float32(steps).reshape(-1)},
    )
