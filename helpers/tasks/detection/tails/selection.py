"""From scores of all candidates to the detections of one image: threshold, suppression, the best."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from helpers.tasks.detection.limits import Limits


@dataclass(frozen=True)
class Detections:
    """Detections of one image, best first.

    Attributes:
        boxes: float32 ``[n, 4]``, (ymin, xmin, ymax, xmax), relative to the core's input, 0..1.
        scores: float32 ``[n]``, 0..1.
        classes: int32 ``[n]``, 1-based.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


def select(
    ranking: np.ndarray, floor: float, decode: Callable[[np.ndarray], np.ndarray], limits: Limits
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best candidates that survive non-maximum suppression within their class.

    Args:
        ranking: float ``[N, classes]``, what candidates are ordered by: scores, or logits.
        floor: values of ``ranking`` up to it are dropped.
        decode: indices ``[n]`` of candidates -> boxes ``[n, 4]``; asked only for the best ones.

    Returns:
        boxes ``[n, 4]``, clipped to 0..1, values of ``ranking`` ``[n]`` and classes ``[n]``, 1-based.
    """
    flat, classes_count = ranking.ravel(), ranking.shape[1]
    candidates = np.flatnonzero(flat > floor)
    # The best 100 that survive are the first 100 survivors in order of score, so the search
    # can stop early: more candidates are looked at only where the first ones did not suffice.
    count = 4 * limits.most_detections
    while True:
        best = top(flat, candidates, count)
        index, label = np.divmod(best, classes_count)
        boxes = decode(index)
        kept = survivors(boxes, flat[best], label, limits)
        if len(kept) == limits.most_detections or len(best) == len(candidates):
            return np.clip(boxes[kept], 0, 1), flat[best][kept], label[kept].astype(np.int32) + 1
        count *= 4


def survivors(boxes: np.ndarray, ranking: np.ndarray, label: np.ndarray, limits: Limits) -> np.ndarray:
    """Positions of at most ``limits.most_detections`` survivors, best first."""
    if not len(boxes):
        return np.zeros(0, int)
    if limits.nms_iou >= 1:  # no overlap exceeds 1; OpenCV would compare each with each to find that out
        return np.arange(len(boxes))[: limits.most_detections]
    corners = boxes[:, [1, 0]].astype(float)
    sides = boxes[:, [3, 2]].astype(float) - corners
    kept = cv2.dnn.NMSBoxesBatched(
        np.concatenate([corners, sides], 1), ranking, label.astype(np.int32), -np.inf, limits.nms_iou
    )
    return np.asarray(kept, int)[: limits.most_detections]


def top(values: np.ndarray, candidates: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` candidates with the largest values, and all that tie with the last; largest first."""
    if len(candidates) > count:
        at_least = np.partition(values[candidates], len(candidates) - count)[len(candidates) - count]
        candidates = candidates[values[candidates] >= at_least]
    return candidates[np.argsort(-values[candidates], kind="stable")]
