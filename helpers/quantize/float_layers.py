"""The layers of a float32 core and their weights, whatever file it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.quantize.simulate import channel_axis, open_file, weighted
from helpers.runtimes.catalogue import LITERT, runtime_of
from helpers.runtimes.litert.operator_kinds import WEIGHTS
from helpers.runtimes.litert.reader import content_of


@dataclass(frozen=True)
class FloatLayer:
    """A layer whose weights can be quantized.

    Attributes:
        name: for people; ``operator``: its type.
        weights: float32, in the file's order; ``axis``: that of the output channels.
    """

    name: str
    operator: str
    weights: np.ndarray
    axis: int

    @property
    def rows(self) -> np.ndarray:
        """``[channels, weights of each]``."""
        moved = np.moveaxis(self.weights, self.axis, 0)
        return moved.reshape(len(moved), -1)


def float_layers(path: Path) -> list[FloatLayer]:
    """In order of execution; a constant that several layers read once."""
    content = path.read_bytes()
    return list(of_tflite(content) if runtime_of(path) == LITERT.id else of_onnx(content))


def of_tflite(content: bytes) -> Iterator[FloatLayer]:
    opened = open_file(content)
    for operator in weighted(opened)[0]:
        tensor = operator.inputs[WEIGHTS]
        weights = np.frombuffer(content_of(opened.model, tensor.buffer), "<f4").reshape(tensor.shape)
        yield FloatLayer(opened.names[operator.index], operator.type, weights, channel_axis(operator))


def of_onnx(content: bytes) -> Iterator[FloatLayer]:
    import onnx

    from helpers.quantize import simulate_onnx

    graph = onnx.load_from_string(content).graph
    stored = {each.name: each for each in graph.initializer}
    for name, node in simulate_onnx.weighted(graph)[0].items():
        weights = onnx.numpy_helper.to_array(stored[name])
        yield FloatLayer(simulate_onnx.name_of(node), node.op_type, weights, simulate_onnx.channel_axis(node))
