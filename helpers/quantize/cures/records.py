"""What is kept of a search for cures: its whole course."""

from dataclasses import dataclass
from pathlib import Path

from helpers.lab.intervals import Interval
from helpers.lab.records import Number


@dataclass(frozen=True)
class CureStep:
    """One state of the file that the search kept.

    Attributes:
        cure: name of the cure that made it of the step before; of the first the plain form's.
        told: what was chosen, a clause for people.
        file: name of its file below the variant's folder of steps.
        agreement: how far its detections are float32's, in points (``cures.agreement``), on held-back photos.
        gain: of agreement over the step before, paired over these photos; 0 of the first; NaN where none were
            held back.
        latency_ms: fastest inference of interleaved visits during the search: rough, to choose by.
        search_s: wall time that finding it took.
    """

    cure: str
    told: str
    file: str
    agreement: float
    gain: Interval
    latency_ms: float
    search_s: float


@dataclass(frozen=True)
class Trial:
    """One candidate of the search.

    Attributes:
        agreement, latency_ratio: NaN where it could not be tried.
        gain: of agreement in points over what was best then; ``latency_ratio``: of its time to that one's.
        kept: whether it became a step; ``why``: a clause for people.
    """

    cure: str
    told: str
    agreement: Number
    gain: Interval
    latency_ratio: Number
    kept: bool
    why: str


@dataclass(frozen=True)
class KeptFloat:
    """An operator of the finished file that is computed in float32: its name and type, and why."""

    operator: str
    type: str
    why: str


@dataclass(frozen=True)
class CureCourse:
    """The whole search.

    Attributes:
        steps: from the plain form to the cured one, each the file of the one before and one cure more.
        trials: every candidate, in order.
        floats: operators that stay float in the finished file.
        calibration_photos: by which the file is made; ``held_back_photos``: by which its steps are chosen, 0
            where no choice can be made by them.
        goal_points: agreement that float32 itself would lose no more than (the run's margin).
        stopped: why it ended, a sentence.
    """

    steps: tuple[CureStep, ...]
    trials: tuple[Trial, ...]
    floats: tuple[KeptFloat, ...]
    calibration_photos: int
    held_back_photos: int
    goal_points: float
    stopped: str


def steps_folder(variant_file: Path) -> Path:
    """Where the files of the steps to a cured variant's file lie."""
    return variant_file.parent / "steps" / variant_file.stem
