"""The embedded detector as a SavedModel with the TensorFlow Object Detection API's signature."""

import functools
from pathlib import Path

import tensorflow as tf
import tf_keras as keras

from helpers.lab.files import atomic_folder
from helpers.models.embedded.architecture import INPUT_SIDE, anchors
from helpers.models.embedded.weights import load_network
from helpers.tasks.detection.boxes import CODER_SCALES

IMAGE_SPEC = tf.TensorSpec([1, None, None, 3], tf.uint8, name="input_tensor")
NMS_IOU, SCORE_THRESHOLD, MOST_DETECTIONS = 0.6, 1e-3, 100


class Detector(tf.Module):
    """Called with a uint8 image ``[1, H, W, 3]`` of any size; answers as the Object Detection API does."""

    def __init__(self, network: keras.Model):
        super().__init__()
        # Its weights alone are saved: saving a Keras model traces every layer by itself, to no use here.
        self.weights = network.weights
        self._heads = functools.partial(network, training=False)
        self._anchors = tf.constant(anchors())

    @tf.function(input_signature=[IMAGE_SPEC], autograph=False)
    def __call__(self, input_tensor):
        image = tf.image.resize(tf.cast(input_tensor, tf.float32), (INPUT_SIDE, INPUT_SIDE))
        encodings, logits = self._heads(image / 127.5 - 1)
        boxes, scores = decode(encodings, self._anchors), tf.sigmoid(logits)
        kept = tf.image.combined_non_max_suppression(
            boxes[:, :, None], scores, MOST_DETECTIONS, MOST_DETECTIONS, NMS_IOU, SCORE_THRESHOLD
        )
        return {
            "detection_boxes": kept.nmsed_boxes,
            "detection_scores": kept.nmsed_scores,
            "detection_classes": kept.nmsed_classes + 1,
            "num_detections": tf.cast(kept.valid_detections, tf.float32),
            "raw_detection_boxes": boxes,
            "raw_detection_scores": scores,
        }


def decode(encodings: tf.Tensor, anchors_: tf.Tensor) -> tf.Tensor:
    """``boxes.decode_boxes`` in TensorFlow: ``[1, N, 4]``."""
    scaled = encodings / tf.constant(CODER_SCALES)
    centres = scaled[..., :2] * anchors_[:, 2:] + anchors_[:, :2]
    halves = tf.exp(scaled[..., 2:]) * anchors_[:, 2:] / 2
    return tf.concat([centres - halves, centres + halves], -1)


def export_detector(weights: Path, folder: Path) -> Path:
    """Write the SavedModel to ``folder``; return it."""
    module = Detector(load_network(weights))
    with atomic_folder(folder) as temporary:
        tf.saved_model.save(module, str(temporary), signatures={"serving_default": module.__call__})
    return folder
