"""From ``.cfg`` and ``.weights`` to a core's float32 ``.tflite``, and what goes before and after it."""

import dataclasses
from pathlib import Path

import tensorflow as tf
import tf_keras as keras

from helpers.lab.errors import LabError
from helpers.lab.files import write_bytes
from helpers.lab.quietly import stderr_muted
from helpers.models.darknet.architecture import read_architecture
from helpers.models.darknet.layers import Architecture
from helpers.models.darknet.network import INPUT_NAME, build_network
from helpers.models.darknet.weights import read_weights
from helpers.models.interface import Interface
from helpers.photos.preprocessing import Preprocessing
from helpers.tasks.detection.tails.selection import Limits
from helpers.tasks.detection.tails.yolo import YoloTail

BYTE = 1 / 255
GREY = 127.5  # Darknet fills with 0.5 of 0..1


def convert(cfg: Path, weights: Path, output: Path, limits: Limits) -> Interface:
    """Write the core as float32 ``.tflite``, batch norm folded; return what goes before and after it.

    Raises:
        LabError: the files are absent, damaged, do not belong together, or hold what is not built here.
    """
    architecture = read_architecture(cfg)
    core = to_tflite(build_network(architecture, read_weights(weights, architecture)))
    write_bytes(output, core)
    return Interface(preprocessing(architecture), tail(architecture, limits))


def preprocessing(architecture: Architecture) -> Preprocessing:
    """Stretched to the input's size, or centred on grey; pixels divided by 255: ``blobFromImage``, RGB."""
    height, width, _ = architecture.image
    stretched = Preprocessing(height, width, (BYTE,) * 3, (0.0,) * 3, "half-pixel-rounded", "RGB")
    if not architecture.letter_box:
        return stretched
    return dataclasses.replace(stretched, pad=True, centre=True, fill=(GREY,) * 3)


def tail(architecture: Architecture, limits: Limits) -> YoloTail:
    yolos = architecture.yolos
    classes = {yolo.classes for yolo in yolos}
    if len(classes) > 1:
        found = f"{architecture.file} has [yolo] sections with {sorted(classes)} classes."
        raise LabError(found, "the same classes in all", "correct the .cfg.")
    return YoloTail(
        input_size=architecture.image[:2],
        grids=tuple(yolo.shape[:2] for yolo in yolos),
        anchors=tuple(yolo.anchors for yolo in yolos),
        scale_x_y=tuple(yolo.scale_x_y for yolo in yolos),
        new_coords=tuple(yolo.new_coords for yolo in yolos),
        classes=classes.pop(),
        limits=limits,
    )


def to_tflite(network: keras.Model) -> bytes:
    """float32 ``.tflite``; its signature ``serving_default``: ``image`` -> the network's outputs by name."""
    spec = tf.TensorSpec(network.input_shape, tf.float32, name=INPUT_NAME)

    def answer(image):
        return network(image, training=False)

    function = tf.function(answer, input_signature=[spec], autograph=False)
    # The converter saves and loads its model. A Keras model would bring a traced function for each layer.
    held = tf.Module()
    held.weights = network.weights
    with stderr_muted():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], held)
        return converter.convert()
