"""How int8 was cured, in numbers: one row per step of every cured variant, and a sentence of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from helpers.compare.quantities import POINTS
from helpers.energy.cured_steps import NO_KERNELS, summarize_steps, timed_courses
from helpers.energy.summary import LatencySummary
from helpers.evaluate.cured_steps import StepScore, read_draws, read_steps
from helpers.lab.errors import LabError, found_of
from helpers.lab.intervals import Absent, Interval, interval_of, spread
from helpers.lab.quantities import Quantity, number
from helpers.models.registry import Model
from helpers.quantize.courses import courses, cure_words
from helpers.quantize.cures.records import CureCourse
from helpers.run.experiment import Run
from helpers.run.standing import scored_models
from helpers.run.variants import baseline_of
from helpers.show.rows import records_of

AP = Quantity("ap", "AP", scale=POINTS, digits=2, bounds="")
LOSS = Quantity("ap_diff", "ΔAP to float32", "ΔAP to float32 (points)", POINTS, 2, signed=True)
CHANGE = Quantity("step_diff", "ΔAP to the step before", scale=POINTS, digits=2, signed=True)
TIME = Quantity("latency_ms", "Latency (ms)", digits=2)
RATIO = Quantity("latency_ratio", "Time / float32", digits=2)
COLUMNS = (
    "model", "variant", "place", "cure", "step", "told", "ap", "ap_worst", "ap_best", "distinct_scores",
    *LOSS.columns, *CHANGE.columns, *TIME.columns, *RATIO.columns, "agreement", "search_s", "photos",
    "resamples", "rounds", "processes", "failed", "latency_reason",
)  # fmt: skip
FLOATS = ("model", "variant", "operator", "type", "why")


def cured_frame(run: Run) -> pd.DataFrame:
    """``cures.csv``: columns ``COLUMNS``, AP as fractions 0..1; float32 of the runtime is step 0.

    A variant whose steps could not be scored has one row, with the reason.
    """
    rows = [
        row
        for model in scored_models(run)
        for variant, course in courses(run, model).items()
        for row in rows_of(run, model, variant, course)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def rows_of(run: Run, model: Model, variant: str, course: CureCourse) -> list[dict[str, Any]]:
    named = {"model": model.id, "variant": variant}
    try:
        record = read_steps(run, model, variant)
    except LabError as error:  # 03 of an earlier version, or stopped before it
        return [named | {"place": 0, "failed": found_of(str(error))}]
    if record.failure:
        return [named | {"place": 0, "failed": found_of(record.failure)}]
    draws, times = read_draws(run, model, variant), times_of(run, model, variant)
    known = {"photos": record.values.photos, "resamples": record.values.resamples}
    rows, before = [], None
    for place, (score, told) in enumerate(zip(record.values.steps, told_of(variant, course), strict=True)):
        own = differences(draws, place, before) if place else {}
        row = {"place": place, **told, **score_row(score), **own}
        rows.append(named | row | known | time_row(times.get(score.name, times.get(""))))
        before = before if not place or score.failure else place
    return rows


def told_of(variant: str, course: CureCourse) -> list[dict[str, Any]]:
    """What 02 recorded of float32 and of each step."""
    first = {"cure": baseline_of(variant), "step": "float32", "told": "what the others are compared with"}
    steps = [
        {"cure": step.cure, "step": cure_words(step.cure), "told": step.told}
        | {"agreement": step.agreement, "search_s": step.search_s}
        for step in course.steps
    ]
    return [first, *steps]


def score_row(score: StepScore) -> dict[str, Any]:
    found = {"ap": score.ap, "ap_worst": score.worst, "ap_best": score.best}
    return found | {"distinct_scores": score.distinct_scores, "failed": found_of(score.failure)}


def differences(draws: np.ndarray, place: int, before: int | None) -> dict[str, float]:
    """To float32 and to the last step before that has an AP, paired; ``draws``: ``[1 + steps, 1 + B]``."""
    found = spread(LOSS.id, interval_of(draws[place] - draws[0]))
    return found if before is None else found | spread(CHANGE.id, interval_of(draws[place] - draws[before]))


def times_of(run: Run, model: Model, variant: str) -> Mapping[str, LatencySummary | Absent]:
    """By names of steps; where nothing is known of any, why, under an empty name."""
    if variant not in timed_courses(run, model):
        return {"": Absent(NO_KERNELS)}
    try:
        return summarize_steps(run, model, variant)
    except LabError as error:
        return {"": Absent(str(error))}


def time_row(found: LatencySummary | Absent | None) -> dict[str, Any]:
    if found is None or isinstance(found, Absent):
        return {"latency_reason": found_of(found.reason) if found else "it was not timed"}
    ratio = found.ratio if isinstance(found.ratio, Interval) else Absent("")
    return {
        **spread(TIME.id, found.p50_ms),
        **spread(RATIO.id, ratio),
        "rounds": found.rounds,
        "processes": found.processes,
        "latency_reason": "",
    }


def floats_frame(run: Run) -> pd.DataFrame:
    """Operators of every cured variant that stay float, and why; those of one reason in one row."""
    rows = [
        {"model": model.id, "variant": variant, "operator": kept.operator, "type": kept.type, "why": kept.why}
        for model in scored_models(run)
        for variant, course in courses(run, model).items()
        for kept in course.floats
    ]
    return pd.DataFrame(rows, columns=list(FLOATS))


def by_variant(frame: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """(model, variant, its rows), in order."""
    groups = frame.groupby(["model", "variant"], sort=False)
    return [(str(model), str(variant), rows) for (model, variant), rows in groups]


def sentences(frame: pd.DataFrame) -> list[str]:
    """What the steps to each cured variant won back, what they cost, and what is left."""
    return [sentence(variant, records_of(rows)) for _, variant, rows in by_variant(frame)]


def sentence(variant: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """``rows``: of one variant, float32's first."""
    steps = [row for row in rows[1:] if LOSS.at(row)]
    if not steps:
        reason = next((row["failed"] for row in rows if row["failed"]), "there is nothing to find")
        return f"Of {variant} the steps have no AP: {reason}."
    last = LOSS.at(steps[-1])
    if len(steps) == 1:
        return f"{variant} is plain int8, as no cure was kept. {left(last)}"
    told = f"{variant} {won_back(LOSS.at(steps[0]).value, last.value)} by {helpful(steps)}."
    told = (
        told if any(map(is_shown, steps[1:])) else f"{told[:-1]}, of which the photos show no gain for sure."
    )
    return " ".join(filter(None, [told, cost(steps), left(last)]))


