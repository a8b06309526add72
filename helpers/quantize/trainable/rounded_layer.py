"""Weights that are rounded to a form's grid in the loop, with gradients that pass the rounding.

The step is learned too (Esser et al. 2020, "Learned Step Size Quantization", arXiv:1902.08153): with
r = w / s and q the nearest code, the gradient of q * s to w is 1 where r lies on the grid and 0 beyond its
ends; that to s is q - r on the grid, and the end's code beyond. The variables are what Adam moves at equal
rates: weights in units of their channel's root mean square, and the logarithms of the steps.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from helpers.quantize.kinds.catalogue import get_kind
from helpers.quantize.kinds.groups import by_channel
from helpers.quantize.kinds.signs import Binary, Ternary
from helpers.quantize.trained.constants import WeightLayer

SIGNS = 0  # the largest code of a grid of -1 and 1 alone
EPSILON = 1.001e-5  # of a variance: the least that TensorFlow's fused normalization takes
SMALLEST = 1e-6  # of a channel's root mean square, in units of its layer's


def largest_code(kind_name: str) -> int:
    """Of a kind of ``quantize.kinds``: 127, 7, 1; ``SIGNS`` for binary weights."""
    kind = get_kind(kind_name)
    if isinstance(kind, Binary):
        return SIGNS
    return 1 if isinstance(kind, Ternary) else kind.top


def nearest(ratios: tf.Tensor, top: int) -> tf.Tensor:
    """The code of each weight over step, as float32; its gradient is 1 on the grid and 0 beyond its ends."""
    if top == SIGNS:
        return ratios + tf.stop_gradient(tf.where(ratios < 0, -1.0, 1.0) - ratios)
    inside = tf.clip_by_value(ratios, -float(top), float(top))
    return inside + tf.stop_gradient(tf.round(inside) - inside)


def first_steps(layer: WeightLayer, kind_name: str) -> np.ndarray:
    """Those that the kind chooses without training, float32 ``[channels]``, above 0."""
    steps = np.asarray(get_kind(kind_name).encode(layer.weights, layer.axis)["scales"], np.float32)
    return np.where(steps > 0, steps, channel_sizes(layer))


def channel_sizes(layer: WeightLayer) -> np.ndarray:
    """Root mean square of each channel, float32 ``[channels]``, above 0."""
    squares = np.square(by_channel(layer.weights, layer.axis), dtype=np.float64).mean(1)
    floor = SMALLEST * (np.sqrt(squares.mean()) or 1.0)
    return np.maximum(np.sqrt(squares), floor).astype(np.float32)


@dataclass(frozen=True, eq=False)
class TrainedLayer:
    """What training leaves of a layer.

    Attributes:
        codes: whole numbers as float32, of the weights' shape.
        steps: float32 ``[channels]``, above 0: a weight is its code times its channel's step.
        biases: float32 ``[channels]``, one for each convolution that reads the layer.
    """

    codes: np.ndarray
    steps: np.ndarray
    biases: tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class LayerStart:
    """What a layer begins with; None: what the float32 file and the kind say.

    Attributes:
        weights: of the layer's shape.
        steps: float32 ``[channels]``.
        biases: as those of ``WeightLayer``.
        outputs: mean and standard deviation ``[channels]`` that the convolution's output is normalized to
            over each batch, to begin with; None: it is not normalized.
        bias_units: what a bias moves by as a weight moves by its channel's root mean square, above 0, one for
            each of ``biases``; None: 1.
    """

    weights: np.ndarray | None = None
    steps: np.ndarray | None = None
    biases: tuple[np.ndarray, ...] | None = None
    outputs: tuple[np.ndarray, np.ndarray] | None = None
    bias_units: tuple[np.ndarray, ...] | None = None


class RoundedLayer(tf.Module):
    """One layer of weights in training.

    Args:
        kind_name: of ``quantize.kinds``: its grid, and its first steps.
    """

    def __init__(self, layer: WeightLayer, kind_name: str, start: LayerStart | None = None):
        super().__init__()
        start = start or LayerStart()
        self.layer, self.kind_name, self.top = layer, kind_name, largest_code(kind_name)
        self.along = tuple(-1 if axis == layer.axis else 1 for axis in range(layer.weights.ndim))
        begun = layer if start.weights is None else dataclasses.replace(layer, weights=start.weights)
        sizes = channel_sizes(begun).reshape(self.along)
        self.sizes = tf.constant(sizes)
        self.latent = tf.Variable(begun.weights / sizes, name="latent")
        self.first = tf.constant(first_steps(begun, kind_name) if start.steps is None else start.steps)
        self.growth = tf.Variable(tf.zeros(layer.channels), name="growth")
        self.normalized = start.outputs is not None
        if self.normalized:
            mean, deviation = start.outputs
            self.shift, self.gain = tf.Variable(mean, name="shift"), tf.Variable(deviation, name="gain")
        else:
            biases = layer.biases if start.biases is None else start.biases
            self.bias_units = [tf.constant(u) for u in start.bias_units or map(np.ones_like, biases)]
            self.bias_offsets = [
                tf.Variable(b / u, name="bias") for b, u in zip(biases, self.bias_units, strict=True)
            ]

    @property
    def biases(self) -> list[tf.Tensor]:
        """float32 ``[channels]`` of each convolution."""
        return [offset * unit for offset, unit in zip(self.bias_offsets, self.bias_units, strict=True)]

    def reached(self) -> LayerStart:
        """Where training has come to: what another form can begin with."""
        weights, steps = (self.latent * self.sizes).numpy(), self.steps().numpy()
        if self.normalized:
            outputs = self.shift.numpy(), self.gain.numpy()
            return LayerStart(weights, steps, outputs=outputs)
        return LayerStart(weights, steps, tuple(bias.numpy() for bias in self.biases))

    def steps(self) -> tf.Tensor:
        """``[channels]``."""
        return self.first * tf.exp(self.growth)

    def codes(self) -> tf.Tensor:
        """Whole numbers as float32, of the weights' shape."""
        return nearest(self.latent * self.sizes / tf.reshape(self.steps(), self.along), self.top)

    def weights(self) -> tf.Tensor:
        return self.codes() * tf.reshape(self.steps(), self.along)

    def finished(self, product: tf.Tensor, place: int, step: tf.Tensor | None) -> tf.Tensor:
        """With its bias: one that an integer kernel adds lies on the grid of its accumulator."""
        if self.normalized:
            return self.normal(product)
        bias = self.biases[place]
        return product + (bias if step is None else on_accumulator(bias, step * self.steps()))

    def normal(self, product: tf.Tensor) -> tf.Tensor:
        """Of the batch's own mean and variance (Ioffe and Szegedy 2015), then ``gain`` and ``shift``."""
        made, *self.moments = tf.compat.v1.nn.fused_batch_norm(
            product, self.gain, self.shift, epsilon=EPSILON, is_training=True
        )
        return made

    def trained(self, moments: tuple[np.ndarray, np.ndarray] | None = None) -> "TrainedLayer":
        """As it is deployed. ``moments``: mean and variance of the product ``[channels]``, where it is
        normalized: they and ``gain`` go into the steps, ``shift`` into the bias."""
        codes, steps = self.codes().numpy(), self.steps().numpy()
        if not self.normalized:
            return TrainedLayer(codes, steps, tuple(bias.numpy() for bias in self.biases))
        mean, variance = moments
        factor = self.gain.numpy() / np.sqrt(variance + EPSILON)
        signs = np.where(factor < 0, -1, 1).astype(np.float32)
        bias = (self.shift.numpy() - mean * factor).astype(np.float32)
        return TrainedLayer(codes * signs.reshape(self.along), steps * np.abs(factor), (bias,))


def on_accumulator(bias: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
    """A bias as int32 holds it in steps ``[channels]``."""
    ends = 2.0**31 - 2**7  # the largest float32 that int32 holds
    levels = tf.clip_by_value(bias / tf.stop_gradient(step), -ends, ends)
    return (levels + tf.stop_gradient(tf.round(levels) - levels)) * tf.stop_gradient(step)
