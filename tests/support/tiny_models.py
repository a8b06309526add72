"""A small real ``.tflite`` for tests of what runs one."""

import contextlib
import functools
import io
import logging
import os
from pathlib import Path

import numpy as np

from helpers.quantize.recipes.contract import sizes
from helpers.quantize.records import MadeFile
from helpers.runtimes.litert.reader import read_facts

SIZE = 32


@functools.cache
def tiny_bytes(channels: int) -> bytes:
    """Two convolutions on a ``[1, 32, 32, 3]`` float32 image, converted by TensorFlow."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with contextlib.redirect_stderr(io.StringIO()):
        import tensorflow as tf
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    generator = np.random.default_rng(0)

    class Tiny(tf.Module):
        def __init__(self):
            self.first = tf.Variable(generator.normal(size=(3, 3, 3, channels)).astype(np.float32))
            self.second = tf.Variable(generator.normal(size=(3, 3, channels, 8)).astype(np.float32))

        @tf.function(input_signature=[tf.TensorSpec((1, SIZE, SIZE, 3), tf.float32)], autograph=False)
        def __call__(self, image):
            hidden = tf.nn.relu(tf.nn.conv2d(image, self.first, 2, "SAME"))
            return {"heads": tf.nn.conv2d(hidden, self.second, 2, "SAME")}

    tiny = Tiny()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        concrete = [tiny.__call__.get_concrete_function()]
        return tf.lite.TFLiteConverter.from_concrete_functions(concrete, tiny).convert()


def tiny_core(path: Path, channels: int = 8) -> Path:
    """Write a tiny core to ``path``; more ``channels`` make it slower and larger."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tiny_bytes(channels))
    return path


def tiny_images(count: int = 3) -> np.ndarray:
    """Inputs for a tiny core: float32 ``[count, 1, 32, 32, 3]`` in -1..1."""
    return np.random.default_rng(1).uniform(-1, 1, (count, 1, SIZE, SIZE, 3)).astype(np.float32)


def recorded(file: Path) -> MadeFile:
    """What 02 records of a file that it has not compared with another."""
    return MadeFile(read_facts(file), **sizes(file))
