"""The tail: raw heads to detections. Float, outside the core, the same for every variant."""

from dataclasses import dataclass

import cv2
import numpy as np

from helpers.boxes import decode_boxes


@dataclass(frozen=True)
class Detections:
    """Detections of one image, best first.

    Attributes:
        boxes: float32 ``[n, 4]``, (ymin, xmin, ymax, xmax), relative to 0..1.
        scores: float32 ``[n]``, 0..1.
        classes: int32 ``[n]``, 1-based.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class Tail:
    """Box decoding, and non-maximum suppression within each class.

    Attributes:
        anchors: float32 ``[N, 4]`` (cy, cx, h, w).
        nms_iou: of two boxes of one class that overlap more, only the better stays.
        score_threshold: lower scores are dropped.
        most_detections: kept per image.
    """

    anchors: np.ndarray
    nms_iou: float
    score_threshold: float
    most_detections: int

    def __call__(self, heads: dict[str, np.ndarray]) -> Detections:
        """``heads``: ``box_encodings`` ``[1, N, 4]`` and ``class_logits`` ``[1, N, classes]``."""
        logits = heads["class_logits"][0]
        classes_count = logits.shape[1]
        flat = logits.ravel()
        floor = np.log(self.score_threshold / (1 - self.score_threshold))
        candidates = np.flatnonzero(flat > floor)
        # The best 100 that survive are the first 100 survivors in order of score, so the search
        # can stop early: more candidates are looked at only where the first ones did not suffice.
        count = 4 * self.most_detections
        while True:
            best = top(flat, candidates, count)
            anchor, label = np.divmod(best, classes_count)
            boxes = decode_boxes(heads["box_encodings"][0][anchor], self.anchors[anchor])
            kept = self._suppress(boxes, flat[best], label)
            if len(kept) == self.most_detections or len(best) == len(candidates):
                break
            count *= 4
        scores = 1 / (1 + np.exp(-flat[best][kept]))
        return Detections(np.clip(boxes[kept], 0, 1), scores, label[kept].astype(np.int32) + 1)

    def _suppress(self, boxes: np.ndarray, ranking: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Positions of at most ``most_detections`` survivors, best first."""
        if not len(boxes):
            return np.zeros(0, int)
        corners = boxes[:, [1, 0]].astype(float)
        sides = boxes[:, [3, 2]].astype(float) - corners
        kept = cv2.dnn.NMSBoxesBatched(
            np.concatenate([corners, sides], 1), ranking, label.astype(np.int32), -np.inf, self.nms_iou
        )
        return np.asarray(kept, int)[: self.most_detections]


def top(values: np.ndarray, candidates: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` candidates with the largest values, and all that tie with the last; largest first."""
    if len(candidates) > count:
        at_least = np.partition(values[candidates], len(candidates) - count)[len(candidates) - count]
        candidates = candidates[values[candidates] >= at_least]
    return candidates[np.argsort(-values[candidates], kind="stable")]
