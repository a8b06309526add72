"""Made-up ``.tflite`` networks for cures: plain ones, and with a planted fault each."""

import contextlib
import functools
import io
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import tensorflow as tf

SHAPE = (1, 16, 16, 3)
LOUD = 1000.0


def drawn(*shape: int, seed: int = 0, scale: float | None = None) -> np.ndarray:
    fan = np.prod(shape[:-1]) if len(shape) > 1 else 1
    size = scale if scale is not None else 1 / np.sqrt(fan)
    return np.random.default_rng([seed, *shape]).normal(0, size, shape).astype(np.float32)


def conv(x, channels: int, seed: int, size: int = 3, strides: int = 1, kernel=None):
    kernel = drawn(size, size, x.shape[-1], channels, seed=seed) if kernel is None else kernel
    return tf.nn.conv2d(x, kernel, strides, "SAME") + drawn(channels, seed=seed, scale=0.1)


def depthwise(x, seed: int):
    kernel = drawn(3, 3, x.shape[-1], 1, seed=seed, scale=0.4)
    return tf.nn.depthwise_conv2d(x, kernel, (1, 1, 1, 1), "SAME") + drawn(x.shape[-1], seed=seed, scale=0.1)


def leaky(x):
    return tf.nn.leaky_relu(x, 0.1)


def loud_channel(channels: int) -> np.ndarray:
    """float32 ``[channels]``: one is a thousand times the others."""
    return np.float32([LOUD, *[1.0] * (channels - 1)])


def body(x, before=None, act=leaky):
    """Depthwise and pointwise layers with a sum; ``before``: scales the first layer's channels."""
    x = conv(x, 8, 1, strides=2)
    x = act(x if before is None else x * before)
    x = depthwise(x, 2)
    y = act(conv(x if before is None else x / before, 8, 3, size=1))
    return conv(act(depthwise(y, 4)), 8, 5, size=1) + y


def plain(x):
    return conv(body(x), 6, 9, size=1)


def one_loud_channel(x):
    """Its scale runs through a leaky ReLU and a depthwise layer, and is undone behind."""
    return conv(body(x, loud_channel(8)), 6, 9, size=1)


def silenced(x):
    """Channels whose weights are all 0; some with a bias."""
    kernel = drawn(3, 3, 3, 8, seed=1)
    kernel[..., [2, 5]] = 0
    x = tf.nn.conv2d(x, kernel, 2, "SAME") + np.float32([0.1, 0, -4.6, 0, 0, 0, 0.3, 0])
    return conv(leaky(x), 6, 9, size=1)


def uneven_concatenation(x):
    """Inputs of about ±2 and ±800; the small one alone decides, and nothing scales through the sigmoid."""
    small, large = conv(x, 4, 1), 400 * conv(x, 4, 2)
    joined = tf.concat([tf.nn.sigmoid(small) * 2, tf.nn.relu6(large / 800) * 800], -1)
    kernel = drawn(1, 1, 8, 6, seed=3)
    kernel[:, :, 4:] /= 4000
    return conv(joined, 6, 3, size=1, kernel=kernel)


def joined_branches(x):
    """A concatenation of a loud branch and others, behind which the loudness is undone."""
    loud, still = leaky(LOUD * conv(x, 4, 1)), leaky(conv(x, 4, 2))
    kernel = drawn(3, 3, 8, 6, seed=3)
    kernel[:, :, :4] /= LOUD
    return conv(tf.concat([loud, still], -1), 6, 3, kernel=kernel)


def outlier(x):
    """A tensor that is seldom a hundred times as large as usual; what is large is cut off behind."""
    y = conv(x, 8, 1)
    return conv(tf.nn.relu6(y + 100 * tf.nn.relu(y - 2.5)), 6, 9, size=1)


def silu(x):
    y = conv(x, 8, 1, strides=2)
    return conv(y * tf.nn.sigmoid(y), 6, 9, size=1)


NETWORKS: Mapping[str, Callable] = MappingProxyType({
    each.__name__: each
    for each in (
        plain, one_loud_channel, silenced, uneven_concatenation, joined_branches, outlier, silu,
    )
})  # fmt: skip


@functools.cache
def faulty(name: str) -> bytes:
    """The float32 ``.tflite`` of a network of ``NETWORKS``; its input is ``image``, its output ``out``."""
    return converted(NETWORKS[name])


def converted(network: Callable, shape: tuple[int, ...] = SHAPE) -> bytes:
    @tf.function(input_signature=[tf.TensorSpec(shape, name="image")], autograph=False)
    def run(image):
        return {"out": tf.identity(network(image))}

    with contextlib.redirect_stderr(io.StringIO()):
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [run.get_concrete_function()], tf.Module()
        )
        return converter.convert()


def images(count: int, seed: int = 1, shape: tuple[int, ...] = SHAPE) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.uniform(-1, 1, shape).astype(np.float32) for _ in range(count)]
