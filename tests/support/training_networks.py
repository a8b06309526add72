"""Small ``.tflite`` networks for training: one of each operator, and one like a detector."""

import contextlib
import functools
import io
from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import tensorflow as tf

SHAPE = (1, 12, 10, 4)


def constant(*shape: int, scale: float = 0.5) -> tf.Tensor:
    seed = int(np.prod(shape)) + len(shape)
    return tf.constant(np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32))


def convolved(image: tf.Tensor, channels: int, strides: int = 1, size: int = 3) -> tf.Tensor:
    kernel = constant(size, size, image.shape[-1], channels)
    return tf.nn.conv2d(image, kernel, strides, "SAME") + constant(channels)


def average(image: tf.Tensor) -> tf.Tensor:
    return tf.nn.avg_pool2d(image, 3, 2, "SAME")


def bilinear(image: tf.Tensor) -> tf.Tensor:
    return tf.compat.v1.image.resize_bilinear(image, (24, 20), half_pixel_centers=True)


def hard_swish(image: tf.Tensor) -> tf.Tensor:
    return image * tf.nn.relu6(image + 3.0) * (1 / 6)


def transposed(image: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d_transpose(image, constant(3, 3, 6, 4), (1, 24, 20, 6), 2, "SAME") + constant(6)


# Operator -> a network in which it stands, of an image of ``SHAPE``.
OPERATOR_CASES: MappingProxyType[str, Callable[[tf.Tensor], tf.Tensor]] = MappingProxyType(
    {
        "CONV_2D": lambda x: tf.nn.relu6(convolved(x, 6, 2)),
        "CONV_2D dilated": lambda x: tf.nn.relu(
            tf.nn.conv2d(x, constant(3, 3, 4, 6), 1, "VALID", dilations=2)
        ),
        "CONV_2D grouped": lambda x: tf.nn.conv2d(x, constant(3, 3, 2, 6), 1, "SAME"),
        "DEPTHWISE_CONV_2D": lambda x: tf.nn.relu6(
            tf.nn.depthwise_conv2d(x, constant(3, 3, 4, 2), (1, 2, 2, 1), "SAME") + constant(8)
        ),
        "TRANSPOSE_CONV": transposed,
        "FULLY_CONNECTED": lambda x: tf.reshape(x, (1, -1)) @ constant(480, 7) + constant(7),
        "ADD": lambda x: tf.nn.relu(x + constant(1, 1, 1, 4)),
        "MUL": lambda x: x * x,
        "CONCATENATION": lambda x: tf.concat([x, tf.nn.relu(x), constant(*SHAPE)], -1),
        "MAX_POOL_2D": lambda x: tf.nn.max_pool2d(x, 3, 2, "SAME"),
        "AVERAGE_POOL_2D": average,
        "MEAN": lambda x: tf.reduce_mean(x, (1, 2)),
        "PAD": lambda x: tf.pad(x, ((0, 0), (1, 0), (0, 2), (0, 0))),
        "RESHAPE": lambda x: tf.reshape(tf.reshape(x, (30, 16)) * 2.0, (1, 40, 12)),
        "RESIZE_NEAREST_NEIGHBOR": lambda x: tf.compat.v1.image.resize_nearest_neighbor(x, (24, 20)),
        "RESIZE_BILINEAR": bilinear,
        "RELU": tf.nn.relu,
        "RELU6": tf.nn.relu6,
        "LEAKY_RELU": lambda x: tf.nn.leaky_relu(x, 0.1),
        "LOGISTIC": tf.sigmoid,
        "HARD_SWISH": hard_swish,
    }
)
# Of int8 files, which have integer kernels for what stands behind a layer.
BEHIND_A_LAYER: MappingProxyType[str, Callable[[tf.Tensor], tf.Tensor]] = MappingProxyType(
    {
        "ADD behind a layer": lambda x: convolved(x, 4) + tf.nn.relu6(convolved(x, 4, size=1)),
        "AVERAGE_POOL_2D behind a layer": lambda x: average(convolved(x, 4)),
    }
)
CASES = MappingProxyType({**OPERATOR_CASES, **BEHIND_A_LAYER})


def detector(image: tf.Tensor) -> tf.Tensor:
    """As detectors are: a stem, a block with a skip, a depthwise layer, two scales, two heads in one."""
    stem = tf.nn.relu6(convolved(image, 8, 2))
    deep = tf.nn.relu6(tf.nn.depthwise_conv2d(stem, constant(3, 3, 8, 1), (1, 1, 1, 1), "SAME") + constant(8))
    block = stem + convolved(deep, 8, size=1)
    coarse = tf.nn.max_pool2d(block, 2, 2, "SAME")
    finer = tf.compat.v1.image.resize_nearest_neighbor(tf.nn.relu(convolved(coarse, 8)), block.shape[1:3])
    heads = [
        tf.reshape(convolved(part, 4, size=1), (1, -1, 4)) for part in (tf.concat([block, finer], -1), coarse)
    ]
    return tf.concat(heads, 1)


@functools.cache
def network_bytes(case: str = "detector") -> bytes:
    """float32 ``.tflite`` of a case, with a signature ``image`` -> ``heads``."""
    return module_bytes(detector if case == "detector" else CASES[case], SHAPE)


def module_bytes(made: Callable[[tf.Tensor], tf.Tensor], shape: tuple[int, ...]) -> bytes:
    spec = tf.TensorSpec(shape, tf.float32, name="image")
    function = tf.function(lambda image: {"heads": made(image)}, input_signature=[spec], autograph=False)
    module = tf.Module()
    module.function = function
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [function.get_concrete_function()], module
        )
        return converter.convert()


def images(count: int = 3) -> np.ndarray:
    """float32 ``[count, 12, 10, 4]`` in -1..1."""
    return np.random.default_rng(3).uniform(-1, 1, (count, *SHAPE[1:])).astype(np.float32)
