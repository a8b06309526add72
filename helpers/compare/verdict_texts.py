"""Verdicts in words: whether a loss is within the margin, and what the order of equal scores leaves open."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from helpers.compare.quantities import POINTS
from helpers.compare.verdict import FEW_IMAGES, FEW_RESAMPLES, NO, NO_VALUE, UNJUDGED, YES
from helpers.lab.intervals import Interval
from helpers.lab.quantities import number
from helpers.show.captions import points_text
from helpers.show.rows import records_of
from helpers.tasks.detection.quantities import AP_DIFFERENCE, TIES

# A range of AP by the order of ties that is narrower is not shown.
LEAST_TIES_POINTS = 0.005
NONE_COMPARED = "no verdict, since no variant has an AP to hold against float32's"
SHORT = {
    FEW_IMAGES: "too few images to say",
    FEW_RESAMPLES: "too few resamples",
    NO_VALUE: NO_VALUE,
}


def answer_of(row: Mapping[str, Any]) -> str:
    """The verdict's answer; empty for a row that has none."""
    answer = row.get("ap_within")
    return answer if isinstance(answer, str) else ""


def unjudged(rows: Iterable[Mapping[str, Any]]) -> str:
    """Why nothing is judged of a model with these rows; empty if something may be."""
    return next((answer for row in rows if (answer := answer_of(row)) in UNJUDGED), "")


def is_judged(results: pd.DataFrame) -> bool:
    """Whether any variant was held against the margin."""
    return any(answer and answer not in UNJUDGED for answer in map(answer_of, records_of(results)))


def unjudged_note(results: pd.DataFrame, margin: str) -> str:
    """Why no variant is held against the margin (``1 point``), a sentence; empty where one is."""
    if is_judged(results):
        return ""
    reason = unjudged(records_of(results)) or NONE_COMPARED
    return f"N{reason[1:]}: it is not said whether a loss is within {margin}."


def within_text(row: Mapping[str, Any]) -> str:
    """``within 1 point``, with the row's own margin."""
    return f"within {points_text(round(number(row, 'ap_margin') * POINTS, 6))}"


def long_answer(row: Mapping[str, Any]) -> str:
    """``yes``, ``no`` or what is lacking: ``not enough images (about 1,300 needed)``."""
    needed = number(row, "ap_images_needed")
    return answer_of(row) + (f" (about {needed:,.0f} needed)" if math.isfinite(needed) else "")


def short_answer(row: Mapping[str, Any]) -> str:
    """``within 1 point: yes``, for a narrow place; empty for a row that nothing was asked of."""
    answer = answer_of(row)
    return f"{within_text(row)}: {answer}" if answer in (YES, NO) else SHORT.get(answer, "")


def tie_range(row: Mapping[str, Any]) -> Interval | None:
    """AP in points, between the worst and the best order of equal scores; None where that is one number."""
    ties = TIES.at(row)
    shown = ties is not None and ties.high - ties.low > LEAST_TIES_POINTS
    return ties if shown else None


def ties_outweigh(row: Mapping[str, Any]) -> bool:
    """Whether the order of equal scores leaves more open than the choice of images does."""
    ties, difference = tie_range(row), AP_DIFFERENCE.at(row)
    return bool(ties and difference and ties.high - ties.low > difference.high - difference.low)


def tie_ends(ties: Interval) -> tuple[str, str]:
    """Its ends as texts, with a second decimal where one would hide the range."""
    digits = 1 if ties.high - ties.low >= 0.1 else 2
    return f"{ties.low:.{digits}f}", f"{ties.high:.{digits}f}"
