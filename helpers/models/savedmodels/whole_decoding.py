"""The second way to cut: the decoding of boxes and scores stays inside the core."""

import itertools
from collections.abc import Iterator

import numpy as np

from helpers.models.savedmodels.follow import Found, above, after_network, sized
from helpers.models.savedmodels.freeze import Frozen
from helpers.models.savedmodels.suppression import Suppression
from helpers.models.savedmodels.trial import OBJECTS, Output, Plan, agrees, some_objects
from helpers.tasks.detection.tails.boxes_scores import BoxesScoresTail
from helpers.tasks.detection.tails.selection import Limits

MOST_TRIED = 8
NETWORK_SCOPE, DECODE_SCOPE = "network", "decode"
# By the names of their results in the .tflite. A convolution that took in what follows it has both scopes'
# names, and belongs to the network; results that are the core's outputs are named after the whole function.
FLOAT_OPERATORS = (rf"^(?!.*\b{NETWORK_SCOPE}/).*\b{DECODE_SCOPE}/", r"^(Stateful)?PartitionedCall:\d")


def find(frozen: Frozen, photo: np.ndarray, facts: Suppression, wanted: Limits) -> Plan | None:
    """The cut, proven on random boxes and scores; ``None`` where the graph never has all of them."""
    units = ((1.0,), tuple(map(float, photo.shape[:2] * 2)))
    for boxes, scores in boxes_and_scores(frozen, photo):
        for unit, background in itertools.product(units, (False, True)):
            count, classes = scores.shape[-2:]
            outputs = {
                "boxes": Output(boxes, (1, count, 4), unit),
                "scores": Output(scores, (1, count, classes)),
            }
            tail = BoxesScoresTail(facts.limits(wanted), background, facts.per_class, FLOAT_OPERATORS)
            plan = Plan(outputs, tail, decodes=True)
            if agrees(frozen, photo, facts, plan, some_heads(count, classes)):
                return plan
    return None


def boxes_and_scores(frozen: Frozen, photo: np.ndarray) -> Iterator[tuple[Found, Found]]:
    """Boxes ``[.., N, 4]`` and scores ``[.., N, C]`` before suppression: largest first, then last made."""
    operators = after_network(frozen)
    boxing, scoring = (above([frozen.outputs[f"detection_{name}"]]) for name in ("boxes", "scores"))
    rows = [found for found in sized(frozen, operators, photo) if is_rows(found)]
    rows.reverse()
    scores = sorted((f for f in rows if f.tensor.op in scoring), key=lambda f: -f.size)
    for score in scores[:MOST_TRIED]:
        same = [f for f in rows if f.tensor.op in boxing and f.shape[-2:] == (score.shape[-2], 4)]
        boxes = [f for f in same if f.tensor is not score.tensor]
        yield from ((box, score) for box in boxes[:MOST_TRIED])


def is_rows(found: Found) -> bool:
    return len(found.shape) >= 2 and found.size == np.prod(found.shape[-2:])


def some_heads(count: int, classes: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(3)
    corners = generator.uniform(0, 0.7, (count, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(0.05, 0.3, (count, 2))], 1)
    scores = generator.uniform(0, 1e-3, (count, classes))
    scores[some_objects(count, classes, generator)] = generator.uniform(0.1, 0.95, OBJECTS)
    return {"boxes": boxes.astype(np.float32)[None], "scores": scores.astype(np.float32)[None]}
