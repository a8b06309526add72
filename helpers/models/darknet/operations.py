"""What single layers compute, in ``tf_keras``, with Darknet's padding; tensors are ``[B, H, W, C]``."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import tensorflow as tf
import tf_keras as keras

from helpers.models.darknet.layers import Convolution, MaxPool

LEAK = 0.1


def mish(x):
    """``x * tanh(softplus(x))`` (Misra 2019).

    ``softplus(x) = relu(x) - log(sigmoid(|x|))``: it cannot overflow, and, unlike ``exp(x)``, each of its
    tensors has a range that 8 bits can hold.
    """
    return x * tf.tanh(tf.nn.relu(x) - tf.math.log(tf.sigmoid(tf.abs(x))))


ACTIVATION_FUNCTIONS: Mapping[str, Callable] = MappingProxyType(
    {
        "leaky": lambda x: tf.nn.leaky_relu(x, LEAK),
        "relu": tf.nn.relu,
        "mish": mish,
        "swish": lambda x: x * tf.sigmoid(x),
        "logistic": tf.sigmoid,
    }
)


def activate(x, activation: str, name: str):
    if activation == "linear":
        return x
    return keras.layers.Activation(ACTIVATION_FUNCTIONS[activation], name=f"{name}_{activation}")(x)


def same_padding(length: int, size: int, stride: int) -> tuple[int, int]:
    """What TensorFlow's "same" adds before and after an axis."""
    total = max((-(-length // stride) - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def needed_padding(length: int, size: int, stride: int, padding: int) -> tuple[int, int]:
    """Zeros before and after an axis that Darknet's windows reach, of ``padding`` at both ends."""
    count = (length + 2 * padding - size) // stride + 1
    return padding, max((count - 1) * stride + size - length - padding, 0)


def convolve(x, layer: Convolution, kernel: np.ndarray, biases: np.ndarray, name: str):
    """The convolution of ``layer`` with ``kernel`` ``[filters, channels, h, w]``, without its activation."""
    pads = tuple(
        needed_padding(length, layer.size, stride, layer.padding)
        for length, stride in zip(x.shape[1:3], layer.strides, strict=True)
    )
    same = tuple(
        same_padding(length, layer.size, stride)
        for length, stride in zip(x.shape[1:3], layer.strides, strict=True)
    )
    if pads != same and np.any(pads):
        x = keras.layers.ZeroPadding2D(pads, name=f"{name}_pad")(x)
    mode = "same" if pads == same else "valid"
    if layer.groups == layer.channels and layer.groups > 1:
        return depthwise(x, layer, kernel, biases, mode, name)
    convolution = keras.layers.Conv2D(
        len(kernel), layer.size, layer.strides, mode, groups=layer.groups, name=name
    )
    return with_weights(convolution, x, kernel.transpose(2, 3, 1, 0), biases)


def depthwise(x, layer: Convolution, kernel: np.ndarray, biases: np.ndarray, mode: str, name: str):
    multiplier = len(kernel) // layer.channels
    convolution = keras.layers.DepthwiseConv2D(
        layer.size, layer.strides, mode, depth_multiplier=multiplier, name=name
    )
    # Filter c * multiplier + m belongs to channel c, in Darknet as in TensorFlow.
    weights = kernel.reshape(layer.channels, multiplier, layer.size, layer.size).transpose(2, 3, 0, 1)
    return with_weights(convolution, x, weights, biases)


def with_weights(convolution: keras.layers.Layer, x, kernel: np.ndarray, biases: np.ndarray):
    convolution.build(x.shape)
    convolution.set_weights([kernel, biases])
    return convolution(x)


def pool(x, layer: MaxPool, name: str):
    """Darknet's max pooling: what lies outside the map never wins.

    Windows begin at ``-(padding // 2)``. Where TensorFlow's begin elsewhere the maximum is taken at every
    place and every ``stride``-th one is kept, so that no padding value enters the graph: as a number below
    all others it would take an 8-bit tensor's whole range.
    """
    height, width = x.shape[1:3]
    darknet = layer.padding // 2
    places = zip((height, width), layer.strides, layer.shape[:2], strict=True)
    fits = [
        same_padding(length, layer.size, stride)[0] == darknet and -(-length // stride) == out
        for length, stride, out in places
    ]
    if all(fits) or layer.padding == 0:
        mode = "same" if all(fits) else "valid"
        return keras.layers.MaxPooling2D(layer.size, layer.strides, mode, name=name)(x)
    everywhere = keras.layers.MaxPooling2D(layer.size, 1, "same", name=f"{name}_everywhere")(x)
    first = (layer.size - 1) // 2 - darknet
    rows, columns = (
        slice(first, first + (count - 1) * stride + 1, stride)
        for count, stride in zip(layer.shape[:2], layer.strides, strict=True)
    )
    return everywhere[:, rows, columns]
