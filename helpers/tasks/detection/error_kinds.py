"""What is wrong with each false alarm, and why each object was not found.

The kinds are those of TIDE (Bolya, Foley, Hays and Hoffman, *TIDE: A General Toolbox for Identifying
Object Detection Errors*, ECCV 2020, section 2.2), at every one of COCO's IoU thresholds ``t`` rather than
at 0.5 alone. A false alarm is a detection that found nothing and counts; the first that fits is its kind:

- ``duplicate``: IoU >= t with an object of its class, which another detection found;
- ``shifted box``: IoU >= 0.1 with an object of its class, else too little (TIDE: localization);
- ``wrong class``: IoU >= t with an object of another class (TIDE: classification);
- ``background``: all else.

An object that is not found is explained by the false alarms on it: a ``shifted box`` is one of its class
with 0.1 <= IoU < t, a ``wrong class`` one of another class with IoU >= t. The highest score decides, at
equal scores the shifted box. An object without any is a ``missed object``.

In a crowded scene a detection speaks for one object only: that which it overlaps most among those of
its class, and for a wrong class, among those of other classes (as in TIDE). What found an object, what is
ignored and what is a duplicate explains no other object: a neighbour of a found object is missed.

Where this differs from TIDE: duplicates come first, where TIDE's program asks for wrong classes before
them; TIDE's "both" (another class with 0.1 <= IoU < t) is background here; detections are matched as
COCO does, at most 100 per image and class; and nothing is repaired: see ``attribution`` for what is summed.

Crowds, and objects that COCO ignores, take no part: a detection is neither wrong nor right because of them.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from helpers.lab.files import atomic_file
from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns
from helpers.tasks.detection.evidence import IOU_THRESHOLDS, Evidence
from helpers.tasks.detection.matching import NO_OBJECT, box_iou

KINDS = ("missed object", "shifted box", "wrong class", "duplicate", "background")
MISSED, SHIFTED, WRONG_CLASS, DUPLICATE, BACKGROUND = range(len(KINDS))
NO_KIND = -1
BACKGROUND_IOU = 0.1  # TIDE's t_b: a box that overlaps less is not on the object
BLOCK_PAIRS = 1 << 17  # pairs of detection and object that are compared at once: bounds the memory


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


@dataclass(frozen=True)
class Nearest:
    """The object that each of ``D`` detections overlaps most.

    Attributes:
        iou: float64 ``[D]``, 0..1; 0 where none is overlapped by ``BACKGROUND_IOU`` or more.
        object: int32 ``[D]``, row of the object; -1 for none.
    """

    iou: np.ndarray
    object: np.ndarray


def classify(objects: ObjectColumns, detections: DetectionColumns, evidence: Evidence) -> Kinds:
    """The kind of every false alarm and the cause of every lost object, at COCO's IoU thresholds.

    Args:
        objects, detections: those that were scored.
        evidence: what ``score.gather`` made of them.
    """
    own, other = nearest(objects, detections.box[evidence.row], evidence)
    shape = len(IOU_THRESHOLDS), len(evidence.row)
    detection, cause = np.empty(shape, np.int8), np.empty((shape[0], len(objects)), np.int8)
    for step, threshold in enumerate(IOU_THRESHOLDS):
        found = found_objects(evidence, step)
        alarm = ~evidence.matched[0, step] & ~evidence.ignored[0, step]
        detection[step] = np.where(alarm, kinds_of(own, other, found, threshold), NO_KIND)
        lost = evidence.counted() & ~found
        causes = causes_of(own, other, detection[step], evidence.score, threshold, len(objects))
        cause[step] = np.where(lost, causes, NO_KIND)
    return Kinds(detection, cause)


def found_objects(evidence: Evidence, step: int) -> np.ndarray:
    """Whether each object was found at the threshold of that index. Bool ``[G]``."""
    hits = evidence.found[step]
    found = np.zeros(len(evidence.object_image), bool)
    found[hits[hits != NO_OBJECT]] = True
    return found


def kinds_of(own: Nearest, other: Nearest, found: np.ndarray, threshold: float) -> np.ndarray:
    """The kind of each detection if it is a false alarm, int8 ``[D]``."""
    taken = np.append(found, False)[own.object]
    kinds = np.where(other.iou >= threshold, WRONG_CLASS, BACKGROUND)
    kinds[own.object != NO_OBJECT] = SHIFTED
    kinds[taken & (own.iou >= threshold)] = DUPLICATE
    return kinds.astype(np.int8)


def causes_of(
    own: Nearest, other: Nearest, kinds: np.ndarray, scores: np.ndarray, threshold: float, objects: int
) -> np.ndarray:
    """The cause for each object if it is lost, int8 ``[objects]``; ``kinds`` of the detections."""
    shifted = kinds == SHIFTED
    wrong = (kinds != NO_KIND) & (kinds != DUPLICATE) & (other.iou >= threshold)
    best_shifted = best_score(own.object[shifted], scores[shifted], objects)
    best_wrong = best_score(other.object[wrong], scores[wrong], objects)
    causes = np.where(best_shifted >= best_wrong, SHIFTED, WRONG_CLASS)
    causes[np.maximum(best_shifted, best_wrong) == -np.inf] = MISSED
    return causes.astype(np.int8)


def best_score(rows: np.ndarray, scores: np.ndarray, objects: int) -> np.ndarray:
    """The highest of the scores given for each object, float64 ``[objects]``; minus infinity for none."""
    best = np.full(objects, -np.inf)
    np.maximum.at(best, rows, scores)
    return best


def nearest(objects: ObjectColumns, boxes: np.ndarray, evidence: Evidence) -> tuple[Nearest, Nearest]:
    """The nearest object of its own class, and of other classes, for each detection.

    Args:
        objects: crowds among them are passed over.
        boxes: float64 ``[D, 4]``, in the order of the evidence.
        evidence: of these detections.
    """
    own, other = nobody(len(boxes)), nobody(len(boxes))
    for detection, row in pairs(evidence):
        iou = box_iou(boxes[detection], objects.box[row], np.zeros(len(row), bool))
        near = iou >= BACKGROUND_IOU
        detection, row, iou = detection[near], row[near], iou[near]
        same = evidence.category[detection] == objects.category[row]
        keep_best(own, detection[same], row[same], iou[same])
        keep_best(other, detection[~same], row[~same], iou[~same])
    return own, other


def nobody(length: int) -> Nearest:
    return Nearest(np.zeros(length), np.full(length, NO_OBJECT, np.int32))


def keep_best(best: Nearest, detection: np.ndarray, row: np.ndarray, iou: np.ndarray) -> None:
    """Enter into ``best`` each detection's highest IoU, of equal ones the first."""
    np.maximum.at(best.iou, detection, iou)
    highest = iou == best.iou[detection]
    # Where an index is repeated, NumPy keeps the last value that is assigned.
    best.object[detection[highest][::-1]] = row[highest][::-1]


