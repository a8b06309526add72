"""Which detection finds which object: COCO's matching, for all cells at once. Its one home.

A cell holds the detections and objects of one class in one image. Within it the best detection chooses first,
so what is done one after the other here are turns: all cells' first choices, then all second ones. Only pairs
that overlap enough to match at all take part, which are few.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns, stable_order

BLOCK_PAIRS = 1 << 18  # pairs whose overlap is computed at once: bounds the memory
NO_OBJECT = -1
BELOW_ONE = 1 - 1e-10  # pycocotools' highest threshold: an overlap of 1 may be rounded


@dataclass(frozen=True)
class Matches:
    """Detections, cell by cell and by score within a cell.

    Attributes:
        row: int32 ``[D]``, row in the ``DetectionColumns``.
        rank: int32 ``[D]``, place within its cell, from 0.
        near: int ``[N]``, places among the ``D`` of those that overlap an object enough for some threshold.
        met: int32 ``[A, N, T]``, row of the object that each of these found; -1 for none.
    """

    row: np.ndarray
    rank: np.ndarray
    near: np.ndarray
    met: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """Row of the object that each detection found, int32 ``[A, T, D]``; -1 for none."""
        areas, _, thresholds = self.met.shape
        found = np.full((areas, thresholds, len(self.row)), NO_OBJECT, np.int32)
        found[..., self.near] = self.met.swapaxes(1, 2)
        return found


def match(
    objects: ObjectColumns,
    detections: DetectionColumns,
    thresholds: Sequence[float],
    area_bounds: Sequence[tuple[float, float]],
    most: int | None = None,
    classwise: bool = True,
) -> Matches:
    """Match as COCO does: best score first, to the free object with the highest IoU.

    Args:
        objects, detections: see there.
        thresholds: IoU thresholds above 0, ``T``.
        area_bounds: for each of ``A`` areas, bounds in pixels, both included.
        most: how many detections of a cell count, by score; None for all.
        classwise: whether a detection can find objects of its own class only.
    """
    detection_cell, object_cell = cells(objects, detections, classwise)
    keys = (detections.category, detections.image) if classwise else (detections.image,)
    row = stable_order(-detections.score, *keys).astype(np.int32)
    rank = place_in_run(detection_cell[row])
    if most is not None:
        row, rank = row[rank < most], rank[rank < most]
    levels = np.minimum(np.asarray(thresholds, float), BELOW_ONE)
    pairs = Pairs.of(objects, detections, row, (detection_cell[row], object_cell), levels.min(), classwise)
    met = [pairs.settle(ignored, objects.crowd, levels) for ignored in ignorable(objects, area_bounds)]
    return Matches(row, rank, pairs.near, np.stack(met))


def cells(
    objects: ObjectColumns, detections: DetectionColumns, classwise: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The cell of each detection and of each object: its image, and its class if that matters."""
    if not classwise:
        return detections.image.astype(np.int64), objects.image.astype(np.int64)
    classes = 1 + max(int(each.category.max(initial=0)) for each in (objects, detections))
    return (
        detections.image.astype(np.int64) * classes + detections.category,
        objects.image.astype(np.int64) * classes + objects.category,
    )


def place_in_run(values: np.ndarray) -> np.ndarray:
    """For sorted ``values``, each one's place among its equals, from 0: int32."""
    new = np.append(True, values[1:] != values[:-1])[: len(values)]
    start = np.flatnonzero(new)
    lengths = np.diff(np.append(start, len(values)))
    return (np.arange(len(values)) - np.repeat(start, lengths)).astype(np.int32)


def ignorable(objects: ObjectColumns, area_bounds: Sequence[tuple[float, float]]) -> np.ndarray:
    """Whether finding an object counts neither way: a crowd, or of another size. Bool ``[A, G]``."""
    return np.stack([objects.crowd | outside(objects.area, bounds) for bounds in area_bounds])


