"""The tail of a detector with anchors (SSD): box encodings and class logits."""

from dataclasses import dataclass

import numpy as np

from helpers.boxes import decode_boxes
from helpers.limits import Limits
from helpers.tails.selection import Detections, select


@dataclass(frozen=True)
class SSDTail:
    """Boxes decoded from anchors, sigmoid of the logits, suppression within each class.

    Attributes:
        anchors: float32 ``[N, 4]`` (cy, cx, h, w), relative to the core's input.
        limits: what is kept.
    """

    anchors: np.ndarray
    limits: Limits

    def __call__(self, heads: dict[str, np.ndarray]) -> Detections:
        """``heads``: ``box_encodings`` ``[1, N, 4]`` and ``class_logits`` ``[1, N, classes]``."""
        encodings, threshold = heads["box_encodings"][0], self.limits.score_threshold
        floor = np.log(threshold / (1 - threshold))
        boxes, logits, classes = select(
            heads["class_logits"][0],
            floor,
            lambda index: decode_boxes(encodings[index], self.anchors[index]),
            self.limits,
        )
        return Detections(boxes, 1 / (1 + np.exp(-logits)), classes)
