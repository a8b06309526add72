"""A SavedModel's signature as one graph of constants, any tensor of which can be read and set."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from helpers.lab.quietly import stderr_muted
from helpers.models.savedmodels.load import SavedModel


@dataclass(frozen=True)
class Frozen:
    """A graph without variables; calls of functions are inlined, loops are kept as single operators.

    Attributes:
        graph: its operators, in an order in which each comes after what it reads.
        photo: the uint8 input ``[1, H, W, 3]``.
        outputs: the signature's outputs, by name.
        session: evaluates tensors of the graph.
    """

    graph: tf.Graph
    photo: tf.Tensor
    outputs: dict[str, tf.Tensor]
    session: tf.compat.v1.Session

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Height and width of the only photos that the graph takes; None where it takes any."""
        _, height, width, _ = self.photo.shape
        return (height, width) if height and width else None

    def values(
        self, tensors: Sequence[tf.Tensor], photo: np.ndarray, given: dict[str, np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Values of tensors for a photo ``[H, W, 3]``; those named in ``given`` have its values."""
        feeds = {self.photo.name: photo[None], **(given or {})}
        with stderr_muted():
            return self.session.run(list(tensors), feeds)

    @cached_property
    def definition(self) -> Any:
        """The graph as a GraphDef."""
        return self.graph.as_graph_def()


def freeze(model: SavedModel) -> Frozen:
    """Variables become constants; the result is independent of ``model``."""
    with stderr_muted():
        constant = convert_variables_to_constants_v2(model.signature, lower_control_flow=False)
    names = output_names(model.signature, constant)
    definition = constant.graph.as_graph_def()
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    photo = graph.get_tensor_by_name(constant.inputs[0].name)
    outputs = {name: graph.get_tensor_by_name(tensor) for name, tensor in names.items()}
    return Frozen(graph, photo, outputs, tf.compat.v1.Session(graph=graph, config=as_written()))


def as_written() -> tf.compat.v1.ConfigProto:
    """Run graphs as they are: each set of tensors is asked for once, so improving the graph never pays."""
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return config


def output_names(signature: Any, constant: Any) -> dict[str, str]:
    """For each of the signature's outputs the tensor of the frozen graph; both list them in one order."""
    flat = tf.nest.flatten(signature.structured_outputs, expand_composites=True)
    structure = tf.nest.pack_sequence_as(signature.structured_outputs, list(range(len(flat))))
    return {name: constant.outputs[place].name for name, place in structure.items()}
