"""The tail of a file that ends in ``TFLite_Detection_PostProcess``: its outputs are detections already."""

from dataclasses import dataclass

import numpy as np

from helpers.tasks.detection.tails.selection import Detections, Limits


@dataclass(frozen=True)
class PostprocessedTail:
    """What the operator has filled of its outputs, best first.

    The rows after those that its count speaks of are not always cleared by the operator: they may hold the
    photo before. Source: tensorflow/lite/kernels/detection_postprocess.cc.

    Attributes:
        limits: scores up to the threshold are dropped and the best are kept; ``nms_iou`` is not used.
        names: output names of ``boxes``, ``classes``, ``scores`` and ``count``.
        rows_per_count: rows for each 1 of the count.
        filled_rows: how many of these are filled, from the first on.
        numbers: as for ``renumbered``.
    """

    limits: Limits
    names: dict[str, str]
    rows_per_count: int = 1
    filled_rows: int = 1
    numbers: tuple[int, ...] = ()

    def __call__(self, heads: dict[str, np.ndarray]) -> Detections:
        """``heads``, float32, under ``names``: boxes ``[1, n, 4]``, classes ``[1, n]`` from 0, background
        not counted, scores ``[1, n]`` and count ``[1]``.
        """
        rows = self.filled(int(heads[self.names["count"]].reshape(-1)[0]))
        boxes = heads[self.names["boxes"]].reshape(-1, 4)[rows]
        scores = heads[self.names["scores"]].reshape(-1)[rows]
        classes = heads[self.names["classes"]].reshape(-1)[rows]
        order = np.argsort(-scores, kind="stable")
        best = order[scores[order] > self.limits.score_threshold][: self.limits.most_detections]
        clipped = np.clip(boxes[best], 0, 1).astype(np.float32)
        found = clipped, scores[best].astype(np.float32), classes[best].astype(np.int32) + 1
        return renumbered(Detections(*found), self.numbers)

    def filled(self, count: int) -> np.ndarray:
        """Places of the rows that the operator has filled."""
        first = np.arange(count)[:, None] * self.rows_per_count
        return (first + np.arange(self.filled_rows)).ravel()


def renumbered(found: Detections, numbers: tuple[int, ...]) -> Detections:
    """``found`` with ``numbers[c - 1]`` for class ``c``, without those of -1; as it is without numbers."""
    if not numbers:
        return found
    classes = np.array(numbers, np.int32)[found.classes - 1]
    known = classes > 0
    return Detections(found.boxes[known], found.scores[known], classes[known])
