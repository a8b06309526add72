"""Whether a tail answers as a graph does, tried on values that are chosen for its heads."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.models.savedmodels.follow import Found
from helpers.models.savedmodels.freeze import Frozen
from helpers.models.savedmodels.suppression import Suppression
from helpers.tasks.detection.tails.selection import Detections, Limits

OBJECTS = 60
QUIET_LOGIT, LEAST_SCORE = -8.0, 0.01
TOLERANCE, LEAST_SHARED = 1e-4, 0.95


@dataclass(frozen=True)
class Output:
    """One output of a core.

    Attributes:
        source: the graph's tensor.
        shape: what it is reshaped to.
        divisor: what it is then divided by, one number or one per last axis.
    """

    source: Found
    shape: tuple[int, ...]
    divisor: tuple[float, ...] = (1.0,)


@dataclass(frozen=True)
class Plan:
    """How a graph is cut.

    Attributes:
        outputs: of the core, by name.
        tail: what follows it.
        decodes: whether the core holds the decoding of boxes and scores.
    """

    outputs: dict[str, Output]
    tail: Any
    decodes: bool = False


def detect(frozen: Frozen, photo: np.ndarray, given: dict | None = None) -> Detections:
    """The graph's own detections, boxes clipped to 0..1."""
    names = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
    values = frozen.values([frozen.outputs[name] for name in names], photo, given)
    return as_detections(*values)


def as_detections(
    boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, count: np.ndarray
) -> Detections:
    """Outputs with the batch axis -> ``Detections``, best first."""
    kept = np.argsort(-scores[0, : int(count[0])], kind="stable")
    return Detections(np.clip(boxes[0][kept], 0, 1), scores[0][kept], classes[0][kept].astype(np.int32))


def agrees(
    frozen: Frozen, photo: np.ndarray, facts: Suppression, plan: Plan, heads: dict[str, np.ndarray]
) -> bool:
    """Whether graph and tail, both given ``heads`` by the names of the core's outputs, detect the same.

    The tail has the graph's own limits here, not those that are wanted of it later.
    """
    given = {
        output.source.tensor.name: (heads[name] * np.float32(output.divisor)).reshape(output.source.shape)
        for name, output in plan.outputs.items()
    }
    # Not the photo that anchors were solved with: nothing but the heads may come from it.
    theirs = detect(frozen, 255 - photo, given)
    least = max(LEAST_SCORE, facts.score_threshold or 0.0)
    limits = Limits(plan.tail.limits.nms_iou, least, facts.most_detections)
    ours = dataclasses.replace(plan.tail, limits=limits)(heads)
    return min(shared(theirs, ours, least), shared(ours, theirs, least)) >= LEAST_SHARED


def shared(first: Detections, second: Detections, least: float) -> float:
    """Share of the first's detections of at least a score that the second has too; 0 where there are none."""
    kept = first.scores > least
    if not kept.any() or not len(second.scores):
        return 0.0
    same = first.classes[kept, None] == second.classes[None]
    same &= np.abs(first.scores[kept, None] - second.scores[None]) < TOLERANCE
    same &= np.abs(first.boxes[kept, None] - second.boxes[None]).max(-1) < TOLERANCE
    return float(same.any(1).mean())


def some_objects(places: int, classes: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Places and classes, ``[OBJECTS]`` each, of a few objects; first and last class are among them."""
    labels = generator.integers(0, classes, OBJECTS)
    labels[:10], labels[10:15] = 0, classes - 1
    return generator.integers(0, places, OBJECTS), labels


def some_logits(places: int, classes: int, generator: np.random.Generator) -> np.ndarray:
    """float32 ``[places, classes]``: low, but for a few objects."""
    logits = generator.uniform(QUIET_LOGIT - 1, QUIET_LOGIT, (places, classes)).astype(np.float32)
    logits[some_objects(places, classes, generator)] = generator.uniform(-2, 3, OBJECTS)
    return logits
