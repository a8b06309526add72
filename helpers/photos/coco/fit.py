"""Do labels fit their photos? Told by a detector: does it find far more if they are read otherwise?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from helpers.photos.coco.readings import READINGS, Reading
from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns
from helpers.tasks.detection.matching import NO_OBJECT, match

IOU = 0.5
ANY_SIZE = ((0.0, 1e12),)
# Another reading must find so many times as much, on so many more photos that chance is ruled out: the chance
# of it for a detector that finds nothing at all, where photos that change are as likely better as worse.
LEAST_GAIN, MOST_CHANCE = 1.5, 1e-4
# Categories are suspected where so many boxes are found, and so few of them under their own name.
LEAST_FOUND, MOST_NAMED, LEAST_RENAMED = 30, 0.2, 0.6


@dataclass(frozen=True)
class Truth:
    """The objects of some photos, crowds aside, and where they stand in the user's file.

    Attributes:
        objects: ``image`` is the place among ``files``, ``category`` that among ``categories``.
        ids: ``[G]``, of their annotations, as the user's file has them.
        sizes: float ``[images, 2]``, width and height.
    """

    objects: ObjectColumns
    ids: Sequence[Any]
    files: Sequence[str]
    sizes: np.ndarray
    categories: Mapping[int, str]

    @property
    def object_sizes(self) -> np.ndarray:
        return self.sizes[self.objects.image]

    def on(self, images: np.ndarray) -> "Truth":
        """Those on the images at these places."""
        rows = np.flatnonzero(np.isin(self.objects.image, images))
        columns = {name: column[rows] for name, column in vars(self.objects).items()}
        return replace(self, objects=ObjectColumns(**columns), ids=[self.ids[row] for row in rows])


def truth_of(labels: Mapping[str, Any], shown: Sequence[int]) -> Truth:
    """The objects of a COCO file on the images of these ids, all of which have a width and a height."""
    places = {image: place for place, image in enumerate(shown)}
    entries = [e for e in labels["annotations"] if e["image_id"] in places and not e.get("iscrowd")]
    boxes = np.array([entry["bbox"] for entry in entries], float).reshape(-1, 4)
    objects = ObjectColumns(
        np.array([places[entry["image_id"]] for entry in entries], np.int32),
        np.array([entry["category_id"] for entry in entries], np.int64),
        boxes,
        boxes[:, 2] * boxes[:, 3],
        np.zeros(len(entries), bool),
    )
    photos = {image["id"]: image for image in labels["images"]}
    return Truth(
        objects,
        [entry.get("source_id", entry["id"]) for entry in entries],
        [photos[image]["file_name"] for image in shown],
        np.array([[photos[i]["width"], photos[i]["height"]] for i in shown], float).reshape(-1, 2),
        {category["id"]: category["name"] for category in labels["categories"]},
    )


def suspicion(truth: Truth, found: DetectionColumns, whose: str = "") -> str:
    """What is wrong with the labels, as far as detections tell; empty if nothing is seen.

    Args:
        found: ``image`` and ``category`` as in ``truth``.
        whose: which photos these are, if not all: ``" with EXIF orientation 3"``.
    """
    if not len(truth.objects) or not len(found):
        return ""
    kept = best_of(truth.objects, found)
    given = hits(truth, kept, truth.objects.box)
    reading, boxes, read = best_reading(truth, kept)
    if reading is not None and clearly_better(truth, given, read):
        return reading_told(truth, given, read, reading, boxes, whose)
    return other_names(truth, found)


def best_of(objects: ObjectColumns, found: DetectionColumns, classwise: bool = True) -> DetectionColumns:
    """Of each photo and class the best-scored detections, as many as there are objects."""
    span = 1 + max(int(objects.category.max()), int(found.category.max())) if classwise else 1
    cell, wanted = (each.image.astype(np.int64) * span for each in (found, objects))
    if classwise:
        cell, wanted = cell + found.category, wanted + objects.category
    order = np.lexsort((-found.score, cell))
    ordered = cell[order]
    rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    cells, counts = np.unique(wanted, return_counts=True)
    place = np.minimum(np.searchsorted(cells, ordered), len(cells) - 1)
    rows = order[(cells[place] == ordered) & (rank < counts[place])]
    return DetectionColumns(*(column[rows] for column in vars(found).values()))


def hits(truth: Truth, found: DetectionColumns, boxes: np.ndarray, classwise: bool = True) -> np.ndarray:
    """What finds each object if its box is this one: rows of ``found``, int ``[G]``; -1 for none."""
    met = np.full(len(boxes), NO_OBJECT)
    if len(found):
        matches = match(replace(truth.objects, box=boxes), found, [IOU], ANY_SIZE, classwise=classwise)
        hit = matches.found[0, 0]
        met[hit[hit != NO_OBJECT]] = matches.row[hit != NO_OBJECT]
    return met


def best_reading(truth: Truth, found: DetectionColumns) -> tuple[Reading | None, np.ndarray, np.ndarray]:
    """The other reading that explains most, its boxes, and what finds each object then."""
    best, nothing = None, np.full(len(truth.objects), NO_OBJECT)
    for reading in READINGS:
        boxes = reading.boxes(truth.objects.box, truth.object_sizes)
        if boxes is None:
            continue
        read = hits(truth, found, boxes)
        if best is None or (read >= 0).sum() > (best[2] >= 0).sum():
            best = reading, boxes, read
    return best or (None, truth.objects.box, nothing)


def clearly_better(truth: Truth, given: np.ndarray, read: np.ndarray) -> bool:
    """A sign test over photos: those of one photo are not independent of one another."""
    gain = (read >= 0).astype(int) - (given >= 0)
    by_photo = np.bincount(truth.objects.image, gain, len(truth.files))
    better, worse = int((by_photo > 0).sum()), int((by_photo < 0).sum())
    if (read >= 0).sum() < LEAST_GAIN * (given >= 0).sum():
        return False
    chance = sum(math.comb(better + worse, k) for k in range(worse + 1)) / 2 ** (better + worse)
    return chance <= MOST_CHANCE


def reading_told(truth: Truth, given, read, reading: Reading, boxes: np.ndarray, whose: str) -> str:
    row = int(np.flatnonzero((read >= 0) & (given < 0))[0])
    photos = len(np.unique(truth.objects.image))
    return (
        f"The labels do not fit the photos{whose}: of {len(read)} objects on {photos} photos float32 finds "
        f"{int((given >= 0).sum())}, and {int((read >= 0).sum())} if they are {reading.meaning}. For example "
        f"{described(truth, row)} would be {rounded(boxes[row])}. Cure: {reading.cure}"
    )


def described(truth: Truth, row: int) -> str:
    objects = truth.objects
    name, box = truth.categories[int(objects.category[row])], rounded(objects.box[row])
    return f"{truth.files[objects.image[row]]}, annotation {truth.ids[row]}: {name} at {box}"


def rounded(box: np.ndarray) -> list[float]:
    return [round(float(number), 3 if max(box) < 10 else 1) for number in box]


def other_names(truth: Truth, found: DetectionColumns) -> str:
    """Whether boxes are found, but under other names, each under one of its own."""
    kept = best_of(truth.objects, found, classwise=False)
    met = hits(truth, kept, truth.objects.box, classwise=False)
    rows = np.flatnonzero(met >= 0)
    labelled, called = truth.objects.category[rows], kept.category[met[rows]]
    named = int((labelled == called).sum())
    if len(rows) < LEAST_FOUND or named > MOST_NAMED * len(rows):
        return ""
    pairs = renamed(labelled, called)
    if len(pairs) < 2 or sum(pairs.values()) < LEAST_RENAMED * len(rows):
        return ""
    (label, call), count = max(pairs.items(), key=lambda item: item[1])
    first = int(rows[(labelled == label) & (called == call)][0])
    return (
        f"The labels' categories do not fit their objects: of {len(rows)} boxes that float32 finds, {named} "
        f"have its category; {count} labelled {truth.categories[label]!r} are {truth.categories[call]!r} to "
        f"it. For example {described(truth, first)}. Cure: correct the names, or the order, of the labels' "
        "categories."
    )


def renamed(labelled: np.ndarray, called: np.ndarray) -> dict[tuple[int, int], int]:
    """Pairs of a label and what it is called, each of them in one pair at most, the most frequent first."""
    pairs, counts = np.unique(np.stack([labelled, called], 1), axis=0, return_counts=True)
    chosen: dict[tuple[int, int], int] = {}
    for place in np.argsort(-counts, kind="stable"):
        label, call = pairs[place].tolist()
        if all(label != one and call != other for one, other in chosen):
            chosen[label, call] = int(counts[place])
    return chosen


def nothing_found(truth: Truth, ap: float) -> str:
    """For an AP near zero that no other reading explains."""
    return (
        f"float32's AP is {100 * ap:.2f} points: what it finds is not what the labels name, and none of "
        f"{len(READINGS)} other readings of their boxes explains it. Hold a photo against its boxes (01 "
        "shows some), such as "
        f"{described(truth, 0)}; and ask whether the model was made for such photos."
    )
