"""A float32 core and its rounded form, walked side by side through the same photos, operator by operator."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from helpers.lab.progress import progress
from helpers.quantize.cures.kernels import GIVEN, ONE_GRID
from helpers.quantize.cures.plan import HIGHEST, LOWEST, Plan, Range
from helpers.quantize.cures.writing import integer_operators, settled_ranges, weight_codes, weight_steps
from helpers.quantize.simulate import channel_axis
from helpers.quantize.trainable.network import Network
from helpers.quantize.trainable.operators import Call, activated, computed
from helpers.quantize.trained.constants import bias_place, floats
from helpers.runtimes.litert.graph import Graph, Operator, Tensor
from helpers.runtimes.litert.operator_kinds import WEIGHTS

# Of photos that walk a network together: what they may take, and how often what is alive of one is there: in
# float32's network and in the rounded one, before and behind an operator, with what TensorFlow needs between.
TOGETHER_BYTES, COPIES_ALIVE, FEWEST_TOGETHER = 3e9, 6, 4


class PlannedActivations(tf.Module):
    """What the int8 file of a plan rounds between its layers; one step for each of its ranges, which training
    can move.

    Args:
        graph: of the float32 file.
        plan: one without ranges rounds no activations.
        fused: round by TensorFlow's one operator, several times as fast with its gradient; numbers that lie
            between two levels exactly go up, where LiteRT takes the even one.
    """

    def __init__(self, graph: Graph, plan: Plan, fused: bool = False):
        super().__init__()
        self.on_grid = on_grid_fused if fused else on_grid
        self.plan, self.whole = plan, integer_operators(graph, plan)
        self.ranges = settled_ranges(graph, plan, self.whole)
        self.made = {t.index for op in graph.operators if op.index in self.whole for t in op.outputs}
        self.grids = list(dict.fromkeys(self.ranges.values()))
        self._of = {tensor: self.grids.index(grid) for tensor, grid in self.ranges.items()}
        self.free = tf.constant([float(n not in self.held(graph)) for n in range(len(self.grids))])
        self.growth = tf.Variable(tf.zeros(len(self.grids)), name="growth")

    def held(self, graph: Graph) -> set[int]:
        """Grids that a kernel gives, or that follow from several others."""
        kept = [t for op in graph.operators if op.type in GIVEN for t in op.outputs]
        apart = [op for op in graph.operators if op.outputs and op.outputs[0].name in self.plan.apart]
        kept += [t for op in apart for t in (*op.inputs, *op.outputs)]
        return {self._of[t.index] for t in kept if t.index in self._of}

    def grid_step(self, tensor: int) -> tf.Tensor:
        n = self._of[tensor]
        return tf.constant(self.grids[n].step, tf.float32) * tf.exp(self.growth[n] * self.free[n])

    def step(self, tensor: Tensor) -> tf.Tensor | None:
        return self.grid_step(tensor.index) if tensor.index in self.ranges and self.whole else None

    def rounded(self, tensor: Tensor, value: tf.Tensor) -> tf.Tensor:
        if tensor.index not in self.made:
            return value
        return self.on_grid(value, self.grid_step(tensor.index), self.ranges[tensor.index].zero_point)

    def read(
        self, operator: Operator, tensor: Tensor, value: tf.Tensor | np.ndarray
    ) -> tf.Tensor | np.ndarray:
        if operator.index not in self.whole or tensor.dtype != "float32":
            return value
        if tensor.constant:
            return value if operator.weights is not None else self.constant(operator, value)
        source = operator.outputs[0] if self.stored_anew(operator, tensor) else tensor
        grid = self.ranges[source.index]
        if tensor.index in self.made and self.ranges[tensor.index] == grid:
            return value
        return self.on_grid(value, self.grid_step(source.index), grid.zero_point)

    def stored_anew(self, operator: Operator, tensor: Tensor) -> bool:
        made = operator.outputs[0]
        differs = operator.type in ONE_GRID and self.ranges[tensor.index] != self.ranges[made.index]
        return made.name in self.plan.apart or differs

    def constant(self, operator: Operator, value: np.ndarray) -> np.ndarray:
        own = Range.around(value.min(), value.max())
        grid = self.ranges[operator.outputs[0].index] if operator.type in ONE_GRID else own
        levels = np.clip(np.rint(value / grid.step) + grid.zero_point, LOWEST, HIGHEST)
        return np.float32((levels - grid.zero_point) * grid.step)

    def trained(self, graph: Graph) -> dict[str, Range]:
        """Tensor's name -> its range now, of all that the plan has ranges for."""
        factors = np.exp(self.growth.numpy() * self.free.numpy()).astype(float)
        found = dict(self.plan.ranges)
        for tensor in graph.tensors:
            if tensor.index in self._of and factors[self._of[tensor.index]] != 1:
                n = self._of[tensor.index]
                found[tensor.name] = Range(self.grids[n].low * factors[n], self.grids[n].high * factors[n])
        return found


def on_grid(value: tf.Tensor, step: tf.Tensor, zero: int) -> tf.Tensor:
    """Rounded to int8's levels; the gradient is 1 on the grid and 0 beyond its ends."""
    inside = tf.clip_by_value(value / step, float(LOWEST - zero), float(HIGHEST - zero))
    return (inside + tf.stop_gradient(tf.round(inside) - inside)) * step


def on_grid_fused(value: tf.Tensor, step: tf.Tensor, zero: int) -> tf.Tensor:
    """As ``on_grid``; the step has a gradient from numbers beyond the ends alone."""
    low, high = float(LOWEST - zero), float(HIGHEST - zero)
    return tf.quantization.fake_quant_with_min_max_vars(value, low * step, high * step)


