"""What a network in training is held to: the labels of its photos, and what the float32 network answers."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from helpers.models.embedded.architecture import anchors
from helpers.models.embedded.loss import detection_loss

OUTPUTS_PART, CLASSES_PART, BOXES_PART = "outputs", "classes", "boxes"
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


def label_losses(heads: Mapping[str, tf.Tensor], truth: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
    """Of the embedded detector, as it was trained. ``truth``: boxes ``[B, M, 4]``, labels ``[B, M]``."""
    encodings = next(head for head in heads.values() if head.shape[-1] == 4)
    logits = next(head for head in heads.values() if head.shape[-1] != 4)
    classes, boxes = detection_loss(encodings, logits, *truth, tf.constant(anchors()))
    return {CLASSES_PART: classes, BOXES_PART: boxes}
