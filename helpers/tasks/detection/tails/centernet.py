"""The tail of a detector of centres (CenterNet): a heat map per class, offsets and sizes; no anchors."""

from dataclasses import dataclass

import cv2
import numpy as np

from helpers.tasks.detection.tails.logits import sigmoid
from helpers.tasks.detection.tails.selection import Detections, Limits, top

# The Object Detection API's: scores that differ by less are equal.
SAME_SCORE = 1e-6


@dataclass(frozen=True)
class CenterNetTail:
    """Peaks of the heat maps are centres (Zhou et al. 2019, "Objects as Points"); nothing is suppressed.

    Attributes:
        limits: what is kept; ``nms_iou`` is not used.
        peak_side: a peak is the largest score of a square of so many cells around it; odd.
    """

    limits: Limits
    peak_side: int = 3

    def __call__(self, heads: dict[str, np.ndarray]) -> Detections:
        """``heads``: ``heat_map`` logits ``[1, h, w, classes]``; ``offsets`` and ``sizes``
        ``[1, h, w, 2]``, (y, x), in cells of the heat map.
        """
        scores = sigmoid(heads["heat_map"][0])
        flat = self.peaks(scores).ravel()
        candidates = np.flatnonzero(flat > self.limits.score_threshold)
        best = top(flat, candidates, self.limits.most_detections)[: self.limits.most_detections]
        rows, columns, labels = np.unravel_index(best, scores.shape)
        boxes = centred(rows, columns, heads["offsets"][0], heads["sizes"][0])
        return Detections(boxes, flat[best], labels.astype(np.int32) + 1)

    def peaks(self, scores: np.ndarray) -> np.ndarray:
        """Scores ``[h, w, classes]`` with 0 where a neighbour of the same class has a larger one."""
        height, width, _ = scores.shape
        square = np.ones((self.peak_side, self.peak_side), np.uint8)
        largest = cv2.dilate(scores, square, borderType=cv2.BORDER_REPLICATE).reshape(height, width, -1)
        return np.where(largest - scores < SAME_SCORE, scores, 0)


def centred(rows: np.ndarray, columns: np.ndarray, offsets: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Boxes ``[n, 4]``, relative and clipped to 0..1, of cells; sizes below 0 are 0."""
    cells = np.float32(offsets.shape[:2])
    centres = np.stack([rows, columns], 1) + offsets[rows, columns]
    halves = np.maximum(sizes[rows, columns], 0) / 2
    boxes = np.concatenate([(centres - halves) / cells, (centres + halves) / cells], 1)
    return np.clip(boxes, 0, 1).astype(np.float32)
