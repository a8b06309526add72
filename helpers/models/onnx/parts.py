"""The second way to cut: boxes are decoded in the core, but boxes and scores are outputs of their own."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from helpers.models.onnx import cut
from helpers.models.onnx.follow import makers
from helpers.models.onnx.heads import Head
from helpers.models.onnx.network import Network
from helpers.models.onnx.plan import Plan, Understood
from helpers.tasks.detection.tails.joined_rows import JoinedRowsTail

PASSING = ("Transpose", "Identity")
TURN = (0, 2, 1)


def part_plans(network: Network, known: Understood) -> Iterator[Plan]:
    """The cut before the concatenation that an output ends in, if it does."""
    if known.reading.kind == "found" or len(known.tail.outputs) != 1:
        return
    turned, tensors = joined(network, known.tail.outputs[0])
    first = getattr(known.tail, "columns_first", False) != turned
    if not tensors or (first and not isinstance(known.tail, JoinedRowsTail)):
        return
    axis, tensors = tensors
    if axis != (1 if first else 2):
        return
    names = [f"part_{i}" for i in range(len(tensors))]
    core = cut.core(network, {name: Head(tensor) for name, tensor in zip(names, tensors, strict=True)})
    facts = {"columns_first": first} if isinstance(known.tail, JoinedRowsTail) else {}
    note = (
        f"{network.path.name} was cut where boxes and scores are joined: its core decodes boxes, which are "
        "an output of their own."
    )
    yield Plan(core, dataclasses.replace(known.tail, outputs=tuple(names), **facts), (note,))


def joined(network: Network, output: str) -> tuple[bool, tuple[int, list[str]] | tuple[()]]:
    """Whether rows and columns are swapped on the way to an output, and axis and tensors of its parts."""
    made, turned = makers(network.model), False
    node = made[output]
    while node.op_type in PASSING and (before := made.get(node.input[0])) is not None:
        turned, node = turned != is_turn(node), before
    if node.op_type != "Concat" or len(set(node.input)) != len(node.input):
        return turned, ()
    axis = next(part.i for part in node.attribute if part.name == "axis")
    return turned, (axis % len(network.outputs[output]), list(node.input))


def is_turn(node: Any) -> bool:
    return any(part.name == "perm" and tuple(part.ints) == TURN for part in node.attribute)
