"""The tail of a detector with anchors (SSD): box encodings and class logits."""

from dataclasses import dataclass

import numpy as np

from helpers.tasks.detection.boxes import CODER_SCALES, decode_boxes
from helpers.tasks.detection.tails.logits import logit, sigmoid, softmax
from helpers.tasks.detection.tails.per_class import select_per_class
from helpers.tasks.detection.tails.selection import Detections, Limits

CONVERSIONS = ("sigmoid", "softmax")


@dataclass(frozen=True)
class SSDTail:
    """Boxes decoded from anchors, scores from logits, suppression within each class.

    Attributes:
        anchors: float32 ``[N, 4]`` (cy, cx, h, w), relative to the core's input.
        limits: what is kept.
        conversion: from logits to scores, one of ``CONVERSIONS``.
        background: whether the first logit stands for no object; else it is class 1.
        scales: the box coder's, of ty, tx, th, tw.
        most_per_class: kept of one class in one image; 0: as many as of all classes.
    """

    anchors: np.ndarray
    limits: Limits
    conversion: str = "sigmoid"
    background: bool = False
    scales: tuple[float, float, float, float] = CODER_SCALES
    most_per_class: int = 0

    def __call__(self, heads: dict[str, np.ndarray]) -> Detections:
        """``heads``: ``box_encodings`` ``[1, N, 4]`` and ``class_logits`` ``[1, N, classes (+ 1)]``."""
        encodings, logits = heads["box_encodings"][0], heads["class_logits"][0]
        ranking, floor = self.ranking(logits)
        boxes, kept, classes = select_per_class(
            ranking,
            floor,
            lambda index: self.decode(encodings[index], self.anchors[index]),
            self.limits,
            self.most_per_class,
        )
        scores = kept if self.conversion == "softmax" else sigmoid(kept)
        return Detections(boxes, scores, classes)

    def ranking(self, logits: np.ndarray) -> tuple[np.ndarray, float]:
        """What candidates ``[N, classes]`` are ordered by, and the value up to which they are dropped."""
        first, threshold = int(self.background), self.limits.score_threshold
        if self.conversion == "softmax":
            return softmax(logits)[:, first:], threshold
        return logits[:, first:], logit(threshold)

    def decode(self, encodings: np.ndarray, anchors: np.ndarray) -> np.ndarray:
        """``boxes.decode_boxes`` with this tail's scales: ``[n, 4]``."""
        return decode_boxes(encodings * np.float32(np.divide(CODER_SCALES, self.scales)), anchors)
