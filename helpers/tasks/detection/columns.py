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


def stable_order(*keys: np.ndarray) -> np.ndarray:
    """``np.lexsort``, whose last key counts most; much faster where whole numbers span at most 16 bits."""
    order = np.arange(len(keys[0]))
    for key in keys:
        order = order[np.argsort(narrow(key)[order], kind="stable")]
    return order


def narrow(values: np.ndarray) -> np.ndarray:
    """Whole numbers, moved to begin at 0, in as few bytes as they need: NumPy sorts 16 bits by radix."""
    if values.dtype.kind not in "iu" or not len(values):
        return values
    low = int(values.min())
    return (values - low).astype(np.min_scalar_type(int(values.max()) - low))