def outside(area: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """Whether each area lies outside the bounds, both of which are inside. Bool, as ``area``."""
    return (area < bounds[0]) | (area > bounds[1])


@dataclass(frozen=True)
class Pairs:
    """Pairs of a detection and an object of its cell that overlap enough for some threshold.

    They stand by detection, and for one detection by IoU, the highest first; of equal ones the last object
    is the first, as pycocotools takes it.

    Attributes:
        near: int ``[N]``, places of the detections that are in pairs.
        detection: int ``[P]``, index into ``near``.
        object: int ``[P]``, row of the object.
        iou: float64 ``[P]``.
        turns: for each turn the pairs about which it decides, one of each cell: int arrays.
    """

    near: np.ndarray
    detection: np.ndarray
    object: np.ndarray
    iou: np.ndarray
    turns: Sequence[np.ndarray]

    @staticmethod
    def of(objects, detections, row, both_cells, lowest: float, classwise: bool) -> "Pairs":
        """Those with an IoU of ``lowest`` or more; ``both_cells``: of detections in ``row``, of objects."""
        cell, object_cell = both_cells
        parts = [
            overlapping(objects, detections, row, place, found, lowest, classwise)
            for place, found in neighbours(cell, object_cell)
        ]
        place, found, iou = (np.concatenate(column) for column in zip(*parts, strict=True))
        # Within a detection, objects come as they stand; reversed, the last of equals is the first.
        order = len(place) - 1 - stable_order(-iou[::-1], place[::-1])
        place = place[order]
        near, detection = np.unique(place, return_inverse=True)
        by_turn = place_in_run(cell[near])[detection], place_in_run(detection)
        return Pairs(near, detection, found[order], iou[order], turns_of(*by_turn))

    def settle(self, ignored: np.ndarray, crowd: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        """Which object each detection gets: rows, int32 ``[N, T]``; -1 for none.

        Args:
            ignored: bool ``[G]``, objects that are taken only where no other can be had.
            crowd: bool ``[G]``, objects that many detections can find.
            thresholds: float64 ``[T]``.
        """
        order = np.argsort(2 * self.detection + ignored[self.object], kind="stable")
        found, enough = self.object[order], self.iou[order][:, None] >= thresholds
        met = np.full((len(self.near), len(thresholds)), NO_OBJECT, np.int32)
        taken = np.zeros((len(crowd), len(thresholds)), bool)
        for turn in self.turns:
            chooser, wanted = self.detection[turn], found[turn]
            held, closed = met[chooser], taken[wanted]
            got = enough[turn] & ~closed & (held == NO_OBJECT)
            met[chooser] = np.where(got, wanted[:, None], held)
            taken[wanted] = closed | (got & ~crowd[wanted, None])
        return met


def neighbours(cell: np.ndarray, object_cell: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs of detection and object in one cell, some detections at a time; at least once.

    Args:
        cell: of the detections, sorted.
        object_cell: of the objects.

    Yields: places of the detections and rows of the objects, int ``[pairs]`` each, sorted by both; fewer
    than ``BLOCK_PAIRS`` and the pairs of one detection.
    """
    object_row = np.argsort(object_cell, kind="stable")
    ordered = object_cell[object_row]
    first = np.searchsorted(ordered, cell)
    counts = np.searchsorted(ordered, cell, "right") - first
    place = np.flatnonzero(counts)
    first, counts = first[place], counts[place]
    for part in blocks(counts):
        each = counts[part]
        number = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
        yield np.repeat(place[part], each), object_row[np.repeat(first[part], each) + number]


def blocks(sizes: np.ndarray) -> Iterator[slice]:
    """Consecutive parts such that each one's ``sizes`` sum to about ``BLOCK_PAIRS``; at least one part."""
    number = (np.cumsum(sizes) - sizes) // BLOCK_PAIRS
    starts = np.append(0, np.flatnonzero(np.diff(number)) + 1)
    return (slice(*ends) for ends in pairwise(np.append(starts, len(sizes)).tolist()))


def overlapping(objects, detections, row, place, found, lowest, classwise) -> tuple[np.ndarray, ...]:
    """Those of the pairs whose IoU is ``lowest`` or more, and their IoU."""
    rows = row[place]
    iou = box_iou(detections.box[rows], objects.box[found], objects.crowd[found])
    enough = iou >= lowest
    if not classwise:  # a crowd can be found by detections of its own class only
        foreign = detections.category[rows] != objects.category[found]
        enough &= ~(foreign & objects.crowd[found])
    return place[enough], found[enough], iou[enough]


def turns_of(cell_turn: np.ndarray, choice: np.ndarray) -> list[np.ndarray]:
    """Pairs by turn: the detection's place in its cell, then the pair's among those of the detection."""
    order = stable_order(choice, cell_turn)
    key = np.stack([cell_turn[order], choice[order]])
    return np.split(order, np.flatnonzero((key[:, 1:] != key[:, :-1]).any(0)) + 1) if len(order) else []


def box_iou(first: np.ndarray, second: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """IoU of pairs of boxes (x, y, w, h) ``[n, 4]``; to a crowd: the share of the first within it.

    The operations are those of pycocotools' ``bbIou``, in its order, so that every digit is the same.
    """
    x, y, w, h = first.T
    other_x, other_y, other_w, other_h = second.T
    width = np.minimum(w + x, other_w + other_x) - np.maximum(x, other_x)
    height = np.minimum(h + y, other_h + other_y) - np.maximum(y, other_y)
    common = np.where((width > 0) & (height > 0), width * height, 0.0)
    own = w * h
    union = np.where(crowd, own, own + other_w * other_h - common)
    return np.divide(common, union, out=np.zeros(len(common)), where=common > 0)
