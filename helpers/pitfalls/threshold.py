"""Failure 4: detections below a score of 0.5 dropped before mAP."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from helpers.lab.intervals import interval_of
from helpers.pitfalls.bench import Bench
from helpers.pitfalls.outcome import Claim, Outcome, or_why_not, points, rounded
from helpers.run.variants import BASELINE
from helpers.tasks.detection.columns import DetectionColumns

TITLE = "a score threshold of 0.5 before mAP"
FAILURE = "a threshold of 0.5 takes AP from all variants, by whole intervals"
CURE = "a lower threshold than the laboratory's adds next to nothing"
EARLY, LOWER = 0.5, 1e-5
NEGLIGIBLE = 0.002  # of AP: what a lower threshold than the laboratory's may still add


@or_why_not(TITLE)
def reproduce(bench: Bench) -> Outcome:
    """AP of every variant of the run with all detections, and with those from 0.5 up."""
    found = {name: bench.detections(file) for name, file in bench.files.items()}
    whole = {name: bench.precision(detections) for name, detections in found.items()}
    cut = {name: bench.precision(from_score(detections, EARLY)) for name, detections in found.items()}
    lost = {name: interval_of(cut[name] - whole[name]) for name in found}
    more = further(bench) - whole[BASELINE][0]
    share = (found[BASELINE].score >= EARLY).mean()
    return Outcome(
        TITLE,
        pd.DataFrame([row(name, whole, cut, points(lost[name])) for name in found]),
        Claim(
            FAILURE,
            f"float32 keeps {share:.1%} of its detections: {points(lost[BASELINE])} points",
            all(difference.high < 0 for difference in lost.values()),
        ),
        Claim(
            CURE,
            f"from {bench.interface.tail.limits.score_threshold:g} up; a threshold of {LOWER:g} would add "
            f"{100 * more:+.3f} points",
            abs(more) < NEGLIGIBLE,
        ),
    )


def from_score(detections: DetectionColumns, threshold: float) -> DetectionColumns:
    """Those that score at least ``threshold``."""
    kept = detections.score >= threshold
    return DetectionColumns(*(column[kept] for column in vars(detections).values()))


def further(bench: Bench) -> float:
    """AP of float32 where the tail drops even less."""
    tail = bench.interface.tail
    lower = dataclasses.replace(tail, limits=dataclasses.replace(tail.limits, score_threshold=LOWER))
    return float(bench.precision(bench.detections(bench.variant(BASELINE), tail=lower))[0])


def row(name: str, whole: dict[str, np.ndarray], cut: dict[str, np.ndarray], lost: str) -> dict[str, Any]:
    return {
        "variant": name,
        "AP": rounded(whole[name][0]),
        "place": place(name, whole),
        f"AP from {EARLY} up": rounded(cut[name][0]),
        "its place": place(name, cut),
        "difference in points": lost,
    }


def place(name: str, precision: dict[str, np.ndarray]) -> int:
    """1 for the highest AP; equal ones share a place."""
    return 1 + sum(other[0] > precision[name][0] for other in precision.values())
