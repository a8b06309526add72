"""The tail of a ``.tflite`` file that gives box encodings and class scores under names of its own."""

from dataclasses import dataclass

import numpy as np

from helpers.tasks.detection.boxes import CODER_SCALES
from helpers.tasks.detection.tails.postprocessed import renumbered
from helpers.tasks.detection.tails.selection import Detections, Limits, select
from helpers.tasks.detection.tails.ssd import SSDTail


@dataclass(frozen=True)
class RawHeadsTail:
    """``SSDTail`` for outputs of other names, whose scores may be finished already.

    Attributes:
        anchors: float32 ``[N, 4]`` (cy, cx, h, w), relative to the core's input.
        limits: what is kept.
        boxes, scores: names of the outputs.
        conversion: from logits to scores, one of ``ssd.CONVERSIONS``; empty where they are scores.
        background: whether the first column stands for no object; else it is class 1.
        scales: the box coder's, of ty, tx, th, tw.
        numbers: as for ``postprocessed.renumbered``.
    """

    anchors: np.ndarray
    limits: Limits
    boxes: str
    scores: str
    conversion: str = "sigmoid"
    background: bool = False
    scales: tuple[float, float, float, float] = CODER_SCALES
    numbers: tuple[int, ...] = ()

    def __call__(self, heads: dict[str, np.ndarray]) -> Detections:
        """``heads``, float32, under their names: encodings ``[1, N, 4]`` and logits or scores
        ``[1, N, classes (+ 1)]``.
        """
        return renumbered(self.detections(heads[self.boxes], heads[self.scores]), self.numbers)

    def detections(self, encodings: np.ndarray, scores: np.ndarray) -> Detections:
        """As ``__call__``, in the file's own class numbers."""
        ssd = SSDTail(self.anchors, self.limits, self.conversion or "sigmoid", self.background, self.scales)
        if self.conversion:
            return ssd({"box_encodings": encodings, "class_logits": scores})
        ranking, threshold = scores[0][:, int(self.background) :], self.limits.score_threshold
        return Detections(
            *select(ranking, threshold, lambda i: ssd.decode(encodings[0][i], self.anchors[i]), self.limits)
        )