def pairs(evidence: Evidence) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Detections and objects to be found that share an image, some images at a time.

    Yields: places of the detections in the evidence and rows of the objects, int ``[pairs]`` each;
    fewer than ``BLOCK_PAIRS`` and the pairs of one image.
    """
    detection = np.argsort(evidence.image, kind="stable")
    row = np.flatnonzero(evidence.counted())
    row = row[np.argsort(evidence.object_image[row], kind="stable")]
    edges = np.arange(evidence.images + 1)
    first_detection = np.searchsorted(evidence.image[detection], edges)
    first_row = np.searchsorted(evidence.object_image[row], edges)
    rows = np.diff(first_row)
    for begin, end in blocks(np.diff(first_detection) * rows):
        part = detection[first_detection[begin] : first_detection[end]]
        image = evidence.image[part]
        each = rows[image]
        number = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
        yield np.repeat(part, each), row[np.repeat(first_row[image], each) + number]


def blocks(sizes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Consecutive images, begin and end, such that each block's ``sizes`` sum to about ``BLOCK_PAIRS``."""
    number = (np.cumsum(sizes) - sizes) // BLOCK_PAIRS
    edges = np.append(np.flatnonzero(np.diff(number, prepend=-1)), len(sizes)).tolist()
    yield from pairwise(edges)
