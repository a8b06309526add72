"""Which detection finds which object, by faster-coco-eval. Its one home.

The engine is given cells: the detections and objects of one class in one image. Only cells that hold
both are matched; a detection in a cell without objects finds none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from faster_coco_eval import faster_eval_api_cpp as engine
from faster_coco_eval import mask_api_new_cpp as boxes

from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns

BLOCK = 4096  # cells that are matched at once: bounds the memory
NO_OBJECT = -1
ONE_CLASS = 1


@dataclass(frozen=True)
class Matches:
    """Detections, cell by cell and by score within a cell.

    Attributes:
        row: int32 ``[D]``, row in the ``DetectionColumns``.
        rank: int32 ``[D]``, place within its cell, from 0.
        found: int32 ``[A, T, D]``, row of the object that was found; -1 for none.
        ignored: bool ``[A, T, D]``, whether the detection counts neither way.
    """

    row: np.ndarray
    rank: np.ndarray
    found: np.ndarray
    ignored: np.ndarray


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
        thresholds: IoU thresholds, ``T``.
        area_bounds: for each of ``A`` areas, bounds in pixels, both included.
        most: how many detections of a cell count, by score; None for all.
        classwise: whether a detection can find objects of its own class only.
    """
    detection_cell, object_cell = cells(objects, detections, classwise)
    order = np.lexsort((-detections.score, detection_cell))
    start = np.searchsorted(detection_cell[order], detection_cell[order])
    rank = np.arange(len(order)) - start
    kept = rank < (most or len(order) + 1)
    row, rank = order[kept].astype(np.int32), rank[kept].astype(np.int32)
    shape = (len(area_bounds), len(thresholds), len(row))
    found = np.full(shape, NO_OBJECT, np.int32)
    object_row = np.argsort(object_cell, kind="stable")
    ignored_objects = ignorable(objects, area_bounds)
    for block in blocks(detection_cell[row], object_cell[object_row]):
        found[..., block.detections] = block.match(
            objects, detections, row, object_row, thresholds, area_bounds, classwise
        )
    ignored = np.empty(shape, bool)
    for index, (low, high) in enumerate(area_bounds):
        outside = (detections.area[row] < low) | (detections.area[row] > high)
        hit = found[index]
        by_object = ignored_objects[index][hit] if len(objects) else np.zeros(hit.shape, bool)
        ignored[index] = np.where(hit == NO_OBJECT, outside, by_object)
    return Matches(row, rank, found, ignored)


