"""The core as a function of its own: part of a graph, from the network's input to chosen tensors."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from helpers.models.savedmodels.follow import above, last_convolutions
from helpers.models.savedmodels.freeze import Frozen
from helpers.models.savedmodels.trial import Output, Plan
from helpers.models.savedmodels.whole_decoding import DECODE_SCOPE, NETWORK_SCOPE

INPUT = "image"
NOT_OF_VALUES = ("_output_shapes", "_gradient_op_type")
Values = dict[str, tf.Tensor]


class Core(tf.Module):
    """Called with ``image`` ``[1, h, w, 3]`` float32: the plan's outputs by name."""

    def __init__(self, frozen: Frozen, image: tf.Tensor, shape: tuple[int, ...], plan: Plan):
        super().__init__()
        self.frozen, self.start, self.plan = frozen, image, plan
        spec = tf.TensorSpec(shape, tf.float32, name=INPUT)
        function = tf.function(self.run, input_signature=[spec], autograph=False)
        self.function = function.get_concrete_function()

    def run(self, image):
        sources = {name: output.source.tensor for name, output in self.plan.outputs.items()}
        given = {self.start.name: image}
        if self.plan.decodes:
            ends = network_ends(self.frozen, sources.values())
            values = insert(self.frozen, ends, given, NETWORK_SCOPE)
            given |= {end.name: value for end, value in zip(ends, values, strict=True)}
        scope = DECODE_SCOPE if self.plan.decodes else NETWORK_SCOPE
        values = insert(self.frozen, list(sources.values()), given, scope)
        with tf.name_scope(scope):
            pairs = zip(self.plan.outputs.items(), values, strict=True)
            return {name: shaped(value, output) for (name, output), value in pairs}


def shaped(value: tf.Tensor, output: Output) -> tf.Tensor:
    value = tf.reshape(value, output.shape)
    return value if set(output.divisor) == {1.0} else value / tf.constant(output.divisor, tf.float32)


def network_ends(frozen: Frozen, outputs: Iterable[tf.Tensor]) -> list[tf.Tensor]:
    """Outputs of the last convolutions, biases included, that ``outputs`` depend on."""
    used = above(outputs)
    return [with_bias(op.outputs[0]) for op in last_convolutions(frozen) if op in used]


def with_bias(tensor: tf.Tensor) -> tf.Tensor:
    readers = tensor.consumers()
    biased = len(readers) == 1 and readers[0].type == "BiasAdd"
    return readers[0].outputs[0] if biased else tensor


def insert(frozen: Frozen, outputs: list[tf.Tensor], given: Values, scope: str) -> list[tf.Tensor]:
    """Copy what ``outputs`` need into the current graph; tensors named in ``given`` have its values."""
    needed = {operator.name for operator in above(outputs, given)}
    readers = (op for op in frozen.graph.get_operations() if op.name in needed)
    read = {tensor.name for operator in readers for tensor in operator.inputs}
    copied = [tensor.name for tensor in outputs if tensor.name not in given]
    values = tf.import_graph_def(
        part(frozen.definition, needed),
        {name: value for name, value in given.items() if name in read},
        copied,
        name=scope,
    )
    made = given | dict(zip(copied, values, strict=True))
    return [made[tensor.name] for tensor in outputs]


def part(definition: Any, names: set[str]) -> Any:
    """Nodes of a GraphDef, without shapes noted for other inputs and without control inputs from outside.

    Gradients of one's own, which SiLU has, are left out: they name functions that this process does not have,
    and a function with them cannot be saved.
    """
    result = type(definition)(versions=definition.versions, library=definition.library)
    for node in definition.node:
        if node.name in names:
            copy = result.node.add()
            copy.CopyFrom(node)
            for attribute in NOT_OF_VALUES:
                copy.attr.pop(attribute, None)
            copy.input[:] = [name for name in node.input if name[0] != "^" or name[1:] in names]
    return result