def won_back(first: float, last: float) -> str:
    """A clause, from the differences to float32 in points before and after."""
    lost, won = f"{-first:.1f}", last - first
    if won <= 0:
        return f"wins nothing back, and loses {-won:.1f} points of AP more"
    if first >= 0:
        return f"adds {won:.1f} points of AP to plain int8, which loses none,"
    if last >= 0:
        return f"wins back all {lost} points of AP that plain int8 loses, and {last:.1f} more,"
    return f"wins back {won:.1f} of {lost} points of AP"


def is_shown(row: Mapping[str, Any]) -> bool:
    """Whether a step gains by the whole interval of its change."""
    change = CHANGE.at(row)
    return change is not None and change.low > 0


def helpful(steps: Sequence[Mapping[str, Any]]) -> str:
    """The cures whose change is shown, largest first; all where none is."""
    shown = [row for row in steps[1:] if is_shown(row)]
    told = sorted(shown or steps[1:], key=lambda row: -number(row, CHANGE.columns[0]))
    names = [f"{row['step']} ({replace(CHANGE, digits=1, bounds='').cell(row)})" for row in told]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def cost(steps: Sequence[Mapping[str, Any]]) -> str:
    """Of time, against plain int8; nothing where it is not known."""
    plain, cured = TIME.at(steps[0]), TIME.at(steps[-1])
    if not plain or not cured:
        return ""
    plain, cured = (RATIO.at(row) or TIME.at(row) for row in (steps[0], steps[-1]))
    change = 100 * (cured.value / plain.value - 1)
    apart = cured.low > plain.high or cured.high < plain.low
    slower = ", and more than float32" if (ratio := RATIO.at(steps[-1])) and ratio.low > 1 else ""
    if not apart:
        told = f"{change:+.1f}".replace("-", "−")
        return f"It takes as long as plain int8, as far as the intervals tell ({told} %){slower}."
    return f"It takes {abs(change):.0f} % {'more' if change > 0 else 'less'} time than plain int8{slower}."


def left(last: Interval) -> str:
    """What lies between it and float32 still; 05 judges it with all other variants against the margin."""
    return f"To float32 it is {LOSS.text(last)} points."
