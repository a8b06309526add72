"""The tail of a detector of a set of objects (DETR): a box and logits per query, nothing to suppress."""

from dataclasses import dataclass

import numpy as np

from helpers.tasks.detection.tails import cells
from helpers.tasks.detection.tails.logits import sigmoid, softmax
from helpers.tasks.detection.tails.postprocessed import renumbered
from helpers.tasks.detection.tails.selection import Detections, Limits, top

CONVERSIONS = ("sigmoid", "softmax", "none")


@dataclass(frozen=True)
class QueriesTail:
    """The best pairs of query and class (Carion et al. 2020; Zhao et al. 2024 for RT-DETR).

    Attributes:
        outputs: names of the file's outputs: boxes and scores; or one that has both, boxes first.
        classes: how many.
        limits: what is kept; ``nms_iou`` is not used.
        conversion: from logits to scores, one of ``CONVERSIONS``: ``softmax`` has a last column for no
            object, of which the file has one more than classes; ``none`` where they are scores, with or
            without that column.
        numbers: as for ``postprocessed.renumbered``.
    """

    outputs: tuple[str, ...]
    classes: int
    limits: Limits
    conversion: str = "sigmoid"
    numbers: tuple[int, ...] = ()

    def __call__(self, heads: dict[str, np.ndarray]) -> Detections:
        """``heads``, float32: boxes (cx, cy, w, h) ``[1, Q, 4]``, relative, and ``[1, Q, columns]``."""
        boxes, scores = self.candidates(heads)
        flat = scores.ravel()
        most = self.limits.most_detections
        best = top(flat, np.flatnonzero(flat > self.limits.score_threshold), most)[:most]
        query, label = np.divmod(best, self.classes)
        found = Detections(np.clip(boxes[query], 0, 1), flat[best], label.astype(np.int32) + 1)
        return renumbered(found, self.numbers)

    def candidates(self, heads: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Boxes ``[Q, 4]`` (ymin, xmin, ymax, xmax) and scores ``[Q, classes]`` of all queries."""
        rows = np.concatenate([heads[name][0] for name in self.outputs], 1)
        raw, columns = rows[:, : cells.COORDINATES], rows[:, cells.COORDINATES :]
        return cells.around(raw[:, :2], raw[:, 2:] / 2), self.scores(columns)

    def scores(self, columns: np.ndarray) -> np.ndarray:
        if self.conversion == "softmax":
            return softmax(columns)[:, : self.classes]
        return sigmoid(columns) if self.conversion == "sigmoid" else columns[:, : self.classes]
