"""Evidence: how every detection fared, so that AP on any resample of the images needs no new matching."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from helpers.lab.files import atomic_file
from helpers.tasks.detection.matching import NO_OBJECT

AREAS = ("all", "small", "medium", "large")
# COCO's sizes: bounds of the area in pixels, both included (pycocotools' Params.areaRng).
AREA_BOUNDS = ((0, 1e5**2), (0, 32**2), (32**2, 96**2), (96**2, 1e5**2))
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
MOST_DETECTIONS = 100  # per image and class, as in COCO
BITS = ("matched", "ignored")


@dataclass(frozen=True)
class Evidence:
    """How every detection of one variant fared.

    Detections stand in pycocotools' order: by class, then by score, ties by image, then as given.
    At most 100 per image and class are here; ``T`` are COCO's ten IoU thresholds, ``A`` its four areas.

    Attributes:
        image: int32 ``[D]``, index of the detection's image.
        category: int16 ``[D]``, index of its class.
        score: float64 ``[D]``.
        rank: int16 ``[D]``, its place by score among the image's detections of its class, from 0.
        row: int32 ``[D]``, its row in the ``DetectionColumns`` that were scored.
        matched: bool ``[A, T, D]``, whether it found an object.
        ignored: bool ``[A, T, D]``, whether it counts neither way.
        found: int32 ``[T, D]``, row of the object that it found, sizes aside; -1 for none.
        object_image, object_category: int32, int16 ``[G]``, of every object.
        object_area: float64 ``[G]``, in pixels.
        object_crowd: bool ``[G]``.
        counts: int64 ``[2]``, number of images and of classes.
    """

    image: np.ndarray
    category: np.ndarray
    score: np.ndarray
    rank: np.ndarray
    row: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray
    found: np.ndarray
    object_image: np.ndarray
    object_category: np.ndarray
    object_area: np.ndarray
    object_crowd: np.ndarray
    counts: np.ndarray

    @property
    def images(self) -> int:
        return int(self.counts[0])

    @property
    def classes(self) -> int:
        return int(self.counts[1])

    def counted(self, area: str = "all") -> np.ndarray:
        """Whether each object is to be found: no crowd, and of that size. Bool ``[G]``."""
        low, high = AREA_BOUNDS[AREAS.index(area)]
        return ~self.object_crowd & (self.object_area >= low) & (self.object_area <= high)

    def objects(self, area: str = "all") -> np.ndarray:
        """Objects to be found, int32 ``[classes, images]``."""
        counted = self.counted(area)
        cell = self.object_category[counted].astype(np.int64) * self.images + self.object_image[counted]
        found = np.bincount(cell, minlength=self.classes * self.images)
        return found.reshape(self.classes, self.images).astype(np.int32)

    def bounds(self) -> np.ndarray:
        """Where each class begins and ends among the detections, ``[classes + 1]``."""
        return np.searchsorted(self.category, np.arange(self.classes + 1))

    def distinct_scores(self) -> int:
        return len(np.unique(self.score))

    def save(self, path: Path) -> None:
        with atomic_file(path) as temporary:
            temporary.write_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """As a compressed ``.npz``; of ``found`` the rows alone that are some."""
        content = {name: value for name, value in vars(self).items() if name not in BITS}
        content |= {name: np.packbits(getattr(self, name), axis=-1) for name in BITS}
        content["found"] = self.found[self.matched[0]]
        return packed(content)

    @staticmethod
    def load(path: Path) -> "Evidence":
        return Evidence.from_bytes(path.read_bytes())

    @staticmethod
    def from_bytes(content: bytes) -> "Evidence":
        with np.load(io.BytesIO(content)) as stored:
            values = {field.name: stored[field.name] for field in fields(Evidence)}
        length = len(values["image"])
        values |= {name: np.unpackbits(values[name], axis=-1, count=length).astype(bool) for name in BITS}
        found = np.full(values["matched"].shape[1:], NO_OBJECT, np.int32)
        found[values["matched"][0]] = values["found"]
        return Evidence(**values | {"found": found})


def packed(columns: Mapping[str, np.ndarray]) -> bytes:
    """As ``np.savez_compressed`` has them, in a third of its time: scores are random, and pack no better."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, values in columns.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, values)
    return stream.getvalue()
