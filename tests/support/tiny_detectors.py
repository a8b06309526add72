"""A small detector made up at random, and photos of noise, for tests of the loop over photos."""

import functools
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.models.interface import Interface
from helpers.photos.preprocessing import Preprocessing
from helpers.tasks.detection.limits import Limits
from helpers.tasks.detection.tails.joined_rows import JoinedRowsTail
from tests.support.tiny_models import SIZE

CLASSES = 4
INTERFACE = Interface(
    Preprocessing(SIZE, SIZE, (1 / 127.5,) * 3, (-1.0,) * 3),
    JoinedRowsTail((SIZE, SIZE), ("rows",), CLASSES, Limits(), pixels=False),
)


@functools.cache
def detector_bytes(channels: int) -> bytes:
    """``[1, 32, 32, 3]`` -> ``rows`` ``[1, 64, 4 + 4]``: centre and size of a box, and scores, all 0..1."""
    import tensorflow as tf

    from helpers.lab.quietly import stderr_muted

    generator = np.random.default_rng(channels)
    first = tf.constant(generator.normal(size=(3, 3, 3, channels)), tf.float32)
    second = tf.constant(generator.normal(size=(3, 3, channels, 4 + CLASSES)) / channels, tf.float32)

    class Detector(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, SIZE, SIZE, 3), tf.float32)], autograph=False)
        def __call__(self, image):
            hidden = tf.nn.relu(tf.nn.conv2d(image, first, 2, "SAME"))
            cells = tf.sigmoid(tf.nn.conv2d(hidden, second, 2, "SAME"))
            return {"rows": tf.reshape(cells, (1, 64, 4 + CLASSES))}

    detector = Detector()
    with stderr_muted():
        concrete = [detector.__call__.get_concrete_function()]
        return tf.lite.TFLiteConverter.from_concrete_functions(concrete, detector).convert()


def tiny_detector(path: Path, channels: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(detector_bytes(channels))
    return path


def noise_photos(folder: Path, count: int) -> dict[int, Path]:
    """COCO id -> file of a photo of 48 x 64 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    photos = {number: folder / f"{number:03d}.jpg" for number in range(1, count + 1)}
    for number, path in photos.items():
        pixels = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return photos
