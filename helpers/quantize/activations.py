"""Values of the tensors on the way through a ``.tflite`` file, photo by photo."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from helpers.runtimes.litert.graph import Graph, Tensor
from helpers.runtimes.litert.kept_tensors import Running


def float_tensors(graph: Graph) -> list[Tensor]:
    """Inputs of the graph and what its operators make, float32 alone."""
    made = [tensor for operator in graph.operators for tensor in operator.outputs]
    return [tensor for tensor in (*graph.inputs, *made) if tensor.dtype == "float32"]


def activations(graph: Graph) -> list[Tensor]:
    """Those that a photo changes."""
    return [tensor for tensor in float_tensors(graph) if not graph.is_fixed(tensor)]


def each_photo(
    content: bytes,
    tensors: Sequence[Tensor],
    photos: Iterable[np.ndarray],
    look: Callable[[Tensor, np.ndarray], None],
) -> None:
    """Run the file on each photo; call ``look`` with each of the tensors and its values."""
    running = Running(content)
    for photo in photos:
        running.set(running.inputs[0], photo)
        running.invoke()
        for tensor in tensors:
            look(tensor, running.values(tensor.index))
