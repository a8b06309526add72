"""The box of 08: a few weights, what a network in training computes with, and the gradients that they get."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from helpers.quantize.trainable.rounded_layer import nearest

BITS, SHOWN = 4, 5
LEAST = 1e-30  # the largest weight of a channel that has any
BEYOND = 1.2  # of the largest weight: one that training has moved over the end of the grid


@dataclass(frozen=True, eq=False)
class FewWeights:
    """Weights of one channel, float32 ``[6]``, the last one beyond the grid.

    Attributes:
        step: of the channel: its largest weight is the largest code.
        top: the largest code.
        target: what each would be if the loss, the sum of ``(rounded - target)^2``, were 0.
    """

    weights: np.ndarray
    step: float
    target: float
    top: int = 2 ** (BITS - 1) - 1


def pick(channel: np.ndarray) -> FewWeights:
    """Weights of a channel, from its smallest to near its largest, and one beyond."""
    largest = float(np.abs(channel).max())
    largest = largest if largest > LEAST else 1.0
    inside = np.sort(channel[np.abs(channel) < largest])
    places = np.linspace(0, len(inside) - 1, SHOWN).astype(int)
    shown = np.append(inside[places], BEYOND * largest) if len(inside) else np.array([BEYOND * largest])
    return FewWeights(shown.astype(np.float32), largest / (2 ** (BITS - 1) - 1), largest / 2)


def by_tensorflow(few: FewWeights) -> tuple[np.ndarray, np.ndarray]:
    """Rounded weights, and the gradient of the loss to the weights, as training with a form makes them."""
    weights = tf.Variable(few.weights)
    with tf.GradientTape() as tape:
        rounded = nearest(weights / few.step, few.top) * few.step
        loss = tf.reduce_sum((rounded - few.target) ** 2)
    return rounded.numpy(), tape.gradient(loss, weights).numpy()
