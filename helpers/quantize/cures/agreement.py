"""How far a core's detections are those of float32: COCO's AP with these in the place of labels.

No label is needed. What float32 itself finds on photos is what every form of it is held to: 100 points are to
find the same objects, of the same class, in the same places, and with scores in the same order.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from helpers.lab.host import usable_cores
from helpers.lab.intervals import Interval, percentile_interval
from helpers.runtimes.catalogue import load_core
from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns
from helpers.tasks.detection.evidence import Evidence
from helpers.tasks.detection.resample import average_precision, paired_resamples
from helpers.tasks.detection.score import gather
from helpers.tasks.detection.tails.selection import Detections

# Of float32's detections those are objects to be found: below, most are false alarms. A detector that is
# seldom so sure has the next.
LEAST_SCORES = (0.2, 0.1, 0.05)
LEAST_OBJECTS = 1.0  # for each photo
RESAMPLES, SEED = 400, 7
LEVEL = 0.9  # both bounds together: a gain whose lower bound is above 0 is one with 95 %
SIDE = 1000.0  # boxes that are shares of the photo, in a unit in which COCO's sizes make no difference


@dataclass(frozen=True, eq=False)
class Judge:
    """Held-back photos, and what float32 finds in them.

    Attributes:
        inputs: of the core, float32, one for each photo.
        tail: heads -> ``Detections``.
        wanted: float32's detections, one for each photo.
    """

    inputs: Sequence[np.ndarray]
    tail: Any
    wanted: Sequence[Detections]

    @staticmethod
    def of(float_file: Path, tail: Any, inputs: Sequence[np.ndarray]) -> "Judge":
        return Judge(inputs, tail, detections(float_file, tail, inputs))

    @cached_property
    def least_score(self) -> float:
        """Of float32's detections that are objects to be found."""
        scores = np.concatenate([found.scores for found in self.wanted])
        enough = (s for s in LEAST_SCORES if (scores >= s).sum() >= LEAST_OBJECTS * len(self.wanted))
        return next(enough, LEAST_SCORES[-1])

    @cached_property
    def objects(self) -> ObjectColumns:
        columns = columns_of([sure(found, self.least_score) for found in self.wanted])
        return ObjectColumns(
            columns.image, columns.category, columns.box, columns.area, np.zeros(len(columns), bool)
        )

    @cached_property
    def weights(self) -> np.ndarray:
        """How often each photo is drawn, int ``[1 + resamples, photos]``; the first row is the data."""
        return paired_resamples(len(self.inputs), RESAMPLES, SEED)

    @cached_property
    def classes(self) -> int:
        return 1 + int(self.objects.category.max(initial=0))

    def draws(self, core: Path) -> np.ndarray:
        """Agreement of a core, in points: on the photos, then on each resample of them, ``[1 + B]``."""
        return self.draws_of(detections(core, self.tail, self.inputs))

    def draws_of(self, found: Sequence[Detections]) -> np.ndarray:
        columns = columns_of(found)
        # What float32 never finds has no AP.
        known = columns.category < self.classes
        columns = DetectionColumns(*(part[known] for part in vars(columns).values()))
        evidence: Evidence = gather(self.objects, columns, len(self.inputs), self.classes)
        with np.errstate(invalid="ignore"):
            draws = 100 * average_precision(evidence, self.weights).mean(1)
        # Without objects there is nothing to agree on.
        return draws if len(self.objects) else np.zeros_like(draws)


def gain_of(new: np.ndarray, old: np.ndarray) -> Interval:
    """Of agreement in points, paired over photos, from the ``draws`` of both."""
    return percentile_interval(float(new[0] - old[0]), (new - old)[1:], LEVEL)


def detections(core: Path, tail: Any, inputs: Sequence[np.ndarray]) -> list[Detections]:
    """What a core and its tail find in each photo, on all cores of the processor."""
    workers = min(usable_cores(), len(inputs))

    def serve(first: int) -> dict[int, Detections]:
        session = load_core(core, threads=1)
        return {place: finite(tail(session(inputs[place]))) for place in range(first, len(inputs), workers)}

    with ThreadPoolExecutor(workers) as pool:
        found = {place: each for part in pool.map(serve, range(workers)) for place, each in part.items()}
    return [found[place] for place in range(len(inputs))]


def sure(found: Detections, least: float) -> Detections:
    """Those of at least that score."""
    kept = found.scores >= least
    return Detections(found.boxes[kept], found.scores[kept], found.classes[kept])


def finite(found: Detections) -> Detections:
    kept = np.isfinite(found.boxes).all(1) & np.isfinite(found.scores)
    return Detections(found.boxes[kept], found.scores[kept], found.classes[kept])


def columns_of(found: Sequence[Detections]) -> DetectionColumns:
    image = np.repeat(np.arange(len(found), dtype=np.int32), [len(each.scores) for each in found])
    y0, x0, y1, x1 = np.concatenate([each.boxes for each in found]).astype(float).T.reshape(4, -1) * SIDE
    return DetectionColumns(
        image,
        np.concatenate([each.classes for each in found]).astype(np.int16),
        np.stack([x0, y0, x1 - x0, y1 - y0], 1),
        np.concatenate([each.scores for each in found]).astype(float),
    )
