"""A float32 or int8 ``.tflite`` core as a TensorFlow function with gradients, for batches of any size."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from helpers.lab.errors import LabError
from helpers.quantize.trainable.operators import Call, activated, computed
from helpers.quantize.trained.constants import ABSENT, WeightLayer, bias_place, whole_model
from helpers.runtimes.litert.graph import Graph, Operator, Tensor
from helpers.runtimes.litert.operator_kinds import CONVOLUTIONS, WEIGHTS
from helpers.runtimes.litert.reader import DTYPES, graph_of

DTYPE_NAMES = {"float32": "<f4", "int32": "<i4", "int64": "<i8", "int8": "i1"}


class LayerSource(Protocol):
    """Where a convolution's weights come from, and what is added to its product."""

    def weights(self) -> tf.Tensor:
        """As the file has them; the same tensor within one step."""

    def finished(self, product: tf.Tensor, place: int, step: tf.Tensor | None) -> tf.Tensor:
        """With the bias. ``place``: which of the layer's convolutions; ``step``: of its input's grid."""


class Activations(Protocol):
    """What a file rounds between its layers."""

    def rounded(self, tensor: Tensor, value: tf.Tensor) -> tf.Tensor:
        """What an operator makes, as the file stores it."""

    def read(
        self, operator: Operator, tensor: Tensor, value: tf.Tensor | np.ndarray
    ) -> tf.Tensor | np.ndarray:
        """What is stored, as an operator reads it; constants too."""

    def step(self, tensor: Tensor) -> tf.Tensor | None:
        """Of its grid; None for a tensor of floats."""


class FloatActivations:
    """Nothing is rounded."""

    def rounded(self, tensor: Tensor, value: tf.Tensor) -> tf.Tensor:
        return value

    def read(
        self, operator: Operator, tensor: Tensor, value: tf.Tensor | np.ndarray
    ) -> tf.Tensor | np.ndarray:
        return value

    def step(self, tensor: Tensor) -> None:
        return None


class FixedLayer:
    """Weights and biases of a layer as they are."""

    def __init__(self, layer: WeightLayer):
        self._layer = layer

    def weights(self) -> tf.Tensor:
        return tf.constant(self._layer.weights)

    def finished(self, product, place, step) -> tf.Tensor:
        return product + self._layer.biases[place]


class Network:
    """The main graph of a file; called with float32 images ``[B, H, W, 3]``, as the core takes them.

    Args:
        content: of a ``.tflite`` file with one input, made for a batch of one.
        layers: those of the float32 file (``weight_layers``); an int8 file of it has the same convolutions.
        sources: one for each of ``layers``.
        activations: what is rounded between them.

    Raises:
        LabError: it has other convolutions than those of ``layers``, or loops.
    """

    def __init__(
        self,
        content: bytes,
        layers: Sequence[WeightLayer],
        sources: Sequence[LayerSource],
        activations: Activations | None = None,
    ):
        self.model = whole_model(content)
        self.graph: Graph = graph_of(self.model, len(content))
        self.sources, self.activations = sources, activations or FloatActivations()
        readers = [operator.index for operator in self.graph.operators if operator.type in CONVOLUTIONS]
        self._layer_of = {
            readers[number]: (which, place)
            for which, layer in enumerate(layers)
            for place, number in enumerate(layer.convolutions)
        }

    def __call__(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Output name -> ``[B, ...]``."""
        return self.walked(image)[0]

    def walked(
        self,
        image: tf.Tensor,
        watch: Callable[[int, int, tf.Tensor], Any] | None = None,
    ) -> tuple[dict[str, tf.Tensor], list[Any]]:
        """The outputs, and what ``watch(layer, place, value)`` says of each convolution's output, its bias
        added and its fused activation not yet applied."""
        first = self.graph.inputs[0]
        values = {first.index: self.activations.rounded(first, image)}
        weights = [source.weights() for source in self.sources]
        seen: list[Any] = []
        for operator in self.graph.operators:
            value = self.product(operator, values, weights)
            if watch and operator.index in self._layer_of:
                seen.append(watch(*self._layer_of[operator.index], value))
            value = activated(value, self.options(operator))
            made = operator.outputs[0]
            values[made.index] = self.activations.rounded(made, value)
        return {tensor.given_name: values[tensor.index] for tensor in self.graph.outputs}, seen

    def product(self, operator: Operator, values: Mapping[int, tf.Tensor], weights) -> tf.Tensor:
        """An operator's output before its fused activation."""
        inputs = self.inputs(operator, values)
        options, shape = self.options(operator), operator.outputs[0].shape
        if operator.index in self._layer_of:
            which, place = self._layer_of[operator.index]
            inputs[WEIGHTS] = weights[which]
            made = computed(Call(operator.type, options, inputs, shape))
            step = self.activations.step(operator.image)
            return self.sources[which].finished(made, place, step)
        made = computed(Call(operator.type, options, inputs, shape))
        with_bias = operator.type in CONVOLUTIONS and len(inputs) > bias_place(operator.type)
        return made + inputs[bias_place(operator.type)] if with_bias else made

    def inputs(self, operator: Operator, values: Mapping[int, tf.Tensor]) -> list[tf.Tensor | np.ndarray]:
        """What an operator reads, in its own order, without what it lacks."""
        stored = self.model.subgraphs[0].operators[operator.index].inputs
        present = [int(number) for number in stored if number != ABSENT]
        tensors = self.graph.tensors
        return [self.activations.read(operator, tensors[n], self.value(n, values)) for n in present]

    def options(self, operator: Operator) -> Any:
        return self.model.subgraphs[0].operators[operator.index].builtinOptions

    def value(self, number: int, values: Mapping[int, tf.Tensor]) -> tf.Tensor | np.ndarray:
        return values[number] if number in values else self.constant(number)

    def constant(self, number: int) -> np.ndarray:
        """As real numbers, where it has scales."""
        stored, tensor = self.model.subgraphs[0].tensors[number], self.graph.tensors[number]
        dtype, data = DTYPES[stored.type], self.model.buffers[stored.buffer].data
        if data is None or dtype not in DTYPE_NAMES:
            raise LabError(
                f"tensor {tensor.name} of {dtype}, which is computed by nothing that is known here.",
                f"constants of {', '.join(DTYPE_NAMES)}",
                "train another model.",
            )
        found = np.frombuffer(bytes(data), DTYPE_NAMES[dtype]).reshape(tensor.shape)
        if not tensor.scales:
            return found
        along = [-1 if axis == tensor.axis else 1 for axis in range(found.ndim)]
        scales = np.float32(tensor.scales).reshape(along if len(tensor.scales) > 1 else -1)
        zeros = np.float32(tensor.zero_points or (0,)).reshape(along if len(tensor.zero_points) > 1 else -1)
        return ((found - zeros) * scales).astype(np.float32)


def float_network(content: bytes, layers: Sequence[WeightLayer]) -> Network:
    """The file as it is."""
    return Network(content, layers, [FixedLayer(layer) for layer in layers])