def cells(
    objects: ObjectColumns, detections: DetectionColumns, classwise: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The cell of each detection and of each object: its image, and its class if that matters."""
    if not classwise:
        return detections.image.astype(np.int64), objects.image.astype(np.int64)
    both = np.concatenate([objects.category, detections.category, [0]]).astype(np.int64)
    classes = int(both.max()) + 1
    return (
        detections.image.astype(np.int64) * classes + detections.category,
        objects.image.astype(np.int64) * classes + objects.category,
    )


def ignorable(objects: ObjectColumns, area_bounds: Sequence[tuple[float, float]]) -> np.ndarray:
    """Whether finding an object counts neither way: a crowd, or of another size. Bool ``[A, G]``."""
    outside = [(objects.area < low) | (objects.area > high) for low, high in area_bounds]
    return np.stack([objects.crowd | other for other in outside])


@dataclass(frozen=True)
class Block:
    """Some cells, and where their detections and objects stand.

    Attributes:
        detections: int ``[n]``, places among the kept detections.
        sizes: int ``[cells]``, detections per cell; they follow one another in ``detections``.
        objects: for each cell, the slice of the objects sorted by cell.
    """

    detections: np.ndarray
    sizes: np.ndarray
    objects: Sequence[slice]

    def match(self, objects, detections, row, object_row, thresholds, area_bounds, classwise) -> np.ndarray:
        """Rows of the found objects, int32 ``[A, T, n]``."""
        rows = row[self.detections]
        ends = np.cumsum(self.sizes)
        groups = [object_row[part] for part in self.objects]
        given = self._fill(objects, detections, rows, ends, groups, classwise)
        evaluations = engine.COCOevalEvaluateImages(
            [list(map(float, bounds)) for bounds in area_bounds],
            int(self.sizes.max()),
            [float(t) for t in thresholds],
            *given,
            list(range(len(self.sizes))),
            [ONE_CLASS],
            True,
        )
        return self._read(evaluations, len(area_bounds), len(thresholds), ends, groups)

    def _fill(self, objects, detections, rows, ends, groups, classwise):
        """IoUs, objects and detections as the engine takes them; ids count from 1 within a cell."""
        truth, found, overlaps = engine.Dataset(), engine.Dataset(), []
        box, score = detections.box[rows].tolist(), detections.score[rows].tolist()
        area = detections.area[rows].tolist()
        bounds = zip((ends - self.sizes).tolist(), ends.tolist(), groups, strict=True)
        for cell, (begin, end, group) in enumerate(bounds):
            crowd = objects.crowd[group].astype(int).tolist()
            object_area = objects.area[group].tolist()
            part = slice(begin, end)
            for number, (s, a) in enumerate(zip(score[part], area[part], strict=True), start=1):
                found.append_ref(cell, ONE_CLASS, {"id": number, "score": s, "area": a})
            for number, (a, c) in enumerate(zip(object_area, crowd, strict=True), start=1):
                entry = {"id": number, "area": a, "iscrowd": c, "ignore": c}
                truth.append_ref(cell, ONE_CLASS, entry)
            iou = boxes.iou(box[part], objects.box[group].tolist(), crowd)
            if not classwise:
                iou = without_foreign_crowds(iou, objects, detections, rows[part], group)
            overlaps.append([iou])
        return overlaps, truth, found

    def _read(self, evaluations, areas: int, thresholds: int, ends, groups) -> np.ndarray:
        """The engine's matches, which it keeps per area and cell as ``[T, n]``, flat, ids from 1."""
        count = len(self.sizes)
        start = np.repeat(ends - self.sizes, self.sizes)
        size = np.repeat(self.sizes, self.sizes)
        place = np.arange(ends[-1]) - start
        flat = thresholds * start + place + np.arange(thresholds)[:, None] * size
        first = np.cumsum([0] + [len(group) for group in groups])[:-1]
        offset, every = np.repeat(first, self.sizes), np.concatenate(groups)
        result = np.empty((areas, thresholds, ends[-1]), np.int32)
        for area in range(areas):
            states = [e.__getstate__()[0] for e in evaluations[area * count : (area + 1) * count]]
            ids = np.fromiter(chain.from_iterable(states), np.int64, thresholds * ends[-1])[flat]
            result[area] = np.where(ids > 0, every[offset + np.maximum(ids, 1) - 1], NO_OBJECT)
        return result


def blocks(detection_cell: np.ndarray, object_cell: np.ndarray):
    """The cells that hold both detections and objects, some at a time."""
    shared = np.intersect1d(detection_cell, object_cell)
    for begin in range(0, len(shared), BLOCK):
        chosen = shared[begin : begin + BLOCK]
        low = np.searchsorted(detection_cell, chosen)
        sizes = np.searchsorted(detection_cell, chosen, "right") - low
        ends = np.cumsum(sizes)
        places = np.arange(ends[-1]) + np.repeat(low - (ends - sizes), sizes)
        bounds = zip(
            np.searchsorted(object_cell, chosen).tolist(),
            np.searchsorted(object_cell, chosen, "right").tolist(),
            strict=True,
        )
        yield Block(places, sizes, [slice(*pair) for pair in bounds])


def without_foreign_crowds(iou, objects, detections, rows, group) -> np.ndarray:
    """A crowd can be found by detections of its own class only."""
    foreign = detections.category[rows][:, None] != objects.category[group]
    return np.where(foreign & objects.crowd[group], 0.0, iou)


def box_iou(first: np.ndarray, second: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """IoU of pairs of boxes (x, y, w, h) ``[n, 4]``; to a crowd: the share of the first within it."""
    low = np.maximum(first[:, :2], second[:, :2])
    high = np.minimum(first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:])
    common = np.prod(np.maximum(high - low, 0), 1)
    areas = np.prod(first[:, 2:], 1), np.prod(second[:, 2:], 1)
    union = np.where(crowd, areas[0], areas[0] + areas[1] - common)
    return np.divide(common, union, out=np.zeros(len(common)), where=union > 0)
