"""How far the raw heads of one network are from those of another."""

from collections.abc import Mapping

import tensorflow as tf

LEAST_SPREAD = 1e-6


def output_distance(found: Mapping[str, tf.Tensor], wanted: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Mean squared error of each raw head over the variance of the wanted one; the mean over the heads.

    0 where they are equal, 1 where each head is its own mean.
    """
    return tf.reduce_mean([relative_error(found[name], head) for name, head in wanted.items()])


def relative_error(found: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    wanted = tf.stop_gradient(wanted)
    spread = tf.math.reduce_variance(wanted)
    return tf.reduce_mean(tf.math.squared_difference(found, wanted)) / tf.maximum(spread, LEAST_SPREAD)
