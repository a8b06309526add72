"""How each object and each detection fared at one IoU threshold, as FiftyOne tells it."""

from dataclasses import dataclass

import numpy as np

from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns
from helpers.tasks.detection.matching import NO_OBJECT, box_iou, match

ANY_SIZE = ((0.0, float("inf")),)


@dataclass(frozen=True)
class Outcomes:
    """Who found whom.

    Attributes:
        order: int32 ``[D]``, rows of the detections by image, class and score.
        object: int32 ``[D]``, for each detection the row of the object that it found; -1 for none.
        iou: float64 ``[D]``, NaN where nothing was found.
        hit: bool ``[D]``, whether it found an object of its own class.
        detection: int32 ``[G]``, for each object the best-scored detection that found it; -1 for none.
        right: bool ``[G]``, whether that detection has the object's class.
    """

    order: np.ndarray
    object: np.ndarray
    iou: np.ndarray
    hit: np.ndarray
    detection: np.ndarray
    right: np.ndarray


def outcomes_of(
    objects: ObjectColumns, detections: DetectionColumns, iou: float, classwise: bool
) -> Outcomes:
    """Match all detections at one threshold.

    Crowds are told as FiftyOne tells them: a detection within one is a true positive, and a crowd that
    nothing found is a false negative. (COCO's metric counts neither.)
    """
    matches = match(objects, detections, [iou], ANY_SIZE, None, classwise)
    found = np.full(len(detections), NO_OBJECT, np.int32)
    found[matches.row] = matches.found[0, 0]
    some = found != NO_OBJECT
    overlap = np.full(len(detections), np.nan)
    pairs = found[some]
    overlap[some] = box_iou(detections.box[some], objects.box[pairs], objects.crowd[pairs])
    hit = np.zeros(len(detections), bool)
    hit[some] = detections.category[some] == objects.category[pairs]
    finder = np.full(len(objects), NO_OBJECT, np.int32)
    best_last = matches.row[::-1]
    best_last = best_last[np.argsort(detections.score[best_last], kind="stable")]
    best_last = best_last[found[best_last] != NO_OBJECT]
    finder[found[best_last]] = best_last
    right = np.zeros(len(objects), bool)
    known = finder != NO_OBJECT
    right[known] = detections.category[finder[known]] == objects.category[known]
    return Outcomes(matches.row, found, overlap, hit, finder, right)
