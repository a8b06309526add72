"""Bias correction: each channel's mean output is put back to what it is in float32.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction"
(arXiv:1906.04721), section 4.2, in the form with calibration photos: E[y] - E[ŷ] is added to the bias. One
walk from the input on: a layer reads what the corrected layers before it give, so that no error is corrected
twice.

Where rounding spoils half of what a layer gives, a mean put back everywhere can do harm: of yolo_fastest_xl
as the quantizer leaves it, it brings the heads nearer to float32's and costs a point of AP, while the
depthwise layers alone, which sum few products, so that their errors do not average out, win nearly as much.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf

from helpers.quantize.cures.plan import Plan
from helpers.quantize.cures.planned import Meeting, evenly, met
from helpers.runtimes.litert.operator_kinds import CONVOLUTIONS

MOST_PHOTOS = 64


def corrected(
    content: bytes, plan: Plan, photos: Sequence[np.ndarray], types: Collection[str] = CONVOLUTIONS
) -> Plan:
    """The plan with biases that keep the mean of every rounded convolution.

    Args:
        content: the float32 ``.tflite``.
        photos: core inputs ``[1, H, W, C]``, float32.
        types: of the operators that are corrected.

    Raises:
        LabError: the network has an operator that is not known here.
    """

    def change(meeting: Meeting, plan: Plan) -> Plan:
        return with_kept_mean(meeting, plan) if meeting.operator.type in types else plan

    return met(content, plan, evenly(photos, MOST_PHOTOS), change)


def with_kept_mean(meeting: Meeting, plan: Plan) -> Plan:
    """The bias is added before the fused activation, and there the means are compared."""
    gap = meeting.exact - meeting.made(plan)
    missing = tf.reduce_mean(gap, list(range(gap.shape.rank - 1))).numpy()
    return replace(plan, biases={**plan.biases, meeting.name: plan.biases.get(meeting.name, 0) + missing})
