"""The embedded detector's network, and the numbers that define it.

Layers are ``tf_keras`` layers of the kinds that the TensorFlow Model Optimization Toolkit can
annotate, in a functional model, so that quantization-aware training can be added.
"""

import math

import tf_keras as keras

from helpers.photos.synthetic.shapes import CATEGORIES
from helpers.tasks.detection.boxes import make_anchors

INPUT_SIDE = 192
WIDTH_MULTIPLIER = 0.5
CHANNELS = 96
GRID_SIZES = (24, 12, 6, 3)
ANCHOR_SCALES = (0.085, 0.2, 0.42, 0.7)
ANCHOR_RATIOS = (1.0, 2.0, 0.5)
ANCHORS_PER_CELL = len(ANCHOR_RATIOS) + 1
CLASSES = len(CATEGORIES)
# Feature maps of the backbone at strides 8, 16 and 32.
TAPS = ("block_6_expand_relu", "block_13_expand_relu", "out_relu")
PRIOR_SCORE = 0.01


def anchors():
    """float32 ``[N, 4]`` (cy, cx, h, w), relative."""
    return make_anchors(GRID_SIZES, ANCHOR_SCALES, ANCHOR_RATIOS)


def pointwise(x, channels: int, name: str):
    x = keras.layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_conv")(x)
    return keras.layers.BatchNormalization(name=f"{name}_bn")(x)


def separable(x, channels: int, name: str):
    """Depthwise 3x3 and pointwise convolution, each with batch norm and ReLU6."""
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    x = keras.layers.BatchNormalization(name=f"{name}_depthwise_bn")(x)
    x = keras.layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(pointwise(x, channels, name))


def pyramid(taps: list) -> list:
    """Feature pyramid (Lin et al. 2017) over three maps, and a fourth one of half the last one's side."""
    levels = [pointwise(tap, CHANNELS, f"lateral{i}") for i, tap in enumerate(taps)]
    for i in (1, 0):
        finer = keras.layers.UpSampling2D(2, name=f"up{i}")(levels[i + 1])
        levels[i] = keras.layers.Add(name=f"merge{i}")([levels[i], finer])
    levels = [separable(level, CHANNELS, f"smooth{i}") for i, level in enumerate(levels)]
    return [*levels, coarsest(levels[-1])]


def coarsest(level):
    """The map of half the side: on so few cells a full convolution costs next to nothing."""
    x = keras.layers.Conv2D(CHANNELS, 3, 2, "same", use_bias=False, name="coarsest_conv")(level)
    x = keras.layers.BatchNormalization(name="coarsest_bn")(x)
    return keras.layers.ReLU(6.0, name="coarsest_relu")(x)


def head(levels: list, values: int, name: str, bias: float = 0.0):
    """``values`` numbers per anchor from every level: ``[B, N, values]``."""
    parts = []
    for i, level in enumerate(levels):
        x = separable(level, CHANNELS, f"{name}{i}")
        start = keras.initializers.Constant(bias)
        x = keras.layers.Conv2D(values * ANCHORS_PER_CELL, 1, name=f"{name}{i}_out", bias_initializer=start)(
            x
        )
        parts.append(keras.layers.Reshape((-1, values), name=f"{name}{i}_flat")(x))
    return keras.layers.Concatenate(axis=1, name=name)(parts)


def build_network() -> keras.Model:
    """float32 image ``[B, 192, 192, 3]`` in -1..1 -> box encodings ``[B, N, 4]``, logits ``[B, N, 12]``."""
    shape = (INPUT_SIDE, INPUT_SIDE, 3)
    backbone = keras.applications.MobileNetV2(shape, WIDTH_MULTIPLIER, include_top=False, weights=None)
    levels = pyramid([backbone.get_layer(name).output for name in TAPS])
    # The logit of a small prior keeps the first steps of focal loss stable (Lin et al. 2017, 4.1).
    prior = -math.log((1 - PRIOR_SCORE) / PRIOR_SCORE)
    encodings = head(levels, 4, "box_encodings")
    logits = head(levels, CLASSES, "class_logits", prior)
    return keras.Model(backbone.input, [encodings, logits], name="ssd_mobilenet_v2_synthetic")
