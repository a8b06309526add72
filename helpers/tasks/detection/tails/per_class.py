"""Selection where a detector keeps only so many detections of one class."""

import dataclasses
from collections.abc import Callable

import numpy as np

from helpers.tasks.detection.tails.selection import Limits, select

Selected = tuple[np.ndarray, np.ndarray, np.ndarray]


def select_per_class(
    ranking: np.ndarray,
    floor: float,
    decode: Callable[[np.ndarray], np.ndarray],
    limits: Limits,
    most_per_class: int,
) -> Selected:
    """``selection.select`` with at most ``most_per_class`` detections of each class; 0: any number."""
    if not most_per_class or most_per_class >= limits.most_detections:
        return select(ranking, floor, decode, limits)
    # Suppression goes from the best down, so the first survivors of a class do not depend on the later ones.
    count = limits.most_detections
    while True:
        selected = select(ranking, floor, decode, dataclasses.replace(limits, most_detections=count))
        kept = first_of_each(selected[2], most_per_class)[: limits.most_detections]
        if len(kept) == limits.most_detections or len(selected[2]) < count:
            boxes, values, classes = selected
            return boxes[kept], values[kept], classes[kept]
        count *= 4


def first_of_each(classes: np.ndarray, most: int) -> np.ndarray:
    """Places of the first ``most`` entries of every class, in order."""
    places = [np.flatnonzero(classes == label)[:most] for label in np.unique(classes)]
    return np.sort(np.concatenate(places)) if places else np.zeros(0, int)
