"""The tail of YOLOv3 and its kin: boxes from cells and anchors, objectness times class."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from helpers.tasks.detection.tails.logits import sigmoid
from helpers.tasks.detection.tails.selection import Detections, Limits, select

# exp of more makes boxes thousands of times their anchor: as good as the whole image, and no infinity.
LARGEST_EXPONENT = 10.0


@dataclass(frozen=True)
class YoloTail:
    """Boxes as Darknet's ``get_yolo_box`` computes them, suppression within each class.

    Attributes:
        input_size: height and width of the core's input, in pixels.
        grids: per head, its rows and columns.
        anchors: per head, (width, height) of each of its anchors, in pixels of the input.
        scale_x_y: per head, how far a centre's sigmoid is stretched beyond its cell.
        new_coords: per head, whether sides go by a sigmoid instead of an exponential; empty: by none.
        classes: how many.
        limits: what is kept.
    """

    input_size: tuple[int, int]
    grids: tuple[tuple[int, int], ...]
    anchors: tuple[tuple[tuple[float, float], ...], ...]
    scale_x_y: tuple[float, ...]
    classes: int
    limits: Limits
    new_coords: tuple[bool, ...] = ()

    def __call__(self, heads: dict[str, np.ndarray]) -> Detections:
        """``heads``, for each head i with N rows, cell by cell, row by row, anchors within a cell.

        They are ``box_<i>`` ``[1, N, 4]`` (tx, ty, tw, th), ``objectness_<i>`` ``[1, N, 1]`` and
        ``class_<i>`` ``[1, N, classes]``, raw. A score is sigmoid(objectness) * sigmoid(class).
        """
        raw, places, scores = (np.concatenate(part) for part in zip(*self._candidates(heads), strict=True))
        kept = select(
            scores, self.limits.score_threshold, lambda rows: decode(raw[rows], places[rows]), self.limits
        )
        return Detections(*kept)

    def _candidates(self, heads: dict[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Per head, encodings, places and scores of the rows whose objectness alone passes the threshold."""
        threshold, found = self.limits.score_threshold, []
        floor = np.log(threshold / (1 - threshold))
        for i, places in enumerate(self._places):
            objectness = heads[f"objectness_{i}"].reshape(-1)
            logits = heads[f"class_{i}"].reshape(-1, self.classes)
            rows = np.flatnonzero(objectness > floor)
            scores = product(objectness[rows], logits[rows], threshold)
            found.append((heads[f"box_{i}"][0][rows], places[rows], scores))
        return found

    @cached_property
    def _places(self) -> list[np.ndarray]:
        """Per head, float32 ``[N, 7]``, by row; see ``places``."""
        squared = self.new_coords or (False,) * len(self.grids)
        parts = zip(self.grids, self.anchors, self.scale_x_y, squared, strict=True)
        return [places(*part, self.input_size) for part in parts]


def places(
    grid: tuple[int, int],
    anchors: tuple[tuple[float, float], ...],
    stretch: float,
    squared: bool,
    size: tuple[int, int],
) -> np.ndarray:
    """What turns encodings into boxes, float32 ``[rows * columns * anchors, 7]``.

    The columns are: left and top end of the range of the centre, the range's width and height, width and
    height of the anchor (all relative to the input), and 1 where sides go by ``new_coords``.
    """
    rows, columns = grid
    row, column, anchor = (axis.ravel() for axis in np.indices((rows, columns, len(anchors))))
    overhang = (stretch - 1) / 2
    left, top = (column - overhang) / columns, (row - overhang) / rows
    width, height = (np.array(anchors)[anchor] / (size[1], size[0])).T
    ranges = np.full(len(row), stretch / columns), np.full(len(row), stretch / rows)
    return np.stack([left, top, *ranges, width, height, np.full(len(row), squared)], 1).astype(np.float32)


def decode(raw: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Encodings ``[n, 4]`` (tx, ty, tw, th) and their ``places`` -> boxes ``[n, 4]``.

    bx = (column + sigmoid(tx) * s - (s - 1) / 2) / columns and bw = exp(tw) * anchor / input, with
    ``new_coords`` (2 sigmoid(tw))^2 * anchor / input: Darknet's ``yolo_layer.c``; YOLOv3 (Redmon and
    Farhadi 2018), section 2.1, has s = 1.
    """
    centres = place[:, 0:2] + sigmoid(raw[:, :2]) * place[:, 2:4]
    grown = np.exp(np.minimum(raw[:, 2:], LARGEST_EXPONENT))
    halves = np.where(place[:, 6:], (2 * sigmoid(raw[:, 2:])) ** 2, grown) * place[:, 4:6] / 2
    return np.concatenate([centres - halves, centres + halves], 1)[:, [1, 0, 3, 2]]


def product(objectness: np.ndarray, logits: np.ndarray, threshold: float) -> np.ndarray:
    """sigmoid(objectness) ``[n]`` * sigmoid(logits) ``[n, classes]``; 0 where not above ``threshold``."""
    likely = sigmoid(objectness)
    # sigmoid(a) * b > t where a > log(t / (b - t)): most classes need no exponential.
    with np.errstate(divide="ignore"):
        floors = np.log(threshold / np.maximum(likely - threshold, 0))
    scores = np.zeros(logits.shape, np.float32)
    row, column = np.nonzero(logits > floors[:, None])
    scores[row, column] = likely[row] * sigmoid(logits[row, column])
    return scores
