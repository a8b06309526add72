"""What a tail keeps of all that a core answers for one image."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a tail keeps.

    Attributes:
        nms_iou: of two boxes of one class that overlap more, only the better stays.
        score_threshold: lower scores are dropped; COCO's AP needs the low ones.
        most_detections: kept per image.
    """

    nms_iou: float = 0.6
    score_threshold: float = 1e-3
    most_detections: int = 100


LIMITS = Limits()
