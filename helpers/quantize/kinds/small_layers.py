"""Layers so small that a codebook would weigh more than it saves: they take 8 bits a weight."""

import dataclasses

import numpy as np

from helpers.quantize.kinds.coding import Coded, Part
from helpers.quantize.kinds.groups import CHANNEL
from helpers.quantize.kinds.uniform import MIN_MAX, Uniform

EIGHT_BITS = Uniform(8, CHANNEL, MIN_MAX)


def in_eight_bits(weights: np.ndarray, channel_axis: int) -> Coded:
    """As LiteRT's int8: one scale per channel."""
    return told(EIGHT_BITS.encode(weights, channel_axis), 0)


def told(coded: Coded, form: int) -> Coded:
    """With a byte more, from which a decoder learns how this layer is coded."""
    choice = Part("form", np.array([form], np.uint8), 8)
    return dataclasses.replace(coded, parts=(choice, *coded.parts))
