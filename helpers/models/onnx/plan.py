"""How a network is understood and cut: the design that its outputs prove, a core, and the tail after it."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.models.designs.catalogue import Design, get_design, unknown_design
from helpers.models.designs.shapes import Reading
from helpers.models.designs.whole import WholeTail, whole_tails
from helpers.models.onnx import anchors, cut, heads, trial
from helpers.models.onnx.follow import initializers, makers
from helpers.models.onnx.heads import Head
from helpers.models.onnx.network import Network
from helpers.models.onnx.outputs import fitting
from helpers.tasks.detection.limits import Limits
from helpers.tasks.detection.tails.cell_heads import CellHeadsTail


@dataclass(frozen=True)
class Understood:
    """What the whole graph's outputs are.

    Attributes:
        design: by which photos are prepared.
        reading: by shapes.
        tail: of the outputs, whole.
        images, answers: inputs on which cores are tried, and what the whole graph answers to them.
    """

    design: Design
    reading: Reading
    tail: WholeTail
    images: list[np.ndarray]
    answers: list[dict[str, np.ndarray]]


@dataclass(frozen=True)
class Plan:
    """A core and what follows it.

    Attributes:
        core: ``ModelProto``.
        tail: after it.
        notes: what the cut means for the numbers.
    """

    core: Any
    tail: Any
    notes: tuple[str, ...] = ()


def understand(network: Network, classes: int, named: str, limits: Limits) -> Iterator[Understood]:
    """What the outputs may be, one after the other; values contradict what is left out.

    Raises:
        LabError: nothing is known that the outputs could be, or the label map has another number of names.
    """
    for reading in fitting(network, classes, named):
        design = design_of(network, reading, named)
        images = trial.trial_images(network, design.scale[0], design.offsets[0])
        answers = trial.all_answers(network.model, images, network)
        for tail in whole_tails(reading, answers[0], network.size, classes, limits):
            yield Understood(design, reading, tail, images, answers)


def design_of(network: Network, reading: Reading, named: str) -> Design:
    """By which photos are prepared: as the user says, as the exporter notes, as the shapes tell.

    Raises:
        LabError: nobody says.
    """
    if name := named or (reading.design is None and network.told):
        return get_design(name)
    if reading.design is None:
        raise unknown_design(network.path, network.outputs, "any, with suppression inside")
    return reading.design


def head_plans(network: Network, known: Understood) -> Iterator[Plan]:
    """Cores that end in raw heads, one per way to see them in the graph."""
    if known.reading.kind != "cells":
        return
    for found in heads.ways(network, known.reading):
        if can_be_cut(network, found) and (tail := head_tail(network, known, found)):
            yield Plan(cut.core(network, found), tail)


def can_be_cut(network: Network, found: dict[str, Head]) -> bool:
    """Whether the filters of all convolutions that are to be split lie in the file, and are not grouped."""
    made, stored = makers(network.model), initializers(network.model)
    split = [made[head.tensor] for head in found.values() if head.channels]
    grouped = [part.i for node in split for part in node.attribute if part.name == "group"]
    return all(set(node.input[1:]) <= set(stored) for node in split) and set(grouped) <= {1}


def head_tail(network: Network, known: Understood, found: dict[str, Head]) -> CellHeadsTail | None:
    reading = known.reading
    tail = CellHeadsTail(
        network.size, reading.strides, reading.design.decoding, reading.classes, known.tail.limits,
        reading.design.objectness, reading.design.offset, clipped=reading.design.clipped,
    )  # fmt: skip
    if tail.decoding != "anchors":
        return tail
    tensors = [head.tensor for head in found.values()]
    inner = trial.all_answers(cut.with_outputs(network.model, tensors), known.images[:1], network)[0]
    boxes = known.tail.candidates(inner)[0]
    sides = anchors.solved(reading, found, inner, boxes, network.size)
    return dataclasses.replace(tail, anchors=sides) if sides else None


def whole_plan(network: Network, known: Understood) -> Plan:
    """The graph as it is: what cannot be cut, and what has suppression inside."""
    core = cut.core(network, {name: Head(name) for name in known.tail.outputs})
    if len(network.outputs) > 1 and known.reading.kind == "queries":
        return Plan(core, known.tail)
    if known.reading.kind == "found":
        note = (
            f"{network.path.name} gives finished detections: it decodes boxes, chooses and suppresses by its "
            "own rules and limits. This is part of its latency and energy, in all of its forms, and what it "
            "drops no tail brings back."
        )
    else:
        note = (
            f"{network.path.name} could not be cut before its boxes are decoded: the whole graph is the "
            "core, and boxes and scores that share a tensor share a scale."
        )
    return Plan(core, known.tail, (note,))
