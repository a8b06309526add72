"""Ground truth and detections as columns: one row per box, NumPy arrays, boxes in pixels."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ObjectColumns:
    """The objects to be found.

    Attributes:
        image: int32 ``[G]``, index of the object's image.
        category: int16 ``[G]``, index of its class.
        box: float64 ``[G, 4]``, (x, y, width, height) in pixels.
        area: float64 ``[G]``, in pixels; AP by size is told by it. COCO's is that of the outline.
        crowd: bool ``[G]``, whether it stands for a group: a detection in it counts neither way.
    """

    image: np.ndarray
    category: np.ndarray
    box: np.ndarray
    area: np.ndarray
    crowd: np.ndarray

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True)
class DetectionColumns:
    """What a detector found.

    Attributes:
        image: int32 ``[D]``, index of the image.
        category: int16 ``[D]``, index of the class.
        box: float64 ``[D, 4]``, (x, y, width, height) in pixels.
        score: float64 ``[D]``.
    """

    image: np.ndarray
    category: np.ndarray
    box: np.ndarray
    score: np.ndarray

    def __len__(self) -> int:
        return len(self.image)

    @property
    def area(self) -> np.ndarray:
        """Width times height, ``[D]``: COCO's area of a detection."""
        return self.box[:, 2] * self.box[:, 3]
