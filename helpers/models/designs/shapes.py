"""What the shapes of a file's outputs say of its design: all that they allow, the likeliest first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from helpers.models.designs.catalogue import DESIGNS, Design
from helpers.tasks.detection.tails.cells import COORDINATES, grid_of

FOUND_COLUMNS = 6  # box, score, class
MOST_QUERIES = 1000  # a DETR has 100 to 900; more boxes are of a detector that needs suppression
SCORE_NAMES = ("logit", "score", "class", "cls", "label")
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Reading:
    """One way to read a file's outputs.

    Attributes:
        kind: ``cells`` (a row of numbers per cell), ``queries`` or ``found`` (suppression is in the file).
        outputs: their names, in the order in which ``kind``'s tail takes them.
        design: what the shapes tell; None where they tell nothing, as of ``found``.
        classes: columns of classes, one for no object among them; 0 where shapes do not tell.
        columns_first: of ``cells``: ``[1, columns, N]``.
        strides: of ``cells``.
        bins: of the distribution of each distance; 1 where boxes are decoded.
    """

    kind: str
    outputs: tuple[str, ...]
    design: Design | None = None
    classes: int = 0
    columns_first: bool = False
    strides: tuple[int, ...] = ()
    bins: int = 1


def readings(shapes: Shapes, size: tuple[int, int], classes: int, named: str = "") -> list[Reading]:
    """All that the shapes of the outputs allow; those of ``classes`` classes first, then the usual.

    Args:
        size: height and width of the input, in pixels.
        classes: as many as the label map names; 0 where nobody does.
        named: the name of a design, to have its readings alone (and ``found``, which has none).
    """
    found = [*cellwise(shapes, size, classes), *by_queries(shapes, size, classes)]
    # A row of six numbers per cell is a box, objectness and one class.
    found += [] if any(each.kind == "cells" for each in found) else finished(shapes)
    fitting = [each for each in found if not (named and each.design) or each.design.name == named]
    return sorted(fitting, key=lambda each: (not fits(each, classes), is_turned(each)))


def is_turned(reading: Reading) -> bool:
    """Whether rows and columns are swapped against what the design's exporter writes."""
    return reading.kind == "cells" and reading.columns_first != reading.design.columns_first


def fits(reading: Reading, classes: int) -> bool:
    """Whether a reading has as many classes as are named; queries may have a column for no object."""
    more = (0, 1) if reading.kind == "queries" else (0,)
    return reading.kind == "found" or reading.classes - classes in more


def finished(shapes: Shapes) -> Iterator[Reading]:
    """Detections: one output of six columns, or boxes, scores and classes of so many rows."""
    if len(shapes) == 1:
        name, shape = next(iter(shapes.items()))
        if len(shape) in (2, 3) and shape[-1] == FOUND_COLUMNS and shape[0] in (0, 1, shape[-2]):
            yield Reading("found", (name,))
        return
    boxes = [name for name, shape in shapes.items() if len(shape) in (2, 3) and shape[-1] == COORDINATES]
    if len(boxes) != 1 or len(shapes) not in (3, 4):
        return
    rows = shapes[boxes[0]][-2]
    lists = [name for name, shape in shapes.items() if name not in boxes and shape[-1:] == (rows,)]
    rest = [name for name in shapes if name not in (*boxes, *lists)]
    scores = [name for name in lists if "score" in name.lower() or "conf" in name.lower()]
    if len(lists) == 2 and len(scores) == 1:
        others = [name for name in lists if name not in scores]
        yield Reading("found", (*boxes, *scores, *others, *rest))


def cellwise(shapes: Shapes, size: tuple[int, int], classes: int) -> Iterator[Reading]:
    """A row of numbers for each cell (and anchor): one output ``[1, N, columns]`` or ``[1, columns, N]``."""
    if len(shapes) != 1 or len(shape := next(iter(shapes.values()))) != 3 or shape[0] != 1:
        return
    for columns_first in (False, True):
        rows, columns = shape[2:0:-1] if columns_first else shape[1:]
        for design in DESIGNS.values():
            for strides in design.strides if design.decoding != "queries" else ():
                if cells_of(size, strides) * design.anchors_each == rows > 0:
                    yield from of_columns(tuple(shapes), design, columns, classes, columns_first, strides)


def of_columns(
    outputs: tuple[str, ...],
    design: Design,
    columns: int,
    classes: int,
    columns_first: bool,
    strides: tuple[int, ...],
) -> Iterator[Reading]:
    """The reading of so many columns, if they are enough for a class."""
    bins = design.bins
    if design.bins > 1 and classes and (columns - classes) % COORDINATES == 0 < columns - classes:
        bins = (columns - classes) // COORDINATES
    left = columns - COORDINATES * bins - int(design.objectness)
    if left > 0 and (bins > 1) == (design.bins > 1):
        yield Reading("cells", outputs, design, left, columns_first, strides, bins)


def cells_of(size: tuple[int, int], strides: tuple[int, ...]) -> int:
    """0 where the input is smaller than a stride."""
    if max(strides) > min(size):
        return 0
    return sum(int(np.prod(grid_of(size, stride))) for stride in strides)


def by_queries(shapes: Shapes, size: tuple[int, int], classes: int) -> Iterator[Reading]:
    """Boxes ``[1, Q, 4]`` and class scores ``[1, Q, columns]``; or one output of both, as Ultralytics writes
    RT-DETR.
    """
    flat = {name: shape for name, shape in shapes.items() if len(shape) == 3 and shape[0] == 1}
    if len(flat) != len(shapes) or any(shape[1] > MOST_QUERIES for shape in flat.values()):
        return
    if len(flat) == 1:
        (name, shape), rtdetr = next(iter(flat.items())), DESIGNS["rtdetr"]
        ambiguous = shape[2] == FOUND_COLUMNS and classes != FOUND_COLUMNS - COORDINATES
        if shape[2] > COORDINATES and not ambiguous and not next(cellwise(shapes, size, classes), None):
            yield Reading("queries", (name,), rtdetr, shape[2] - COORDINATES)
    elif len(flat) == 2:
        yield from pairs(flat, classes)


def pairs(flat: Shapes, classes: int) -> Iterator[Reading]:
    """Two outputs, boxes and scores; a column for no object is DETR's, its absence fits to either."""
    boxes = [name for name, shape in flat.items() if shape[2] == COORDINATES]
    if len(boxes) == 2:
        boxes = [name for name in boxes if not any(word in name.lower() for word in SCORE_NAMES)]
    if len(boxes) != 1:
        return
    scores = next(name for name in flat if name != boxes[0])
    if flat[scores][1] != flat[boxes[0]][1]:
        return
    columns = flat[scores][2]
    yield Reading("queries", (boxes[0], scores), DESIGNS["detr"], columns)
    if columns != classes + 1:
        yield Reading("queries", (boxes[0], scores), DESIGNS["rtdetr"], columns)
