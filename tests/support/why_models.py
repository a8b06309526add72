"""Files whose multiply-adds and bytes can be counted by hand."""

import contextlib
import functools
import io
import os
from pathlib import Path

import flatbuffers
import numpy as np

from helpers.runtimes.litert.reader import read_model

# [1, 32, 32, 3] -> 3x3 stride 2, 8 channels -> depthwise 3x3 -> 1x1 to 16 -> 1x1 to 16.
MACS = {"CONV_2D": 16 * 16 * (8 * 27 + 16 * 8 + 16 * 16), "DEPTHWISE_CONV_2D": 16 * 16 * 8 * 9}
WEIGHTS = 3 * 3 * 3 * 8 + 3 * 3 * 8 + 8 * 16 + 16 * 16
INPUT_SHAPE = (1, 32, 32, 3)


@functools.cache
def stack_bytes(form: str = "float32") -> bytes:
    """The stack; ``form`` may be ``int16x8``: 16-bit activations, 8-bit weights, made by TensorFlow."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with contextlib.redirect_stderr(io.StringIO()):
        import tensorflow as tf
    generator = np.random.default_rng(0)

    def weights(*shape):
        return tf.constant(generator.normal(size=shape).astype(np.float32))

    dense, depthwise = weights(3, 3, 3, 8), weights(3, 3, 8, 1)
    narrow, wide = weights(1, 1, 8, 16), weights(1, 1, 16, 16)

    @tf.function(input_signature=[tf.TensorSpec(INPUT_SHAPE, tf.float32)], autograph=False)
    def stack(image):
        hidden = tf.nn.relu(tf.nn.conv2d(image, dense, 2, "SAME"))
        hidden = tf.nn.relu(tf.nn.depthwise_conv2d(hidden, depthwise, (1, 1, 1, 1), "SAME"))
        hidden = tf.nn.relu(tf.nn.conv2d(hidden, narrow, 1, "SAME"))
        return {"heads": tf.nn.conv2d(hidden, wide, 1, "SAME")}

    module = tf.Module()
    module.stack = stack
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        concrete = [stack.get_concrete_function()]
        converter = tf.lite.TFLiteConverter.from_concrete_functions(concrete, module)
        if form == "int16x8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([image] for image in stack_images(2))
            kernels = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            converter.target_spec.supported_ops = [kernels]
        return converter.convert()


def stack_core(path: Path, form: str = "float32") -> Path:
    path.write_bytes(stack_bytes(form))
    return path


def stack_images(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(1).uniform(-1, 1, (count, *INPUT_SHAPE)).astype(np.float32))


def rewritten(source: Path, target: Path, change) -> Path:
    """``source`` with ``change(model)`` applied to its flatbuffer's objects."""
    model = read_model(source)
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(bytes(builder.Output()))
    return target
