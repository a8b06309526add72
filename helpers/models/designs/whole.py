"""The tail of a file that is used whole: what its outputs mean, by their shapes and their values."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from helpers.models.designs.shapes import Reading
from helpers.tasks.detection.limits import Limits
from helpers.tasks.detection.tails.cells import cell_places
from helpers.tasks.detection.tails.found_rows import FoundRowsTail
from helpers.tasks.detection.tails.joined_rows import JoinedRowsTail
from helpers.tasks.detection.tails.queries import QueriesTail

Heads = Mapping[str, np.ndarray]
WholeTail = JoinedRowsTail | QueriesTail | FoundRowsTail
FARTHEST_RELATIVE = 2.0  # no coordinate of 0..1 is farther away; of pixels nearly all are
FOLLOWS_CELLS = 0.3  # correlation of decoded centres with their cells is nearly 1, of offsets within cells 0
SLACK = 1e-3  # by which rounding of an int8 output may leave 0..1


def whole_tails(
    reading: Reading, heads: Heads, size: tuple[int, int], classes: int, limits: Limits
) -> list[WholeTail]:
    """What may follow a file's own outputs, the likeliest first; none where values contradict the reading.

    Args:
        heads: what the file answers for noise, by output.
        size: height and width of the input, in pixels.
        classes: as many as the label map names.
        limits: what is kept, suppression aside, which is the design's.
    """
    if reading.kind == "found":
        return found_tails(reading, heads, size, classes, limits)
    limits = reading.design.limits(limits)
    if reading.kind == "queries":
        return [queries_tail(reading, heads, classes, limits)]
    return cells_tails(reading, heads, size, limits)


def found_tails(
    reading: Reading, heads: Heads, size: tuple[int, int], classes: int, limits: Limits
) -> list[FoundRowsTail]:
    """None where the classes are no whole numbers: six columns are a query's of two classes, too."""
    tail = FoundRowsTail(size, reading.outputs, classes, limits)
    boxes, _, labels = tail.columns(dict(heads))
    if not np.array_equal(labels, np.rint(labels)):
        return []
    return [dataclasses.replace(tail, pixels=not boxes.size or in_pixels(boxes, True))]


def queries_tail(reading: Reading, heads: Heads, classes: int, limits: Limits) -> QueriesTail:
    finished = QueriesTail(reading.outputs, min(classes, reading.classes), limits, "none")
    if within(finished.candidates(dict(heads))[1]):
        return finished
    if reading.classes == classes + 1:
        return QueriesTail(reading.outputs, classes, limits, "softmax")
    return QueriesTail(reading.outputs, reading.classes, limits, "sigmoid")


def cells_tails(
    reading: Reading, heads: Heads, size: tuple[int, int], limits: Limits
) -> list[JoinedRowsTail]:
    design = reading.design
    facts = {"objectness": design.objectness, "columns_first": reading.columns_first}
    plain = JoinedRowsTail(size, reading.outputs, reading.classes, limits, **facts)
    scores_first = design.parts[0] == "class"
    rows = plain.rows(dict(heads))
    scores = rows[:, : reading.classes] if scores_first else rows[:, 4:]
    if not within(scores):
        return []
    decoded = dataclasses.replace(plain, pixels=in_pixels(rows[:, :2]))
    raw = dataclasses.replace(
        plain, decoding=design.decoding, scores_first=scores_first, strides=reading.strides,
        offset=design.offset, clipped=design.clipped,
    )  # fmt: skip
    if design.decoded is not None:
        return [decoded if design.decoded else raw]
    return [decoded, raw] if is_decoded(reading, rows, size) else [raw, decoded]


def is_decoded(reading: Reading, rows: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether rows ``[N, columns]`` seem to begin with boxes: no side is negative, centres follow cells."""
    if rows[:, 2:4].min() < 0:
        return False
    place = cell_places(size, reading.strides, reading.design.offset)
    across = [np.corrcoef(rows[:, axis], place[:, axis])[0, 1] for axis in (0, 1) if np.ptp(rows[:, axis])]
    return bool(across) and min(across) > FOLLOWS_CELLS


def in_pixels(coordinates: np.ndarray, unless_told: bool = False) -> bool:
    """Whether coordinates are pixels, not 0..1.

    Args:
        unless_told: the answer where they are all 0, as of a file that has found nothing.
    """
    farthest = float(np.abs(coordinates).max())
    return unless_told if farthest == 0 else farthest > FARTHEST_RELATIVE


def within(scores: np.ndarray) -> bool:
    return bool(scores.size) and float(scores.min()) >= -SLACK and float(scores.max()) <= 1 + SLACK


def is_told(reading: Reading, tail: WholeTail, classes: int) -> bool:
    """Whether shapes and values suffice to know the design: rows that one exporter alone writes.

    They are YOLOv5's three rows per cell, Ultralytics' columns before rows, offsets in cells of YOLOX and
    distributions of NanoDet that are not decoded, and DETR's column for no object.
    """
    if reading.kind == "queries":
        return reading.classes == classes + 1
    if reading.kind == "found":
        return False
    raw = tail.decoding != "centres"
    return raw or reading.design.anchors_each > 1 or reading.columns_first
