"""AP of resampled images: the paired bootstrap's engine.

All arrays have the resamples last: a detection is a row, and an operation runs along contiguous memory.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from helpers.lab.host import usable_cores
from helpers.lab.intervals import resample_weights
from helpers.tasks.detection.evidence import AREAS, IOU_THRESHOLDS, Evidence

RECALL_POINTS = np.linspace(0, 1, 101)
# linspace multiplies by 0.01, so some points lie a rounding above the fraction j / 100 that a recall can be.
RAISED = np.flatnonzero(np.arange(101) / 100 < RECALL_POINTS)
NUDGE = 1e-9  # more than a product's rounding, less than the distance of recalls, 1 / objects, will ever be
# Bounds one array of a block of resamples, of which about five live at a time on each core.
BLOCK_BYTES = 4_000_000


def average_precision(evidence: Evidence, weights: np.ndarray, area: str = "all") -> np.ndarray:
    """AP per resample and IoU threshold, float64 ``[B, 10]``; NaN where nothing is to be found.

    With all weights 1 this is pycocotools' AP (its accumulate and summarize: precision made monotone,
    read at 101 recalls, averaged over the classes that have objects). With other weights it is that of
    the data in which image i occurs ``weights[i]`` times, the copies of a detection side by side.

    Args:
        evidence: of one variant.
        weights: how often each image was drawn, int ``[B, images]``.
        area: one of ``AREAS``.
    """
    drawn = np.ascontiguousarray(weights.T, dtype=np.min_scalar_type(weights.max(initial=0)))
    objects = evidence.objects(area)
    labels = np.flatnonzero(objects.sum(1))

    def of_label(label: int) -> tuple[np.ndarray, np.ndarray]:
        place = np.flatnonzero(objects[label])
        expected = objects[label, place] @ drawn[place]
        ranking = Ranking.of_class(evidence, label, AREAS.index(area))
        parts = blocks(len(weights), len(ranking.hits.place))
        found = [ranking.average_precision(drawn[:, part], expected[part]) for part in parts]
        return np.concatenate(found, axis=1), expected > 0

    total = np.zeros((len(IOU_THRESHOLDS), len(weights)))
    classes = np.zeros(len(weights), np.int32)
    # NumPy lets go of the interpreter in long operations, so threads share them among the cores.
    with ThreadPoolExecutor(usable_cores()) as pool:
        for found, drawn_at_all in pool.map(of_label, labels):
            total += found
            classes += drawn_at_all
    with np.errstate(invalid="ignore"):
        return (total / classes).T


def blocks(resamples: int, rows: int) -> Iterator[slice]:
    """Resamples, as many at a time as ``BLOCK_BYTES`` allows with that many rows of float64."""
    size = max(1, BLOCK_BYTES // (8 * max(rows, 1)))
    return (slice(start, start + size) for start in range(0, resamples, size))


@dataclass(frozen=True)
class Lanes:
    """Chosen detections of one class, a lane for each IoU threshold.

    Rows are sorted by rank within the lane, and within a rank by lane, the longest lane first. So the
    lanes that have a rank r + 1 are the first ones of those that have a rank r, and sums and maxima
    run along all lanes at once, rank by rank.

    Attributes:
        place: int ``[rows]``, place of the detection among those of the class.
        lane: int ``[rows]``.
        threshold: int ``[T]``, index of the IoU threshold of each lane.
        ends: int ``[ranks + 1]``, row where each rank begins, and the end.
    """

    place: np.ndarray
    lane: np.ndarray
    threshold: np.ndarray
    ends: np.ndarray

    @staticmethod
    def of(chosen: np.ndarray) -> "Lanes":
        """From bool ``[T, D]``."""
        lengths = chosen.sum(1)
        threshold = np.argsort(-lengths, kind="stable")
        lane, place = np.nonzero(chosen[threshold])
        rank = np.arange(len(lane)) - (np.cumsum(lengths[threshold]) - lengths[threshold])[lane]
        rows = np.lexsort((lane, rank))
        ends = np.searchsorted(rank[rows], np.arange(lengths.max(initial=0) + 1))
        return Lanes(place[rows], lane[rows], threshold, ends)

    def ranks(self) -> list[slice]:
        return [slice(*pair) for pair in pairwise(self.ends.tolist())]

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Running sums along each lane of ``[rows, B]``: int32."""
        sums = values.astype(np.int32)
        ranks = self.ranks()
        for before, after in pairwise(ranks):
            previous = sums[before.start : before.start + after.stop - after.start]
            np.add(sums[after], previous, out=sums[after])
        return sums

    def last_row(self, chosen: np.ndarray, place: np.ndarray, threshold: np.ndarray) -> np.ndarray:
        """Row of the last of the ``chosen`` at or before each place and threshold; -1 for none."""
        count = np.cumsum(chosen, 1)[threshold, place]
        lane = np.argsort(self.threshold)[threshold]
        return np.where(count > 0, self.ends[count - 1] + lane, -1)


