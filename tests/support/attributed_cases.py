"""Cases whose difference in AP is shared out."""

from hypothesis import strategies as st

from helpers.tasks.detection.attribution import Attribution, explain
from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns
from helpers.tasks.detection.error_kinds import Kinds, classify
from helpers.tasks.detection.evidence import Evidence
from helpers.tasks.detection.score import gather
from tests.tasks.test_error_kinds import random_detections, random_objects

seeds = st.integers(0, 100_000)


def judged(
    truth: ObjectColumns, found: DetectionColumns, images: int, classes: int
) -> tuple[Evidence, Kinds]:
    evidence = gather(truth, found, images, classes)
    return evidence, classify(truth, found, evidence)


def explained(truth: ObjectColumns, base, variant, images: int = 3, classes: int = 2) -> Attribution:
    sides = (judged(truth, found, images, classes) for found in (base, variant))
    return explain(*next(sides), *next(sides))


def random_case(seed: int) -> tuple[ObjectColumns, DetectionColumns, DetectionColumns]:
    truth = random_objects(seed)
    return truth, random_detections(truth, seed), random_detections(truth, seed + 1)
