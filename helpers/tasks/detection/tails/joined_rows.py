"""The tail of a file that gives one row of numbers per candidate: a box, scores, perhaps objectness."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from helpers.tasks.detection.tails import cells
from helpers.tasks.detection.tails.postprocessed import renumbered
from helpers.tasks.detection.tails.selection import Detections, Limits, select

DECODINGS = ("centres", "corners", "exponents", "distances")


@dataclass(frozen=True)
class JoinedRowsTail:
    """Suppression within each class of boxes that the file has decoded, or that are decoded here.

    Attributes:
        input_size: height and width of the input, in pixels.
        outputs: the file's outputs whose columns, side by side, are the rows.
        classes: how many.
        limits: what is kept.
        decoding: of the box: ``centres`` (x, y, w, h), ``corners`` (x1, y1, x2, y2), or raw, as of ``cells``.
        pixels: whether a decoded box is in pixels of the input; else relative to it.
        objectness: whether a score is objectness times class.
        columns_first: whether the outputs are ``[1, columns, N]``; else ``[1, N, columns]``.
        scores_first: whether the scores stand before the box.
        strides, offset: of raw boxes, as for ``cells.cell_places``.
        clipped: whether boxes are cut to the input before suppression.
        numbers: as for ``postprocessed.renumbered``.
    """

    input_size: tuple[int, int]
    outputs: tuple[str, ...]
    classes: int
    limits: Limits
    decoding: str = "centres"
    pixels: bool = True
    objectness: bool = False
    columns_first: bool = False
    scores_first: bool = False
    strides: tuple[int, ...] = ()
    offset: float = 0.0
    clipped: bool = False
    numbers: tuple[int, ...] = ()

    def __call__(self, heads: dict[str, np.ndarray]) -> Detections:
        """``heads``, float32, under ``outputs``; scores and objectness are 0..1."""
        raw, scores = self.split(self.rows(heads))
        found = select(scores, self.limits.score_threshold, lambda at: self.decode(raw[at], at), self.limits)
        return renumbered(Detections(*found), self.numbers)

    def candidates(self, heads: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Boxes ``[N, 4]`` and scores ``[N, classes]`` of all candidates, before any is dropped."""
        raw, scores = self.split(self.rows(heads))
        return self.decode(raw, np.arange(len(raw))), scores

    def rows(self, heads: dict[str, np.ndarray]) -> np.ndarray:
        """``[N, columns]``."""
        parts = [heads[name][0] for name in self.outputs]
        return np.concatenate([part.T if self.columns_first else part for part in parts], 1)

    def split(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What a box is decoded of, ``[N, numbers]``, and scores ``[N, classes]``."""
        if self.scores_first:
            return rows[:, self.classes :], rows[:, : self.classes]
        scores = rows[:, len(rows.T) - self.classes :]
        if self.objectness:
            scores = scores * rows[:, cells.COORDINATES, None]
        return rows[:, : len(rows.T) - self.classes - int(self.objectness)], scores

    def decode(self, raw: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Boxes ``[n, 4]`` (ymin, xmin, ymax, xmax), relative, of the candidates at ``[n]``."""
        boxes = self.unclipped(raw, at)
        return np.clip(boxes, 0, 1) if self.clipped else boxes

    def unclipped(self, raw: np.ndarray, at: np.ndarray) -> np.ndarray:
        if self.decoding == "exponents":
            return cells.from_exponents(raw, self._places[at])
        if self.decoding == "distances":
            return cells.from_distances(raw, self._places[at])
        sides = self.input_size[::-1] if self.pixels else (1, 1)
        scaled = raw / np.float32([*sides, *sides])
        if self.decoding == "corners":
            return scaled[:, [1, 0, 3, 2]]
        return cells.around(scaled[:, :2], scaled[:, 2:] / 2)

    @cached_property
    def _places(self) -> np.ndarray:
        return cells.cell_places(self.input_size, self.strides, self.offset)