def rounded_convolutions(graph: Graph, plan: Plan) -> set[int]:
    """Operators whose weights are on the plan's grid: without ranges, all that may be."""
    if plan.ranges:
        whole = integer_operators(graph, plan)
        return {operator.index for operator in graph.convolutions if operator.index in whole}
    return {
        operator.index
        for operator in graph.convolutions
        if operator.weights.constant and operator.weights.dtype == "float32"
        and operator.outputs[0].name not in plan.floats
    }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Meeting:
    """A convolution where both walks have come to, before its fused activation.

    Attributes:
        weights: float32, of the file's shape; ``axis``: of their channels.
        image: what the float32 network gives it, ``rounded_image``: what the rounded one does.
        exact: float32's output ``[B, ..., channels]``, with its bias.
        bias: float32 ``[channels]``, of the float32 file.
    """

    network: Network
    operator: Operator
    weights: np.ndarray
    axis: int
    image: tf.Tensor
    rounded_image: tf.Tensor
    exact: tf.Tensor
    bias: np.ndarray
    inputs: Sequence[tf.Tensor | np.ndarray]

    @property
    def name(self) -> str:
        """By which a plan calls the operator."""
        return self.operator.outputs[0].name

    def planned_weights(self, plan: Plan) -> np.ndarray:
        """float32: as the plan rounds them."""
        name = self.operator.weights.name
        steps = weight_steps(self.weights, self.axis, plan, name)
        codes = weight_codes(self.weights, steps, self.axis, plan, name)
        return codes.astype(np.float32) * steps.reshape(along(self.axis, self.weights.ndim))

    def planned_bias(self, plan: Plan) -> np.ndarray:
        return np.float32(self.bias + plan.biases.get(self.name, 0))

    def made(self, plan: Plan) -> tf.Tensor:
        """The rounded network's output by a plan, as ``exact`` is."""
        inputs = list(self.inputs)
        inputs[WEIGHTS] = self.planned_weights(plan)
        call = Call(self.operator.type, self.network.options(self.operator), inputs, self.exact.shape)
        return computed(call) + self.planned_bias(plan)


def along(axis: int, dimensions: int) -> tuple[int, ...]:
    """Shape of a channels' vector that lies along ``axis``."""
    return tuple(-1 if each == axis else 1 for each in range(dimensions))


def met(
    content: bytes, plan: Plan, photos: Sequence[np.ndarray], change: Callable[[Meeting, Plan], Plan]
) -> Plan:
    """Walk both networks; at each rounded convolution ``change`` gives the plan to go on with.

    Of a network with large maps fewer photos are taken: all go through it together.

    Raises:
        LabError: the network has an operator that is not known here.
    """
    exact = Network(content, (), ())
    graph = exact.graph
    activations = PlannedActivations(graph, plan)
    rounded = Network(content, (), (), activations)
    chosen, last = rounded_convolutions(graph, plan), last_readers(graph)
    fitting = max(FEWEST_TOGETHER, int(TOGETHER_BYTES / (COPIES_ALIVE * max(graph.alive_bytes, 1))))
    image = tf.constant(np.concatenate(evenly(photos, fitting)))
    values, stored = {graph.inputs[0].index: image}, {graph.inputs[0].index: image}
    for operator in progress(graph.operators, "layer by layer", "operator"):
        made = exact.product(operator, values, ())
        if operator.index in chosen:
            meeting = meeting_at(exact, rounded, operator, values, stored, made)
            plan = change(meeting, plan)
            kept = meeting.made(plan)
        else:
            kept = rounded.product(operator, stored, ())
        output, options = operator.outputs[0], exact.options(operator)
        values[output.index] = activated(made, options)
        stored[output.index] = activations.rounded(output, activated(kept, options))
        for done in last.get(operator.index, ()):
            values.pop(done, None), stored.pop(done, None)
    return plan


def meeting_at(
    exact: Network,
    rounded: Network,
    operator: Operator,
    values: Mapping[int, tf.Tensor],
    stored: Mapping[int, tf.Tensor],
    made: tf.Tensor,
) -> Meeting:
    inputs = rounded.inputs(operator, stored)
    place = bias_place(operator.type)
    bias = np.zeros(operator.channels, np.float32)
    if len(inputs) > place:
        bias = np.asarray(inputs[place], np.float32)
    where = 2 if operator.type == "TRANSPOSE_CONV" else 0
    weights = floats(exact.model, operator.weights.buffer).reshape(operator.weights.shape)
    return Meeting(
        exact, operator, weights, channel_axis(operator), values[operator.image.index], inputs[where], made,
        bias, inputs,
    )  # fmt: skip


def last_readers(graph: Graph) -> dict[int, list[int]]:
    """Operator -> tensors that nobody reads after it, but for outputs."""
    last = {t.index: op.index for op in graph.operators for t in (*op.outputs, *op.inputs)}
    kept = {t.index for t in graph.outputs}
    found: dict[int, list[int]] = {}
    for tensor, operator in last.items():
        if tensor not in kept:
            found.setdefault(operator, []).append(tensor)
    return found


def evenly(photos: Sequence[np.ndarray], most: int) -> list[np.ndarray]:
    """At most ``most`` of them, from all over."""
    places: Iterable[int] = np.linspace(0, len(photos) - 1, min(most, len(photos))).round().astype(int)
    return [photos[n] for n in places]
