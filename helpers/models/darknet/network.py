"""The ``tf_keras`` network of a Darknet architecture, up to raw heads with one output per kind of number."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import tf_keras as keras

from helpers.models.darknet.layers import (
    IMAGE,
    Architecture,
    AvgPool,
    Convolution,
    Dropout,
    Layer,
    MaxPool,
    Multiply,
    Route,
    Shortcut,
    Upsample,
    Yolo,
)
from helpers.models.darknet.operations import activate, convolve, pool
from helpers.models.darknet.weights import ConvolutionWeights

INPUT_NAME = "image"
# Numbers of one anchor, in Darknet's order; classes follow to the end.
PARTS = MappingProxyType({"box": slice(0, 4), "objectness": slice(4, 5), "class": slice(5, None)})

Weights = Mapping[int, ConvolutionWeights]
Tensors = dict[int, Any]


def build_network(architecture: Architecture, weights: Weights) -> keras.Model:
    """float32 image ``[1, H, W, 3]``, RGB in 0..1 -> heads of the i-th ``[yolo]``, raw.

    The outputs are ``box_<i>`` ``[1, N, 4]`` (tx, ty, tw, th), ``objectness_<i>`` ``[1, N, 1]`` and
    ``class_<i>`` ``[1, N, classes]`` (logits); N goes cell by cell, row by row, anchors within a cell. They
    are tensors of their own, so that each has its own int8 scale. Batch norm is folded into the
    convolutions before it, in float64.
    """
    image = keras.Input(architecture.image, 1, name=INPUT_NAME)
    tensors: Tensors = {IMAGE: image}
    apart = {layer.inputs[0] for layer in architecture.yolos if architecture.can_be_split(layer)}
    heads: dict[str, Any] = {}
    for layer in architecture.layers:
        if isinstance(layer, Yolo):
            heads |= yolo_heads(architecture, layer, tensors, weights, len(heads) // len(PARTS))
        elif layer.number not in apart:
            tensors[layer.number] = BUILDERS[type(layer)](layer, tensors, weights)
    return keras.Model(image, heads, name="darknet")


def yolo_heads(
    architecture: Architecture, layer: Yolo, tensors: Tensors, weights: Weights, head: int
) -> dict:
    """The three outputs of one ``[yolo]``: from convolutions of their own, or cut out of one tensor."""
    source = layer.inputs[0]
    numbers, anchors = layer.shape[2] // len(layer.anchors), len(layer.anchors)
    heads = {}
    for part, where in PARTS.items():
        name, count = f"{part}_{head}", len(range(numbers)[where])
        if source in tensors:
            rows = keras.layers.Reshape((-1, numbers), name=f"{name}_rows")(tensors[source])
            heads[name] = keras.layers.Activation("linear", name=name)(rows[..., where])
            continue
        convolution = architecture.layers[source]
        kernel, biases = weights[source].folded()
        chosen = np.arange(anchors * numbers).reshape(anchors, numbers)[:, where].ravel()
        x = tensors[convolution.inputs[0]]
        raw = convolve(x, convolution, kernel[chosen], biases[chosen], f"{name}_convolution")
        heads[name] = keras.layers.Reshape((-1, count), name=name)(raw)
    return heads


def build_convolution(layer: Convolution, tensors: Tensors, weights: Weights):
    name = f"convolution_{layer.number}"
    x = convolve(tensors[layer.inputs[0]], layer, *weights[layer.number].folded(), name)
    return activate(x, layer.activation, name)


def build_route(layer: Route, tensors: Tensors, weights: Weights):
    parts = [group_of(tensors[number], layer) for number in layer.inputs]
    if len(parts) == 1:
        return parts[0]
    return keras.layers.Concatenate(name=f"route_{layer.number}")(parts)


def group_of(x, layer: Route):
    if layer.groups == 1:
        return x
    channels = x.shape[-1] // layer.groups
    return x[..., layer.group * channels : (layer.group + 1) * channels]


def build_shortcut(layer: Shortcut, tensors: Tensors, weights: Weights):
    name = f"shortcut_{layer.number}"
    total = keras.layers.Add(name=name)([tensors[number] for number in layer.inputs])
    return activate(total, layer.activation, name)


def build_avgpool(layer: AvgPool, tensors: Tensors, weights: Weights):
    name = f"avgpool_{layer.number}"
    return keras.layers.GlobalAveragePooling2D(keepdims=True, name=name)(tensors[layer.inputs[0]])


def build_multiply(layer: Multiply, tensors: Tensors, weights: Weights):
    name = f"multiply_{layer.number}"
    product = keras.layers.Multiply(name=name)([tensors[number] for number in layer.inputs])
    return activate(product, layer.activation, name)


def build_upsample(layer: Upsample, tensors: Tensors, weights: Weights):
    return keras.layers.UpSampling2D(layer.factor, name=f"upsample_{layer.number}")(tensors[layer.inputs[0]])


def build_maxpool(layer: MaxPool, tensors: Tensors, weights: Weights):
    return pool(tensors[layer.inputs[0]], layer, f"maxpool_{layer.number}")


def build_dropout(layer: Dropout, tensors: Tensors, weights: Weights):
    return tensors[layer.inputs[0]]


BUILDERS: Mapping[type[Layer], Callable[[Any, Tensors, Weights], Any]] = MappingProxyType(
    {
        Convolution: build_convolution,
        MaxPool: build_maxpool,
        Route: build_route,
        Shortcut: build_shortcut,
        AvgPool: build_avgpool,
        Multiply: build_multiply,
        Upsample: build_upsample,
        Dropout: build_dropout,
    }
)
