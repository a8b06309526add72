"""What detection adds to the quantities: COCO's twelve numbers, their differences to float32, ties."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from helpers.lab.intervals import NAN, Absent, Interval, bias_corrected_interval, interval_of
from helpers.lab.quantities import Quantity, taken

POINTS = 100
NOTHING_TO_FIND = "no object on the evaluation photos counts"
NONE_OF_SIZE = "no object of this size on the evaluation photos counts"
REASON, SIZE_REASON = "ap_reason", "ap_size_reason"
AREAS = ("small", "medium", "large")
AP_TITLES = {
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    **{f"ap_{area}": f"AP {area}" for area in AREAS},
}
AR_TITLES = {
    **{f"ar{most}": f"AR{most}" for most in (1, 10, 100)},
    **{f"ar_{area}": f"AR {area}" for area in AREAS},
}


@dataclass(frozen=True)
class Accuracy:
    """What is known of one variant's accuracy.

    Attributes:
        stats: COCO's twelve numbers, 0..1; -1 where there is none.
        draws: quantity -> ``[1 + resamples]``, the data first.
        base: the same of the baseline and the same resamples; None of the baseline itself.
        tie_bounds: AP under the worst and the best order among equal scores.
        distinct_scores: how many values its scores take.
    """

    stats: Mapping[str, float]
    draws: Mapping[str, np.ndarray]
    base: Mapping[str, np.ndarray] | None
    tie_bounds: tuple[float, float]
    distinct_scores: int

    def stat(self, name: str) -> float | Absent:
        """COCO's number."""
        return self.stats[name] if self.stats[name] >= 0 else Absent(nothing(name))

    def average(self, name: str) -> Interval | Absent:
        """COCO's number, with the interval of its resamples."""
        stat = self.stat(name)
        if isinstance(stat, Absent):
            return stat
        bounds = bias_corrected_interval(self.draws[name])
        return Interval(stat, bounds.low, bounds.high)

    def difference(self, name: str) -> Interval | Absent:
        """To the baseline, paired: each resample's difference is taken before the interval is."""
        if self.base is None:
            return Interval(0.0, NAN, NAN)
        if isinstance(stat := self.stat(name), Absent):
            return stat
        return interval_of(self.draws[name] - self.base[name])

    def ties(self) -> Interval | Absent:
        stat = self.stat("ap")
        return stat if isinstance(stat, Absent) else Interval(stat, *self.tie_bounds)


def size_of(name: str) -> str:
    """Of ``ap_small``: ``small``; empty for a quantity of objects of all sizes."""
    return name.partition("_")[2]


def nothing(name: str) -> str:
    """Why a quantity has no value, where the photos hold no object that it counts."""
    return NONE_OF_SIZE if size_of(name) else NOTHING_TO_FIND


def reason_column(name: str) -> str:
    """Those of one size may lack where the others are there."""
    return SIZE_REASON if size_of(name) else REASON


def average(name: str, title: str) -> Quantity:
    of = taken("accuracy", lambda accuracy: accuracy.average(name))
    label = "COCO AP (points)" if name == "ap" else "AP (points)"
    shown = "accuracy" if name == "ap" else "objects" if name.removeprefix("ap_") in AREAS else ""
    return Quantity(
        name, title, label, POINTS, 1, better="more", table=shown, summary=name == "ap",
        reason=reason_column(name), of=of,
    )  # fmt: skip


def difference(name: str, title: str) -> Quantity:
    of = taken("accuracy", lambda accuracy: accuracy.difference(name))
    label = f"← worse    {title} difference to float32 (points)    better →"
    shown = "accuracy" if name == "ap" else "differences"
    return Quantity(
        f"{name}_diff", f"Δ{title}", label, POINTS, 2, signed=True, better="more", against=True, table=shown,
        summary=name == "ap", reason=reason_column(name), of=of,
    )  # fmt: skip


def recall(name: str, title: str) -> Quantity:
    of = taken("accuracy", lambda accuracy: accuracy.stat(name))
    return Quantity(name, title, "", POINTS, 1, better="more", bounds="", reason=reason_column(name), of=of)


AVERAGES = tuple(average(name, title) for name, title in AP_TITLES.items())
DIFFERENCES = tuple(difference(name, title) for name, title in AP_TITLES.items())
RECALLS = tuple(recall(name, title) for name, title in AR_TITLES.items())
AP, AP_DIFFERENCE = AVERAGES[0], DIFFERENCES[0]
# Between the worst and the best order of equal scores.
TIES = Quantity(
    "ap_ties", "AP by order of ties", "", POINTS, 1, bounds="range", column="ap", table="accuracy",
    of=taken("accuracy", Accuracy.ties),
)  # fmt: skip
DISTINCT_SCORES = Quantity(
    "distinct_scores", "Distinct scores", "", 1, 0, bounds="", table="accuracy",
    of=taken("accuracy", lambda accuracy: accuracy.distinct_scores),
)  # fmt: skip
QUANTITIES = (*AVERAGES, *RECALLS, *DIFFERENCES, TIES, DISTINCT_SCORES)
