"""What the detector learns: anchors matched with objects, focal loss, smooth L1 on boxes."""

import tensorflow as tf

from helpers.tasks.detection.boxes import CODER_SCALES

POSITIVE_IOU, NEGATIVE_IOU = 0.5, 0.4
FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
BOX_WEIGHT = 1.0


def corners(anchors: tf.Tensor) -> tf.Tensor:
    """(cy, cx, h, w) -> (ymin, xmin, ymax, xmax)."""
    return tf.concat([anchors[..., :2] - anchors[..., 2:] / 2, anchors[..., :2] + anchors[..., 2:] / 2], -1)


def overlaps(boxes: tf.Tensor, anchors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """IoU, and share of the anchor covered, of boxes ``[B, M, 4]`` and anchors ``[N, 4]``: ``[B, N, M]``."""
    box, anchor = boxes[:, None], corners(anchors)[None, :, None]
    sides = tf.minimum(box[..., 2:], anchor[..., 2:]) - tf.maximum(box[..., :2], anchor[..., :2])
    shared = tf.reduce_prod(tf.maximum(sides, 0), -1)
    box_area = tf.reduce_prod(box[..., 2:] - box[..., :2], -1)
    anchor_area = tf.reduce_prod(anchor[..., 2:] - anchor[..., :2], -1)
    return shared / tf.maximum(box_area + anchor_area - shared, 1e-9), shared / anchor_area


def encode(boxes: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """Inverse of ``boxes.decode_boxes``: boxes ``[B, N, 4]``, anchors ``[N, 4]`` -> ``[B, N, 4]``."""
    sides = tf.maximum(boxes[..., 2:] - boxes[..., :2], 1e-6)
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    offsets = (centres - anchors[:, :2]) / anchors[:, 2:]
    return tf.concat([offsets, tf.math.log(sides / anchors[:, 2:])], -1) * tf.constant(CODER_SCALES)


def match(boxes: tf.Tensor, labels: tf.Tensor, anchors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Give every anchor its target.

    Args:
        boxes: ``[B, M, 4]``, padded with zeros.
        labels: int32 ``[B, M]``: 1..classes, 0 for padding, -1 for a crowd region.
        anchors: ``[N, 4]``.

    Returns:
        Class of each anchor, int32 ``[B, N]`` (0 background, -1 ignored), and its object's box.
    """
    iou, covered = overlaps(boxes, anchors)
    iou = tf.where(labels[:, None] > 0, iou, 0.0)
    best_iou, best = tf.reduce_max(iou, -1), tf.argmax(iou, -1, tf.int32)
    # An object's best anchor is positive even below the threshold, or small objects are never learned;
    # of two objects with one best anchor, the first has it.
    top_of_object = tf.reduce_max(iou, 1, keepdims=True)
    forced = (iou >= top_of_object - 1e-6) & (top_of_object > 0.1)
    best = tf.where(tf.reduce_any(forced, -1), tf.argmax(tf.cast(forced, tf.int32), -1, tf.int32), best)
    positive = (best_iou >= POSITIVE_IOU) | tf.reduce_any(forced, -1)
    in_crowd = tf.reduce_max(tf.where(labels[:, None] < 0, covered, 0.0), -1) > 0.5
    ignored = (best_iou >= NEGATIVE_IOU) | in_crowd
    classes = tf.where(positive, tf.gather(labels, best, batch_dims=1), tf.where(ignored, -1, 0))
    return classes, tf.gather(boxes, best, batch_dims=1)


def focal_loss(logits: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """Sum of the sigmoid focal loss (Lin et al. 2017) over anchors that are not ignored."""
    target = tf.one_hot(classes - 1, logits.shape[-1])
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(target, logits)
    score = tf.sigmoid(logits)
    miss = target * (1 - score) + (1 - target) * score
    weight = target * FOCAL_ALPHA + (1 - target) * (1 - FOCAL_ALPHA)
    counted = tf.cast(classes >= 0, tf.float32)[..., None]
    return tf.reduce_sum(counted * weight * miss**FOCAL_GAMMA * cross_entropy)


def smooth_l1(difference: tf.Tensor) -> tf.Tensor:
    size = tf.abs(difference)
    return tf.where(size < 1, 0.5 * size**2, size - 0.5)


def detection_loss(encodings, logits, boxes, labels, anchors) -> tuple[tf.Tensor, tf.Tensor]:
    """Classification and localization loss of a batch, each per positive anchor."""
    classes, targets = match(boxes, labels, anchors)
    positive = tf.cast(classes > 0, tf.float32)
    count = tf.maximum(tf.reduce_sum(positive), 1.0)
    difference = smooth_l1(encodings - encode(targets, anchors))
    localization = tf.reduce_sum(positive[..., None] * difference)
    return focal_loss(logits, classes) / count, BOX_WEIGHT * localization / count