@dataclass(frozen=True)
class Ranking:
    """The detections of one class and area that count at some threshold, best score first.

    Attributes:
        image: int ``[D]``, index of each detection's image.
        hits: the true positives at each threshold.
        passed: those that count neither way at a threshold, though at another they do.
        passed_row: int ``[rows of hits]``, row of the last one passed before each hit; -1 for none.
    """

    image: np.ndarray
    hits: Lanes
    passed: Lanes
    passed_row: np.ndarray

    @staticmethod
    def of_class(evidence: Evidence, label: int, area: int) -> "Ranking":
        bounds = evidence.bounds()
        part = slice(bounds[label], bounds[label + 1])
        matched, ignored = evidence.matched[area, :, part], evidence.ignored[area, :, part]
        hit = matched & ~ignored
        counts = ~ignored.all(0)
        # What comes after the last hit moves no precision that is read.
        counts[np.flatnonzero(hit.any(0)).max(initial=-1) + 1 :] = False
        hits, passed = Lanes.of(hit[:, counts]), Lanes.of(ignored[:, counts])
        row = passed.last_row(ignored[:, counts], hits.place, hits.threshold[hits.lane])
        return Ranking(evidence.image[part][counts], hits, passed, row)

    def average_precision(self, drawn: np.ndarray, objects: np.ndarray) -> np.ndarray:
        """AP of the class, ``[T, B]``; 0 where it has no objects.

        Args:
            drawn: how often each image was drawn, unsigned ``[images, B]``.
            objects: how many there are to be found, ``[B]``.
        """
        area = np.zeros((len(self.hits.threshold), drawn.shape[1]))
        if not len(self.hits.place):
            return area
        true = self.hits.sums(drawn[self.image[self.hits.place]])
        counted = self._counted(drawn)
        precision = true / np.maximum(counted, 1, out=counted)
        reached = points_reached(true, objects)
        area[self.hits.threshold] = areas_below(self.hits, precision, reached)
        return area / len(RECALL_POINTS)

    def _counted(self, drawn: np.ndarray) -> np.ndarray:
        """Detections that count, up to and with each hit: int32 ``[rows of hits, B]``."""
        places, which = np.unique(self.hits.place, return_inverse=True)
        counted = sums_up_to(places, drawn, self.image)[which]
        if len(self.passed.place):
            after = np.flatnonzero(self.passed_row >= 0)
            passed = self.passed.sums(drawn[self.image[self.passed.place]])
            counted[after] -= passed[self.passed_row[after]]
        return counted


def sums_up_to(places: np.ndarray, drawn: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Sums of the rows ``drawn[image]`` up to and with each place: int32 ``[places, B]``."""
    sums = np.empty((len(places), drawn.shape[1]), np.int32)
    start = 0
    for row, place in enumerate(places.tolist()):
        np.add.reduce(drawn[image[start : place + 1]], axis=0, dtype=np.int32, out=sums[row])
        start = place + 1
    return np.cumsum(sums, axis=0, out=sums)


def points_reached(true: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """How many recall points lie at or below each recall, as pycocotools rounds: float64 ``[rows, B]``.

    Equal to ``searchsorted(RECALL_POINTS, true / objects, "right")``, but by arithmetic.

    Args:
        true: true positives, int ``[rows, B]``.
        objects: ``[B]``; at least as many.
    """
    count = np.maximum(objects, 1)
    reached = true * (100 / count)
    reached += 1 + NUDGE
    np.floor(reached, out=reached)
    raised = np.flatnonzero(meets_raised(count))
    recall, found = true[:, raised] / count[raised], reached[:, raised]
    reached[:, raised] = found - (recall < RECALL_POINTS[found.astype(np.intp) - 1])
    return reached


def meets_raised(objects: np.ndarray) -> np.ndarray:
    """Whether a recall among that many objects can be the fraction of a raised recall point: bool ``[B]``."""
    return (objects[:, None] * RAISED % 100 == 0).any(1)


def areas_below(hits: Lanes, precision: np.ndarray, reached: np.ndarray) -> np.ndarray:
    """Monotone precision, summed over the recall points from the last hit back: ``[T, B]`` by lane."""
    area, best = np.zeros((2, len(hits.threshold), precision.shape[1]))
    ranks = hits.ranks()
    for rank, now in reversed(list(enumerate(ranks))):
        width = now.stop - now.start
        np.maximum(best[:width], precision[now], out=best[:width])
        newly = reached[now]
        if rank:
            newly -= reached[ranks[rank - 1].start : ranks[rank - 1].start + width]
        newly *= best[:width]
        area[:width] += newly
    return area


def paired_resamples(images: int, resamples: int, seed: int) -> np.ndarray:
    """The weights that all variants share: row 0 is the data as they are, then ``resamples`` draws."""
    return np.concatenate([np.ones((1, images), np.int32), resample_weights(images, resamples, seed)])
