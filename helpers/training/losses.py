"""What the embedded detector in training is held to beside float32's answers: the labels of its photos."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from helpers.models.embedded.architecture import anchors
from helpers.models.embedded.loss import detection_loss

OUTPUTS_PART, CLASSES_PART, BOXES_PART = "outputs", "classes", "boxes"


def label_losses(heads: Mapping[str, tf.Tensor], truth: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
    """Of the embedded detector, as it was trained. ``truth``: boxes ``[B, M, 4]``, labels ``[B, M]``."""
    encodings = next(head for head in heads.values() if head.shape[-1] == 4)
    logits = next(head for head in heads.values() if head.shape[-1] != 4)
    classes, boxes = detection_loss(encodings, logits, *truth, tf.constant(anchors()))
    return {CLASSES_PART: classes, BOXES_PART: boxes}
