"""Kinds of detection error, and which kind every false alarm and every lost object is of."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.lab.files import atomic_file

KINDS = ("missed object", "shifted box", "wrong class", "duplicate", "background")
MISSED, SHIFTED, WRONG_CLASS, DUPLICATE, BACKGROUND = range(len(KINDS))
NO_KIND = -1


@dataclass(frozen=True)
class Kinds:
    """What is wrong with each detection, and why each object was not found; ``T`` IoU thresholds.

    Attributes:
        detection: int8 ``[T, D]``, index into ``KINDS``, detections as in the ``Evidence``; -1 for
            what found an object or counts neither way. ``MISSED`` never occurs.
        cause: int8 ``[T, G]``, index into ``KINDS`` for every object; -1 for one that was found or
            is not to be found (a crowd). Only ``MISSED``, ``SHIFTED`` and ``WRONG_CLASS`` occur.
    """

    detection: np.ndarray
    cause: np.ndarray

    def save(self, path: Path) -> None:
        with atomic_file(path) as temporary:
            temporary.write_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """As a compressed ``.npz``."""
        stream = io.BytesIO()
        np.savez_compressed(stream, detection=self.detection, cause=self.cause)
        return stream.getvalue()

    @staticmethod
    def load(path: Path) -> "Kinds":
        return Kinds.from_bytes(path.read_bytes())

    @staticmethod
    def from_bytes(content: bytes) -> "Kinds":
        with np.load(io.BytesIO(content)) as stored:
            return Kinds(stored["detection"], stored["cause"])
