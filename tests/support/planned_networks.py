"""Plans of made-up networks, what their files answer, and faults planted in them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from helpers.quantize.cures.observed import observe
from helpers.quantize.cures.plan import Plan, Range
from helpers.quantize.cures.planned import along
from helpers.quantize.cures.writing import weight_steps
from helpers.quantize.recipes.cured_weights import planned_codes
from helpers.quantize.simulate import channel_axis
from helpers.quantize.trained.constants import floats, whole_model
from helpers.quantize.trained.int8_file import set_constant
from helpers.quantize.trained.weight_file import replaced, with_own_biases
from helpers.runtimes.litert.graph import Graph
from helpers.runtimes.litert.kept_tensors import Running
from helpers.runtimes.litert.reader import graph_of
from tests.support.training_networks import SHAPE


def photos(count: int = 24, seed: int = 5) -> list[np.ndarray]:
    """Core inputs, smooth as photos are, -1..1."""
    generator = np.random.default_rng(seed)
    levels = generator.uniform(-0.7, 0.7, (count, 1, 1, 1, SHAPE[-1]))
    noise = generator.normal(0, 0.2, (count, *SHAPE))
    return list(np.clip(levels + noise, -1, 1).astype(np.float32))


def graph_in(content: bytes) -> Graph:
    return graph_of(whole_model(content), len(content))


def min_max_plan(content: bytes, seen: Sequence[np.ndarray]) -> Plan:
    found = observe(content, graph_in(content), seen)
    return Plan({name: Range.around(s.low.min(), s.high.max()) for name, s in found.items()})


def answers(content: bytes, given: Sequence[np.ndarray]) -> np.ndarray:
    """Of the file's first output, one row a photo."""
    running, rows = Running(content), []
    output = graph_in(content).outputs[0].index
    for photo in given:
        running.set(running.inputs[0], photo)
        running.invoke()
        rows.append(running.values(output))
    return np.concatenate(rows)


def error(content: bytes, exact: bytes, given: Sequence[np.ndarray]) -> float:
    """Mean squared error over the exact answers' variance."""
    wanted = answers(exact, given)
    return float(np.mean((answers(content, given) - wanted) ** 2) / wanted.var())


def weights_in(content: bytes) -> dict[str, tuple[np.ndarray, int]]:
    """Tensor's name -> float32 weights and the axis of their channels."""
    model = whole_model(content)
    return {
        op.weights.name: (floats(model, op.weights.buffer).reshape(op.weights.shape), channel_axis(op))
        for op in graph_in(content).convolutions
    }


def with_weights(content: bytes, change) -> bytes:
    """The file with ``change(weights)`` in place of each layer's."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = whole_model(content)
    for op in graph_in(content).convolutions:
        values = floats(model, op.weights.buffer).reshape(op.weights.shape).copy()
        set_constant(model, model.subgraphs[0].tensors[op.weights.index], np.float32(change(values)))
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def rounded_down(content: bytes, plan: Plan) -> Plan:
    """A biased rounding: every weight takes the code below it."""
    codes = {}
    for name, (values, axis) in weights_in(content).items():
        steps = weight_steps(values, axis, plan, name).reshape(along(axis, values.ndim))
        top = 2 ** (plan.weight_bits - 1) - 1
        codes[name] = np.clip(np.floor(values / steps), -top, top).astype(np.int8)
    return replace(plan, codes=codes)


def with_planned_weights(content: bytes, plan: Plan) -> bytes:
    """float32, with the weights and biases that a plan leaves."""
    own = with_own_biases(content)
    return replaced(own, *planned_codes(own, plan, "test")).content
