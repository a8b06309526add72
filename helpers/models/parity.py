"""How closely two ways of running one detector agree."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.records import Number
from helpers.lab.units import how_many
from helpers.photos.preprocessing import Preprocessing
from helpers.tasks.detection.tails.selection import Detections


@dataclass(frozen=True)
class Parity:
    """Agreement over some photos.

    Attributes:
        photos: number of photos.
        matched: share of the reference's detections that ours have too, to within ``TOLERANCE``.
        detections: number of the reference's detections.
        unchecked: why nothing was compared (then ``matched`` is NaN); empty if it was.
        among_candidates: share of the reference's detections that ours had before suppression and cut. Of
            boxes with equal scores the last digit decides which survives, in flat drawings of very many; so
            this says whether the network answers alike, and ``matched`` whether all that follows does, too.
    """

    photos: int
    matched: Number
    detections: int
    unchecked: str = ""
    among_candidates: Number = math.nan


TOLERANCE = 1e-3
LEAST_MATCHED = 0.99
MOST_CANDIDATES = 1_000_000
LEAST_SURVIVING = 0.8  # of all, where all that is missing was among the candidates


def matches(reference: Detections, ours: Detections, tolerance: float = TOLERANCE) -> int:
    """How many of the reference's detections have one of ours with the same class, score and box."""
    return int(are_matched(reference, ours, tolerance).sum())


def are_matched(reference: Detections, ours: Detections, tolerance: float = TOLERANCE) -> np.ndarray:
    """Which of the reference's detections those are, bool ``[n]``.

    Of ours there may be hundreds of thousands, candidates of one photo: boxes are compared only where score
    and class are the same.
    """
    found = np.zeros(len(reference.scores), bool)
    rows = zip(reference.boxes, reference.scores, reference.classes, strict=True)
    for place, (box, score, label) in enumerate(rows):
        alike = np.flatnonzero((np.abs(ours.scores - score) < tolerance) & (ours.classes == label))
        found[place] = (np.abs(ours.boxes[alike] - box).max(-1) < tolerance).any()
    return found


def lacking(reference: Detections, ours: Detections) -> Detections:
    """The reference's detections that ours have not."""
    return part(reference, ~are_matched(reference, ours))


def part(found: Detections, kept: np.ndarray) -> Detections:
    return dataclasses.replace(
        found, boxes=found.boxes[kept], scores=found.scores[kept], classes=found.classes[kept]
    )


def on_photo(found: Detections, preprocessing: Preprocessing, height: int, width: int) -> Detections:
    """Boxes relative to the core's input -> relative to the photo of that size, clipped to it."""
    size = (height, width)
    share = np.divide(preprocessing.span(*size), size).astype(np.float32)
    margin = np.divide(preprocessing.margin(*size), size).astype(np.float32)
    boxes = np.clip(found.boxes * np.tile(share, 2) - np.tile(margin, 2), 0, 1)
    return dataclasses.replace(found, boxes=boxes)


def above_threshold(found: Detections, threshold: float) -> Detections:
    """Without what our tail drops for its score, or might: the original may go on far below."""
    return part(found, found.scores > threshold + TOLERANCE)


def summarize(
    pairs: Sequence[tuple[Detections, Detections]], suppressed: Sequence[int] | None = None
) -> Parity:
    """Combine pairs of (reference, our) detections, one per photo.

    Args:
        suppressed: of each photo how many detections of the reference ours have as candidates alone, if that
            is known.
    """
    total = sum(len(reference.scores) for reference, _ in pairs)
    matched = sum(matches(reference, ours) for reference, ours in pairs)
    among = math.nan if suppressed is None else (matched + sum(suppressed)) / max(1, total)
    return Parity(len(pairs), matched / max(1, total), total, among_candidates=among)


def without_suppression(tail: Any) -> Any:
    """The tail that keeps every candidate above its threshold."""
    limits = dataclasses.replace(tail.limits, nms_iou=1.0, most_detections=MOST_CANDIDATES)
    unlimited = {"most_per_class": 0} if hasattr(tail, "most_per_class") else {}
    return dataclasses.replace(tail, limits=limits, **unlimited)


def not_checked(reason: str) -> Parity:
    return Parity(0, math.nan, 0, reason)


def parity_text(parity: Parity) -> str:
    """One sentence for the report."""
    if parity.unchecked:
        return f"Float32 was not checked against the original model: {parity.unchecked}."
    ties = ""
    if parity.matched < LEAST_MATCHED:
        ties = (
            f" It has {parity.among_candidates:.1%} of them before suppression: what is missing are boxes of "
            "nearly equal scores, of which the last digit decides which stays."
        )
    return (
        f"Checked on {how_many(parity.photos, 'photo')}: float32 gives {parity.matched:.1%} of the original "
        f"model's {how_many(parity.detections, 'detection')}, to {TOLERANCE:g}.{ties}"
    )


def require_parity(parity: Parity, name: str) -> None:
    """Raise unless the two agree: a converted core that answers differently must not be measured."""
    alike = parity.among_candidates >= LEAST_MATCHED and parity.matched >= LEAST_SURVIVING
    if parity.matched < LEAST_MATCHED and not alike:
        raise LabError(
            f"{name}: {parity.matched:.1%} of {how_many(parity.detections, 'detection')} of the original "
            f"model on {how_many(parity.photos, 'photo')} are also those of its float32 core, to "
            f"{TOLERANCE:g}.",
            f"at least {LEAST_MATCHED:.0%} in agreement",
            "the preprocessing, the anchors or the tail are not the model's own: report it with the model.",
        )


def agreement(reference: Detections, ours: Detections, least_score: float = 0.3) -> tuple[int, int]:
    """Confident detections of the reference, and how many of them ours find too as confidently."""
    confident = reference.scores >= least_score
    boxes, classes = reference.boxes[confident], reference.classes[confident]
    if not len(boxes) or not len(ours.scores):
        return len(boxes), 0
    overlap = iou(boxes, ours.boxes)
    usable = (classes[:, None] == ours.classes[None]) & (ours.scores >= least_score)[None]
    return len(boxes), int((usable & (overlap >= 0.5)).any(1).sum())


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of boxes ``[N, 4]`` and ``[M, 4]``: ``[N, M]``."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), -1)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], -1) for boxes in (first, second)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-12)
