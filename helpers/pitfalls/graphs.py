"""The embedded network as TensorFlow has it: ends that are wrong on purpose, and the original's answers."""

import functools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from helpers.lab.files import write_bytes
from helpers.lab.quietly import stderr_muted
from helpers.models.embedded.architecture import INPUT_SIDE, anchors
from helpers.models.embedded.export import Detector, decode
from helpers.models.embedded.weights import load_network
from helpers.tasks.detection.tails.selection import Detections

SIDE_PX = 640  # boxes are given in pixels of a square of this side, as many exported detectors do
JOINED, BOXES, SCORES = "boxes_and_scores", "boxes", "scores"
CORE_SPEC = tf.TensorSpec([1, INPUT_SIDE, INPUT_SIDE, 3], tf.float32, name="image")


class EmbeddedCore(tf.Module):
    """The embedded network with three ends: raw heads, and decoded ones, apart and joined.

    Boxes ``[1, N, 4]`` are (ymin, xmin, ymax, xmax), 0..640; scores ``[1, N, classes]`` are 0..1.
    """

    def __init__(self, network: keras.Model):
        super().__init__()
        self.network = network

    def decoded(self, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        encodings, logits = self.network(image, training=False)
        return SIDE_PX * decode(encodings, tf.constant(anchors())), tf.sigmoid(logits)

    @tf.function(input_signature=[CORE_SPEC], autograph=False)
    def raw(self, image):
        encodings, logits = self.network(image, training=False)
        return {"box_encodings": encodings, "class_logits": logits}

    @tf.function(input_signature=[CORE_SPEC], autograph=False)
    def separate(self, image):
        boxes, scores = self.decoded(image)
        return {BOXES: boxes, SCORES: scores}

    @tf.function(input_signature=[CORE_SPEC], autograph=False)
    def joined(self, image):
        return {JOINED: tf.concat(self.decoded(image), -1)}


@functools.cache
def embedded(weights: Path) -> EmbeddedCore:
    """The embedded network, built once: that takes seconds."""
    return EmbeddedCore(load_network(weights))


def write_decoding_cores(weights: Path, joined: Path, separate: Path) -> None:
    """Two float32 ``.tflite`` files that compute the same: one output tensor, and two."""
    core = embedded(weights)
    for path, function in ((joined, core.joined), (separate, core.separate)):
        write_bytes(path, converted(converter_of(function)))


def write_default_optimized(weights: Path, path: Path) -> None:
    """The core by ``Optimize.DEFAULT`` without data, as tutorials have it."""
    converter = converter_of(embedded(weights).raw)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    write_bytes(path, converted(converter))


def converted(converter: tf.lite.TFLiteConverter) -> bytes:
    with stderr_muted():
        return converter.convert()


def converter_of(function: tf.types.experimental.PolymorphicFunction) -> tf.lite.TFLiteConverter:
    """Of the function with its variables made constants: twenty times as fast as with variables."""
    whole = function.get_concrete_function()
    with stderr_muted():
        constant, module = convert_variables_to_constants_v2(whole), tf.Module()
    names = sorted(whole.structured_outputs)

    @tf.function(input_signature=[CORE_SPEC], autograph=False)
    def answer(image):
        return dict(zip(names, tf.nest.flatten(constant(image)), strict=True))

    module.answer = answer
    return tf.lite.TFLiteConverter.from_concrete_functions([answer.get_concrete_function()], module)


def original_answers(weights: Path, photos: Iterable[np.ndarray]) -> list[Detections]:
    """The whole detector, preprocessing and suppression included, on RGB uint8 photos ``[H, W, 3]``."""
    detector = Detector(embedded(weights).network)
    return [as_detections(detector(tf.constant(photo[None]))) for photo in photos]


def as_detections(answer: dict[str, tf.Tensor]) -> Detections:
    count = int(answer["num_detections"][0])
    boxes, scores, classes = (
        answer[f"detection_{name}"][0].numpy()[:count] for name in ("boxes", "scores", "classes")
    )
    return Detections(boxes, scores, classes.astype(np.int32))
