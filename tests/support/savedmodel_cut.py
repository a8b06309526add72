"""A SavedModel beside what was cut out of it, and how much of what one detects the other detects too."""

from pathlib import Path

import numpy as np

from helpers.models.interface import Interface
from helpers.models.savedmodels.convert import convert_loaded
from helpers.models.savedmodels.load import load
from helpers.models.savedmodels.reference import reference_of
from helpers.photos.decoding import core_input
from helpers.runtimes.litert.core import Core
from helpers.tasks.detection.tails.selection import Detections, Limits

LIMITS = Limits()


class Cut:
    """A SavedModel, what was cut out of it, and both as detectors on photos."""

    def __init__(self, folder: Path):
        self.file = folder.with_suffix(".tflite")
        model = load(folder)
        self.interface: Interface = convert_loaded(model, LIMITS, self.file)
        self.core, self.whole = Core(self.file), reference_of(model)

    def __call__(self, photo: np.ndarray) -> Detections:
        found = self.interface.tail(self.core(core_input(photo, self.interface.preprocessing)))
        span = self.interface.preprocessing.span(*photo.shape[:2])
        boxes = found.boxes * np.float32([*span, *span]) / np.float32([*photo.shape[:2]] * 2)
        return Detections(np.clip(boxes, 0, 1), found.scores, found.classes)


def missing(theirs: Detections, ours: Detections, least: float) -> tuple[int, int]:
    """How many of their detections above ``least`` ours lack, to 1e-3, and how many there are."""
    lacking = total = 0
    for box, score, label in zip(theirs.boxes, theirs.scores, theirs.classes, strict=True):
        if score > least:
            near = (ours.classes == label) & (np.abs(ours.scores - score) < 1e-3)
            lacking += not (near & (np.abs(ours.boxes - box).max(-1, initial=0) < 1e-3)).any()
            total += 1
    return lacking, total


def assert_same(cut: Cut, photos: list[np.ndarray], least: float = 2e-3) -> None:
    """At least 99 % in both directions, on more than five detections per photo."""
    pairs = [(cut.whole(photo), cut(photo)) for photo in photos]
    for first, second in ((0, 1), (1, 0)):
        lacking, total = np.sum([missing(pair[first], pair[second], least) for pair in pairs], axis=0)
        assert total > 5 * len(photos)
        assert lacking <= 0.01 * total
