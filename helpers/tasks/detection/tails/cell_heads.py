"""The tail of a core that gives its heads as convolutions make them: feature maps, channels first."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from helpers.tasks.detection.tails import cells
from helpers.tasks.detection.tails.logits import logit, sigmoid
from helpers.tasks.detection.tails.selection import Detections, Limits, select
from helpers.tasks.detection.tails.yolo import product

DECODINGS = ("exponents", "anchors", "distances")


@dataclass(frozen=True)
class CellHeadsTail:
    """Boxes decoded from cells, scores from logits, suppression within each class.

    Attributes:
        input_size: height and width of the core's input, in pixels.
        strides: of the heads, in pixels of the input.
        decoding: one of ``DECODINGS``, each a function of ``cells``.
        classes: how many.
        limits: what is kept.
        objectness: whether a score is objectness times class; else it is that of the class alone.
        offset: where a box's point lies in its cell, as for ``cells.cell_places``.
        anchors: per head, (width, height) of each of its anchors, in pixels of the input; empty for none.
        clipped: whether boxes are cut to the input before suppression.
    """

    input_size: tuple[int, int]
    strides: tuple[int, ...]
    decoding: str
    classes: int
    limits: Limits
    objectness: bool = False
    offset: float = 0.0
    anchors: tuple[tuple[tuple[float, float], ...], ...] = ()
    clipped: bool = False

    def __call__(self, heads: dict[str, np.ndarray]) -> Detections:
        """``heads``, raw, for each head i: ``box_<i>`` ``[1, anchors * numbers, h, w]``, ``class_<i>``
        ``[1, anchors * classes, h, w]`` and, with objectness, ``objectness_<i>`` ``[1, anchors, h, w]``.
        """
        raw, logits, threshold = (
            self.rows(heads, "box"),
            self.rows(heads, "class"),
            self.limits.score_threshold,
        )
        if not self.objectness:
            found = select(logits, logit(threshold), lambda at: self.decode(raw[at], at), self.limits)
            return Detections(found[0], sigmoid(found[1]), found[2])
        sure = self.rows(heads, "objectness")[:, 0]
        rows = np.flatnonzero(sure > logit(threshold))
        scores = product(sure[rows], logits[rows], threshold)
        return Detections(
            *select(scores, threshold, lambda at: self.decode(raw[rows[at]], rows[at]), self.limits)
        )

    def candidates(self, heads: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Boxes ``[N, 4]`` and scores ``[N, classes]`` of all candidates, before any is dropped."""
        raw, scores = self.rows(heads, "box"), sigmoid(self.rows(heads, "class"))
        if self.objectness:
            scores = scores * sigmoid(self.rows(heads, "objectness"))
        return self.decode(raw, np.arange(len(raw))), scores

    def rows(self, heads: dict[str, np.ndarray], part: str) -> np.ndarray:
        """One part of all heads, ``[N, numbers]``, in the order of ``cells.cell_places``."""
        return np.concatenate([self.flat(heads[f"{part}_{i}"][0]) for i in range(len(self.strides))])

    def flat(self, head: np.ndarray) -> np.ndarray:
        """``[anchors * numbers, h, w]`` -> ``[anchors * h * w, numbers]``."""
        each = self.anchors_each
        numbers = len(head) // each
        return head.reshape(each, numbers, -1).transpose(0, 2, 1).reshape(-1, numbers)

    @property
    def anchors_each(self) -> int:
        return len(self.anchors[0]) if self.anchors else 1

    def decode(self, raw: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Encodings ``[n, numbers]`` of the candidates at ``[n]`` -> boxes ``[n, 4]``, relative."""
        place = self._places[at]
        if self.decoding == "anchors":
            return cells.from_anchors(raw, place, self._sides[at])
        boxes = (cells.from_distances if self.decoding == "distances" else cells.from_exponents)(raw, place)
        return np.clip(boxes, 0, 1) if self.clipped else boxes

    @cached_property
    def _places(self) -> np.ndarray:
        return cells.cell_places(self.input_size, self.strides, self.offset, self.anchors_each)

    @cached_property
    def _sides(self) -> np.ndarray:
        """(width, height) of each candidate's anchor, relative: float32 ``[N, 2]``."""
        counts = [np.prod(cells.grid_of(self.input_size, stride)) for stride in self.strides]
        parts = [np.repeat(pairs, n, 0) for pairs, n in zip(self.anchors, counts, strict=True)]
        return (np.concatenate(parts) / np.array(self.input_size[::-1])).astype(np.float32)
