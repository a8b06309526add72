"""The tail of a core that decodes boxes and scores itself: suppression alone."""

from dataclasses import dataclass

import numpy as np

from helpers.tasks.detection.tails.per_class import select_per_class
from helpers.tasks.detection.tails.selection import Detections, Limits


@dataclass(frozen=True)
class BoxesScoresTail:
    """Suppression within each class, for designs whose decoding is known to their own graph alone.

    Attributes:
        limits: what is kept.
        background: whether the first score stands for no object; else it is class 1.
        most_per_class: kept of one class in one image; 0: as many as of all classes.
        float_operators: regular expressions that match the names of the core's operators that decode boxes
            and scores; recipes leave them in float, as coordinates need more than 256 values.
    """

    limits: Limits
    background: bool = False
    most_per_class: int = 0
    float_operators: tuple[str, ...] = ()

    def __call__(self, heads: dict[str, np.ndarray]) -> Detections:
        """``heads``: ``boxes`` ``[1, N, 4]``, relative to the core's input, and ``scores``
        ``[1, N, classes (+ 1)]``.
        """
        boxes = heads["boxes"][0]
        scores = heads["scores"][0][:, int(self.background) :]
        selected = select_per_class(
            scores, self.limits.score_threshold, lambda index: boxes[index], self.limits, self.most_per_class
        )
        return Detections(*selected)
