"""Activations that are rounded as the int8 file rounds them, with learned steps."""

import numpy as np
import tensorflow as tf

from helpers.quantize.trained.grids import activation_grids
from helpers.runtimes.litert.graph import Graph, Operator, Tensor

LOWEST, HIGHEST = -128, 127


class RoundedActivations(tf.Module):
    """The grids of an int8 file: each has one step, learned as those of weights are; zero points stay.

    Args:
        graph: of the file.
    """

    def __init__(self, graph: Graph):
        super().__init__()
        self.grids = activation_grids(graph)
        self.growth = tf.Variable(tf.zeros(len(self.grids)), name="growth")
        self.first = tf.constant([grid.scale for grid in self.grids], tf.float32)
        self.free = tf.constant([float(not grid.fixed) for grid in self.grids], tf.float32)
        self._grid_of = {tensor: n for n, grid in enumerate(self.grids) for tensor in grid.tensors}
        self._copies = {tensor for grid in self.grids for tensor in grid.copies}

    def steps(self) -> tf.Tensor:
        """``[grids]``."""
        return self.first * tf.exp(self.growth * self.free)

    def step(self, tensor: Tensor) -> tf.Tensor | None:
        number = self._grid_of.get(tensor.index)
        return None if number is None else self.steps()[number]

    def rounded(self, tensor: Tensor, value: tf.Tensor) -> tf.Tensor:
        """On the tensor's grid: with the gradients of ``rounding``."""
        step = self.step(tensor)
        if step is None or tensor.index in self._copies:
            return value
        zero = self.grids[self._grid_of[tensor.index]].zero_point
        inside = tf.clip_by_value(value / step, float(LOWEST - zero), float(HIGHEST - zero))
        return (inside + tf.stop_gradient(tf.round(inside) - inside)) * step

    def read(
        self, operator: Operator, tensor: Tensor, value: tf.Tensor | np.ndarray
    ) -> tf.Tensor | np.ndarray:
        """Where a file stores a tensor anew, an operator of it says so."""
        return value

    def trained(self) -> tuple[np.ndarray, np.ndarray]:
        """Scales float32 and zero points int32 ``[grids]``."""
        return self.steps().numpy(), np.array([grid.zero_point for grid in self.grids], np.int32)
