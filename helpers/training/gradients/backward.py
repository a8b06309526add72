"""Gradients in few bits: a grid, two ways of rounding to it, and a network that trains through it.

What is quantized is the gradient that flows back into each convolution (depthwise ones and those that end
the heads included), at the convolution's output, before it is multiplied. DoReFa-Net (Zhou et al. 2016,
section 2.5) quantizes there: of this one tensor both products of the backward pass are made, the gradient of
the weights and that of the layer's input. Weights, activations, batch norm and the optimizer stay float32, so
what is lost is lost to gradients alone. One scale per tensor and step: its largest absolute value is the
outermost level (DoReFa-Net takes one scale per photo of the batch).

Stochastic rounding (Gupta et al. 2015, section 3; QSGD, Alistarh et al. 2017, which rounds the gradients of
weights so) takes the level below or the one above, with probabilities that make its mean the value itself.
Rounding to nearest makes the same error every time.
"""

from collections.abc import Callable

import tensorflow as tf
import tf_keras as keras

from helpers.training.gradients.forms import FLOAT32, NEAREST, STOCHASTIC, Form

WAYS = (FLOAT32, NEAREST, STOCHASTIC)
LEAST = 1e-30  # steps below this are not normal floats when multiplied: such a tensor counts as zero

Floats = tf.Tensor  # float32, any shape


def outermost(bits: int | tf.Tensor) -> tf.Tensor:
    """Levels are the whole numbers from minus this to this, float32: 127 for 8 bits, 7 for 4, 1 for 2."""
    return tf.cast(2 ** (bits - 1) - 1, tf.float32)


def step_of(values: Floats, bits: int | tf.Tensor) -> Floats:
    """Distance of two levels, a scalar: the largest absolute value is the outermost level."""
    return tf.reduce_max(tf.abs(values)) / outermost(bits)


def to_grid(values: Floats, bits: int | tf.Tensor, uniform: Floats | None = None) -> Floats:
    """Values on the grid of ``bits`` bits, 2 or more.

    Args:
        values: float32, any shape.
        bits: 2 or more.
        uniform: in [0, 1), of the same shape, for stochastic rounding; None for the nearest level.
    """
    step = step_of(values, bits)
    scaled = values / tf.maximum(step, LEAST)
    if uniform is None:
        levels = tf.round(scaled)
    else:
        below = tf.floor(scaled)
        levels = below + tf.cast(uniform < scaled - below, tf.float32)
    # The outermost value may be divided to a hair beyond its level, and be rounded up from there.
    levels = tf.clip_by_value(levels, -outermost(bits), outermost(bits))
    return tf.where(step > LEAST, levels * step, tf.zeros_like(values))


def stochastic(values: Floats, bits: int | tf.Tensor, seed: tf.Tensor | tuple[int, int]) -> Floats:
    """``to_grid`` with the random numbers that follow from an int32 ``[2]`` seed."""
    return to_grid(values, bits, tf.random.stateless_uniform(tf.shape(values), seed))


class Backward:
    """How the backward pass of a network rounds: set between steps, without tracing the network anew."""

    def __init__(self) -> None:
        self.bits = tf.Variable(8, dtype=tf.int32, trainable=False)
        self.way = tf.Variable(0, dtype=tf.int32, trainable=False)
        self.draw = tf.Variable(0, dtype=tf.int32, trainable=False)

    def set_to(self, form: Form, draw: int = 0) -> None:
        """Round as ``form`` does; ``draw`` numbers the random numbers, ``next_draw`` goes on from there."""
        self.bits.assign(form.bits or 8)
        self.way.assign(WAYS.index(form.way))
        self.draw.assign(draw)

    def next_draw(self) -> tf.Operation:
        return self.draw.assign_add(1)

    def rounded(self, gradient: Floats, layer: int) -> Floats:
        """The gradient of layer number ``layer``; every layer and draw has random numbers of its own."""
        ways: list[Callable[[], Floats]] = [
            lambda: tf.identity(gradient),
            lambda: to_grid(gradient, tf.convert_to_tensor(self.bits)),
            lambda: stochastic(gradient, tf.convert_to_tensor(self.bits), tf.stack([self.draw, layer])),
        ]
        return tf.switch_case(tf.convert_to_tensor(self.way), ways)

    def passing(self, layer: int) -> Callable[[Floats], Floats]:
        """The identity; what flows back through it is rounded."""

        @tf.custom_gradient
        def identity(values: Floats) -> tuple[Floats, Callable[[Floats], Floats]]:
            return tf.identity(values), lambda gradient: self.rounded(gradient, layer)

        return identity


def convolutions(network: keras.Model) -> list[keras.layers.Layer]:
    """The layers whose outputs' gradients are rounded, from the image to the heads."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    return [layer for layer in network.layers if isinstance(layer, kinds)]


def round_gradients(network: keras.Model) -> Backward:
    """Let the network's backward pass round, by what is returned: at first not at all.

    Its convolutions have no activation of their own; each gets one that changes nothing but the gradient.
    """
    backward = Backward()
    for number, layer in enumerate(convolutions(network)):
        layer.activation = backward.passing(number)
    return backward
