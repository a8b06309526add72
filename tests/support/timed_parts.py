"""Tiny cores and what stands around them, for tests of the loop in parts."""

import numpy as np

from helpers.energy.parts.timing import Around
from helpers.lab.intervals import Absent
from helpers.photos.decoding import core_input, read_photo
from helpers.photos.preprocessing import Preprocessing
from helpers.tasks.detection.tails.selection import Detections
from tests.support.tiny_models import SIZE

INPUT = Preprocessing(SIZE, SIZE, (1 / 127.5,) * 3, (-1.0,) * 3)
NOWHERE = Absent("no database here")


def tail(heads):
    """One detection per image, as real tails give them."""
    score = 1 / (1 + np.exp(-heads["heads"].mean(keepdims=True).reshape(1)))
    return Detections(np.array([[0.25, 0.5, 0.75, 1.0]], np.float32), score, np.array([2], np.int32))


def around(store=NOWHERE, **changes):
    return Around(**{"read": read_photo, "prepare": lambda photo: core_input(photo, INPUT), "tail": tail,
                     "store": store} | changes)  # fmt: skip
