"""How closely two ways of running one detector agree."""

from dataclasses import dataclass

import numpy as np

from helpers.errors import LabError
from helpers.tails.selection import Detections


@dataclass(frozen=True)
class Parity:
    """Agreement over some photos.

    Attributes:
        photos: number of photos.
        raw_score: largest difference between raw scores, 0..1.
        raw_box: largest difference between raw box corners, relative to 0..1.
        matched: share of the reference's detections that ours have too, to within ``TOLERANCE``.
        detections: number of the reference's detections.
    """

    photos: int
    raw_score: float
    raw_box: float
    matched: float
    detections: int


TOLERANCE = 1e-3
LEAST_MATCHED = 0.99


def matches(reference: Detections, ours: Detections, tolerance: float = TOLERANCE) -> int:
    """How many of the reference's detections have one of ours with the same class, score and box."""
    if not len(reference.scores) or not len(ours.scores):
        return 0
    same_class = reference.classes[:, None] == ours.classes[None]
    score_gap = np.abs(reference.scores[:, None] - ours.scores[None])
    box_gap = np.abs(reference.boxes[:, None] - ours.boxes[None]).max(-1)
    return int((same_class & (score_gap < tolerance) & (box_gap < tolerance)).any(1).sum())


def summarize(raw_gaps: list[tuple[float, float]], pairs: list[tuple[Detections, Detections]]) -> Parity:
    """Combine per-photo gaps of raw (scores, boxes) and pairs of (reference, our) detections."""
    total = sum(len(reference.scores) for reference, _ in pairs)
    matched = sum(matches(reference, ours) for reference, ours in pairs)
    score, box = np.max(raw_gaps, axis=0)
    return Parity(len(pairs), float(score), float(box), matched / max(1, total), total)


def require_parity(parity: Parity, name: str) -> None:
    """Raise unless the two agree: a converted core that answers differently must not be measured."""
    if parity.raw_score > TOLERANCE or parity.raw_box > TOLERANCE or parity.matched < LEAST_MATCHED:
        raise LabError(
            f"{name}: raw scores differ by up to {parity.raw_score:.2g}, boxes by {parity.raw_box:.2g}, "
            f"{parity.matched:.1%} of the detections agree.",
            f"differences below {TOLERANCE:g} and at least {LEAST_MATCHED:.0%} in agreement",
            "check that preprocessing, anchors and tail in helpers/models.py are those of the SavedModel.",
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
