"""A whole SavedModel as it was published: what its core and tail are compared with."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from helpers.models.savedmodels.load import OUTPUTS, SavedModel, load
from helpers.models.savedmodels.trial import as_detections
from helpers.tasks.detection.tails.selection import Detections


def reference(folder: Path) -> Callable[[np.ndarray], Detections]:
    """The SavedModel on RGB uint8 photos ``[H, W, 3]``; boxes relative to the photo, clipped to 0..1.

    A signature that takes one size only gets photos stretched to it, by OpenCV.

    Raises:
        LabError: the folder holds no detector.
    """
    return reference_of(load(folder))


def reference_of(model: SavedModel) -> Callable[[np.ndarray], Detections]:
    """As ``reference``, of a SavedModel in memory."""

    fixed = model.fixed_size

    def detect(photo: np.ndarray) -> Detections:
        photo = cv2.resize(photo, fixed[::-1], interpolation=cv2.INTER_LINEAR) if fixed else photo
        values = model(tf.constant(photo[None]))
        return as_detections(*(values[name].numpy() for name in OUTPUTS))

    return detect
