"""Bias correction: each channel's mean output is put back to what it is in float32.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction"
(arXiv:1906.04721), section 4.2, in the form with calibration photos: E[y] - E[ŷ] is added to the bias. One
walk from the input on: a layer reads what the corrected layers before it give, so that no error is corrected
twice.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf

from helpers.quantize.cures.plan import Plan
from helpers.quantize.cures.planned import Meeting, evenly, met

MOST_PHOTOS = 64


def corrected(content: bytes, plan: Plan, photos: Sequence[np.ndarray]) -> Plan:
    """The plan with biases that keep the mean of every rounded convolution.

    Args:
        content: the float32 ``.tflite``.
        photos: core inputs ``[1, H, W, C]``, float32.

    Raises:
        LabError: the network has an operator that is not known here.
    """
    return met(content, plan, evenly(photos, MOST_PHOTOS), with_kept_mean)


def with_kept_mean(meeting: Meeting, plan: Plan) -> Plan:
    """The bias is added before the fused activation, and there the means are compared."""
    gap = meeting.exact - meeting.made(plan)
    missing = tf.reduce_mean(gap, list(range(gap.shape.rank - 1))).numpy()
    return replace(plan, biases={**plan.biases, meeting.name: plan.biases.get(meeting.name, 0) + missing})
