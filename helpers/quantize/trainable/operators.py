"""LiteRT's operators in TensorFlow, for batches of any size, with gradients."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from helpers.lab.errors import LabError
from helpers.runtimes.litert.reader import names_of

PADDINGS = {schema.Padding.SAME: "SAME", schema.Padding.VALID: "VALID"}
ACTIVATIONS: Mapping[int, Callable[[tf.Tensor], tf.Tensor]] = MappingProxyType(
    {
        schema.ActivationFunctionType.NONE: lambda x: x,
        schema.ActivationFunctionType.RELU: tf.nn.relu,
        schema.ActivationFunctionType.RELU6: tf.nn.relu6,
        schema.ActivationFunctionType.RELU_N1_TO_1: lambda x: tf.clip_by_value(x, -1.0, 1.0),
        schema.ActivationFunctionType.TANH: tf.tanh,
    }
)


@dataclass(frozen=True)
class Call:
    """One operator with what it reads.

    Attributes:
        options: its built-in options, as the schema has them; None where it has none.
        inputs: float32 tensors whose first axis is the batch, or NumPy arrays for constants.
        shape: of its output as the file states it, for a batch of one.
    """

    type: str
    options: Any
    inputs: Sequence[tf.Tensor | np.ndarray]
    shape: tuple[int, ...]


def conv_2d(call: Call) -> tf.Tensor:
    """Weights ``[out, h, w, in]``; without bias and activation, which the network adds.

    Groups of channels one by one: TensorFlow has no gradient of grouped convolutions on processors.
    """
    image, weights = call.inputs[:2]
    groups = image.shape[-1] // weights.shape[-1]
    images, filters = tf.split(image, groups, -1), tf.split(tf.transpose(weights, (1, 2, 3, 0)), groups, -1)
    options = call.options
    strides = (options.strideH, options.strideW)
    dilations = (options.dilationHFactor, options.dilationWFactor)
    parts = [
        tf.nn.conv2d(part, kernel, strides, PADDINGS[options.padding], dilations=dilations)
        for part, kernel in zip(images, filters, strict=True)
    ]
    return parts[0] if groups == 1 else tf.concat(parts, -1)


def depthwise_conv_2d(call: Call) -> tf.Tensor:
    """Weights ``[1, h, w, channels * multiplier]``, those of one input channel side by side."""
    image, weights = call.inputs[:2]
    _, height, width, _ = weights.shape
    filters = tf.reshape(weights, (height, width, image.shape[-1], -1))
    strides = (1, call.options.strideH, call.options.strideW, 1)
    dilations = (call.options.dilationHFactor, call.options.dilationWFactor)
    return tf.nn.depthwise_conv2d(
        image, filters, strides, PADDINGS[call.options.padding], dilations=dilations
    )


def transpose_conv(call: Call) -> tf.Tensor:
    """Inputs: shape of the output, weights ``[out, h, w, in]``, image."""
    _, weights, image = call.inputs[:3]
    strides = (call.options.strideH, call.options.strideW)
    shape = (tf.shape(image)[0], *call.shape[1:])
    filters = tf.transpose(weights, (1, 2, 0, 3))
    return tf.nn.conv2d_transpose(image, filters, shape, strides, PADDINGS[call.options.padding])


def fully_connected(call: Call) -> tf.Tensor:
    """Weights ``[out, in]``."""
    image, weights = call.inputs[:2]
    product = tf.reshape(image, (-1, weights.shape[1])) @ tf.transpose(weights)
    return tf.reshape(product, (-1, *call.shape[1:]))


def concatenation(call: Call) -> tf.Tensor:
    """Constants are repeated for every photo of the batch."""
    axis = call.options.axis % len(call.shape)
    batch = tf.shape(next(x for x in call.inputs if not isinstance(x, np.ndarray)))[0]
    whole = [tf.repeat(x, batch, 0) if isinstance(x, np.ndarray) and axis else x for x in call.inputs]
    return tf.concat(whole, axis)


def pooled(how: Callable[..., tf.Tensor]) -> Callable[[Call], tf.Tensor]:
    def pool(call: Call) -> tf.Tensor:
        options = call.options
        size, strides = (options.filterHeight, options.filterWidth), (options.strideH, options.strideW)
        return how(call.inputs[0], size, strides, PADDINGS[options.padding])

    return pool


def mean(call: Call) -> tf.Tensor:
    axes = [int(axis) for axis in np.ravel(call.inputs[1])]
    return tf.reduce_mean(call.inputs[0], axes, keepdims=call.options.keepDims)


def reshape(call: Call) -> tf.Tensor:
    """The batch is the outermost axis of both shapes, or is merged with the next ones."""
    return tf.reshape(call.inputs[0], (-1, *call.shape[1:]))


def resized(how: Callable[..., tf.Tensor]) -> Callable[[Call], tf.Tensor]:
    def resize(call: Call) -> tf.Tensor:
        return how(
            images=call.inputs[0],
            size=call.shape[1:3],
            align_corners=call.options.alignCorners,
            half_pixel_centers=call.options.halfPixelCenters,
        )

    return resize


def unary(function: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[Call], tf.Tensor]:
    return lambda call: function(call.inputs[0])


def binary(function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Callable[[Call], tf.Tensor]:
    return lambda call: function(*call.inputs[:2])


def hard_swish(x: tf.Tensor) -> tf.Tensor:
    return x * tf.nn.relu6(x + 3) / 6


OPERATORS: Mapping[str, Callable[[Call], tf.Tensor]] = MappingProxyType(
    {
        "CONV_2D": conv_2d,
        "DEPTHWISE_CONV_2D": depthwise_conv_2d,
        "TRANSPOSE_CONV": transpose_conv,
        "FULLY_CONNECTED": fully_connected,
        "ADD": binary(tf.add),
        "SUB": binary(tf.subtract),
        "MUL": binary(tf.multiply),
        "DIV": binary(tf.divide),
        "MAXIMUM": binary(tf.maximum),
        "MINIMUM": binary(tf.minimum),
        "CONCATENATION": concatenation,
        "MAX_POOL_2D": pooled(tf.nn.max_pool2d),
        "AVERAGE_POOL_2D": pooled(tf.nn.avg_pool2d),
        "MEAN": mean,
        "PAD": lambda call: tf.pad(call.inputs[0], np.asarray(call.inputs[1])),
        "RESHAPE": reshape,
        "SQUEEZE": reshape,
        "EXPAND_DIMS": reshape,
        "TRANSPOSE": lambda call: tf.transpose(call.inputs[0], np.asarray(call.inputs[1])),
        "RESIZE_NEAREST_NEIGHBOR": resized(tf.raw_ops.ResizeNearestNeighbor),
        "RESIZE_BILINEAR": resized(tf.raw_ops.ResizeBilinear),
        "RELU": unary(tf.nn.relu),
        "RELU6": unary(tf.nn.relu6),
        "LEAKY_RELU": lambda call: tf.nn.leaky_relu(call.inputs[0], call.options.alpha),
        "LOGISTIC": unary(tf.sigmoid),
        "TANH": unary(tf.tanh),
        "HARD_SWISH": unary(hard_swish),
        # What only changes the dtype: the network rounds a tensor where the file stores integers.
        "QUANTIZE": unary(lambda x: x),
        "DEQUANTIZE": unary(lambda x: x),
    }
)
_NAMES = names_of(schema.ActivationFunctionType)


def computed(call: Call) -> tf.Tensor:
    """The operator's output before its fused activation.

    Raises:
        LabError: there is no such operator here.
    """
    if call.type not in OPERATORS:
        raise LabError(
            f"operator {call.type}, which has no gradient here.",
            f"a network of {', '.join(sorted(OPERATORS))}",
            "add it to helpers/quantize/trainable/operators.py, or train another model.",
        )
    return OPERATORS[call.type](call)


def activated(value: tf.Tensor, options: Any) -> tf.Tensor:
    """With the operator's fused activation, if it has one."""
    kind = getattr(options, "fusedActivationFunction", schema.ActivationFunctionType.NONE)
    if kind not in ACTIVATIONS:
        raise LabError(
            f"fused activation {_NAMES.get(kind, kind)}, which has no gradient here.",
            f"one of {', '.join(_NAMES[known] for known in ACTIVATIONS)}",
            "add it to helpers/quantize/trainable/operators.py, or train another model.",
        )
    return ACTIVATIONS[kind](value)
