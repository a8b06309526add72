"""Cutting designs without anchors whose objects are peaks of heat maps: CenterNet and its like."""

import itertools
from collections.abc import Iterator

import numpy as np

from helpers.models.savedmodels.follow import Found, above, after_network, below, sized, sized_one
from helpers.models.savedmodels.freeze import Frozen
from helpers.models.savedmodels.suppression import Suppression
from helpers.models.savedmodels.trial import Output, Plan, agrees, some_logits
from helpers.tasks.detection.tails.centernet import CenterNetTail
from helpers.tasks.detection.tails.selection import Limits


def find(frozen: Frozen, photo: np.ndarray, facts: Suppression, wanted: Limits) -> Plan | None:
    """The cut, proven on random heads; ``None`` where the graph is no such design."""
    for heat_map, peak_side in heat_maps(frozen, photo):
        tail = CenterNetTail(facts.limits(wanted), peak_side)
        for offsets, sizes in itertools.permutations(pairs(frozen, photo, heat_map), 2):
            sources = {"heat_map": heat_map, "offsets": offsets, "sizes": sizes}
            plan = Plan({name: Output(found, found.shape) for name, found in sources.items()}, tail)
            if agrees(frozen, photo, facts, plan, some_heads(heat_map.shape)):
                return plan
    return None


def heat_maps(frozen: Frozen, photo: np.ndarray) -> Iterator[tuple[Found, int]]:
    """Logits ``[1, h, w, C]`` whose sigmoid is pooled to find peaks, and the side of the pooling's square."""
    operators = after_network(frozen)
    scoring = above([frozen.outputs["detection_scores"]])
    for converter in operators:
        if converter.type != "Sigmoid" or converter not in scoring:
            continue
        after = below([converter])
        pools = [op for op in operators if op.type == "MaxPool" and op in after]
        logits = sized_one(frozen, converter.inputs[0], photo)
        if pools and len(logits.shape) == 4:
            yield logits, int(pools[0].get_attr("ksize")[1])


def pairs(frozen: Frozen, photo: np.ndarray, heat_map: Found) -> list[Found]:
    """Tensors ``[1, h, w, 2]`` of the heat map's size: of those made from each other the last one."""
    wanted = (*heat_map.shape[:3], 2)
    boxing = above([frozen.outputs["detection_boxes"]])
    operators = [op for op in after_network(frozen) if op in boxing]
    found = [f for f in sized(frozen, operators, photo) if f.shape == wanted]
    read = {tensor.name for f in found for tensor in f.tensor.op.inputs}
    return [f for f in found if f.tensor.name not in read and f.tensor is not heat_map.tensor]


def some_heads(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(2)
    _, height, width, classes = shape
    return {
        "heat_map": some_logits(height * width, classes, generator).reshape(shape),
        "offsets": generator.uniform(0, 1, (1, height, width, 2)).astype(np.float32),
        "sizes": generator.uniform(-1, height / 4, (1, height, width, 2)).astype(np.float32),
    }
