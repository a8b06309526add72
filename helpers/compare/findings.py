"""Findings: what the intervals allow to be said, and no more."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from helpers.compare.noise import NoiseFloor, noise_floor, ratio_of
from helpers.compare.verdict_texts import (
    long_answer,
    tie_ends,
    tie_range,
    ties_outweigh,
    unjudged,
    within_text,
)
from helpers.lab.errors import found_of
from helpers.lab.intervals import Interval
from helpers.lab.quantities import has_bounds, number
from helpers.lab.units import format_bytes
from helpers.run.variants import BASELINE, is_baseline, is_compared, reference_of, runtime_named
from helpers.show.rows import by_model, records_of
from helpers.show.values import failure_of
from helpers.tasks.detection.quantities import AP_DIFFERENCE

LEAST_SIZE_DIFFERENCE = 0.01


class Judgement(StrEnum):
    """What an interval shows. There is no "equal": an interval cannot show that."""

    BETTER = "better"
    WORSE = "worse"
    NONE_SHOWN = "no difference shown"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Finding:
    """One statement about one variant against float32.

    Attributes:
        quantity: ``accuracy``, ``latency``, ``size`` or ``energy``.
        text: a clause without full stop, its interval in brackets.
    """

    model: str
    variant: str
    quantity: str
    judgement: Judgement
    text: str


def judge_difference(difference: Interval) -> Judgement:
    """Judgement of a difference of which more is better: shown where the interval excludes zero."""
    if not has_bounds(difference):
        return Judgement.NOT_JUDGED
    if not difference.excludes(0):
        return Judgement.NONE_SHOWN
    return Judgement.BETTER if difference.low > 0 else Judgement.WORSE


def judge_ratio(ratio: Interval, floor: NoiseFloor | None) -> Judgement:
    """Judgement of a ratio of which less is better.

    Shown where the interval excludes 1 and lies wholly outside the noise floor, if that is known.
    """
    if not has_bounds(ratio):
        return Judgement.NOT_JUDGED
    if not ratio.excludes(1) or (floor and floor.overlaps(ratio)):
        return Judgement.NONE_SHOWN
    return Judgement.BETTER if ratio.high < 1 else Judgement.WORSE


def bracketed(interval: Interval, digits: int) -> str:
    numbers = ", ".join(f"{n:.{digits}f}" for n in (interval.low, interval.high))
    return f"{interval.value:.{digits}f} [{numbers}]"


def inverse(ratio: Interval) -> Interval:
    return Interval(1 / ratio.value, 1 / ratio.high, 1 / ratio.low, ratio.level)


def digits_for(ratio: float) -> int:
    """Ratios near 1 need a third decimal to be told from it."""
    return 3 if abs(math.log(ratio)) < 0.05 else 2


def times(ratio: Interval, word: str) -> str:
    """``1.70× faster [1.60, 1.80]``."""
    value, brackets = bracketed(ratio, digits_for(ratio.value)).split(" ", 1)
    return f"{value}× {word} {brackets}"


def floor_text(floor: NoiseFloor | None) -> str:
    return f"noise floor {floor.text()}" if floor else "noise floor unknown"


def accuracy_finding(row: Mapping[str, Any]) -> tuple[Judgement, str]:
    points = AP_DIFFERENCE.at(row)
    if points is None:
        return Judgement.NOT_JUDGED, "AP not available"
    if why := unjudged([row]):
        return Judgement.NOT_JUDGED, f"AP differs by {AP_DIFFERENCE.text(points)} points; {why}"
    judgement = judge_difference(points)
    clauses = [difference_clause(points, judgement), margin_clause(row), ties_clause(row)]
    return judgement, "; ".join(clause for clause in clauses if clause)


def difference_clause(points: Interval, judgement: Judgement) -> str:
    if judgement is Judgement.NOT_JUDGED:
        return f"AP differs by {AP_DIFFERENCE.text(points)} points, without interval: not judged"
    if judgement is Judgement.NONE_SHOWN:
        return f"no difference in AP shown: {AP_DIFFERENCE.text(points)} points"
    rises = judgement is Judgement.BETTER
    value, brackets = bracketed(points if rises else points.scaled(-1), 2).split(" ", 1)
    return f"AP {'rises' if rises else 'falls'} by {value} points {brackets}"


def margin_clause(row: Mapping[str, Any]) -> str:
    """``within 1 point of float32: yes``; empty where that was not asked."""
    answer = long_answer(row)
    return f"{within_text(row)} of {reference_of(str(row['variant']))}: {answer}" if answer else ""


def ties_clause(row: Mapping[str, Any]) -> str:
    """A warning where the order of equal scores leaves more open than the choice of images does."""
    ties = tie_range(row)
    if ties is None or not ties_outweigh(row):
        return ""
    scores = number(row, "distinct_scores")
    whose = f"its {scores:,.0f} distinct scores leave" if math.isfinite(scores) else "its equal scores leave"
    return f"{whose} AP between {' and '.join(tie_ends(ties))} by the order of ties"


def latency_finding(row: Mapping[str, Any], floor: NoiseFloor | None) -> tuple[Judgement, str]:
    ratio = to_reference(row, "latency")
    if ratio is None:
        return Judgement.NOT_JUDGED, "latency not available"
    judgement = judge_ratio(ratio, floor)
    doubt = than_text(row) + ("" if floor else " (noise floor unknown)")
    if judgement is Judgement.BETTER:
        return judgement, times(inverse(ratio), "faster") + doubt
    if judgement is Judgement.WORSE:
        return judgement, times(ratio, "slower") + doubt
    return judgement, unshown_ratio("latency", ratio, judgement, floor)


def to_reference(row: Mapping[str, Any], quantity: str) -> Interval | None:
    """Ratio to what a variant is held against: a float32 of another runtime to the model's own, which only
    latency has; every other form to the float32 of its runtime."""
    variant = str(row.get("variant", ""))
    foreign = is_baseline(variant) and variant != BASELINE
    return ratio_of(row, f"{quantity}_across" if foreign else quantity)


def than_text(row: Mapping[str, Any]) -> str:
    """Of a form in another runtime than the model's own: what it is held against."""
    variant = str(row.get("variant", ""))
    return f" than {reference_of(variant)}" if runtime_named(variant) else ""


def unshown_ratio(quantity: str, ratio: Interval, judgement: Judgement, floor: NoiseFloor | None) -> str:
    if judgement is Judgement.NOT_JUDGED:
        return f"{quantity} ratio {ratio.value:.3f}, without interval: not judged"
    return f"no difference in {quantity} shown: ratio {bracketed(ratio, 3)}, {floor_text(floor)}"


def energy_finding(row: Mapping[str, Any], floor: NoiseFloor | None) -> tuple[Judgement, str]:
    ratio, grade = to_reference(row, "energy"), row.get("energy_grade")
    if ratio is None or grade == "D":
        return Judgement.NOT_JUDGED, "energy not available"
    judgement = judge_ratio(ratio, floor)
    note = f"grade {grade}" + (", an estimate" if grade == "C" else "")
    if judgement in (Judgement.BETTER, Judgement.WORSE):
        text = times(ratio, f"{reference_of(str(row.get('variant', '')))}'s energy")
        text += "" if floor else ", noise floor unknown"
    else:
        text = unshown_ratio("energy", ratio, judgement, floor)
    return judgement, f"{text} ({note})"


def size_finding(row: Mapping[str, Any], base_bytes: float) -> tuple[Judgement, str]:
    """Sizes are exact, yet a header more or less is no reason to choose a variant."""
    size_bytes = number(row, "size_bytes")
    if not (math.isfinite(size_bytes) and base_bytes > 0):
        return Judgement.NOT_JUDGED, "size not available"
    if abs(size_bytes / base_bytes - 1) < LEAST_SIZE_DIFFERENCE:
        return Judgement.NONE_SHOWN, f"a file of about the same size, {format_bytes(size_bytes)}"
    judgement = Judgement.BETTER if size_bytes < base_bytes else Judgement.WORSE
    return judgement, (
        f"{size_bytes / base_bytes:.2f}× {reference_of(str(row.get('variant', '')))}'s file size "
        f"({format_bytes(size_bytes)} against {format_bytes(base_bytes)})"
    )


def findings_of(row: Mapping[str, Any], frame: pd.DataFrame) -> list[Finding]:
    """Findings on one variant; ``frame``: all rows of its model.

    Where nothing is judged there are the numbers alone.
    """
    base = frame.loc[frame["variant"] == reference_of(str(row["variant"])), "size_bytes"]
    judged = {
        "accuracy": accuracy_finding(row),
        "latency": latency_finding(row, noise_floor(frame, "latency")),
        "size": size_finding(row, float(base.iloc[0]) if len(base) else float("nan")),
        "energy": energy_finding(row, noise_floor(frame, "energy")),
    }
    if unjudged(records_of(frame)):
        judged |= {name: without_judgement(row, name, judged[name]) for name in ("latency", "size", "energy")}
    names = str(row["model"]), str(row["variant"])
    return [Finding(*names, quantity, *result) for quantity, result in judged.items()]


def without_judgement(
    row: Mapping[str, Any], quantity: str, finding: tuple[Judgement, str]
) -> tuple[Judgement, str]:
    """The number of a finding without what it would say of the variant."""
    ratio, absent = to_reference(row, quantity), finding[0] is Judgement.NOT_JUDGED
    if quantity == "size" or ratio is None or absent:
        return Judgement.NOT_JUDGED, finding[1]
    text = f"{quantity} ratio {bracketed(ratio, digits_for(ratio.value))}"
    grade = f" (grade {row.get('energy_grade')})" if quantity == "energy" else ""
    return Judgement.NOT_JUDGED, text + grade


def findings(results: pd.DataFrame) -> list[Finding]:
    """Findings on every variant but the baseline and the control, failed ones included as not judged."""
    return [
        finding
        for _, frame in by_model(results)
        for row in records_of(frame)
        if is_compared(str(row["variant"]))
        for finding in findings_of(row, frame)
    ]


def failures(results: pd.DataFrame) -> list[tuple[str, str, str]]:
    """(model, variant, reason) of every variant that failed."""
    rows = records_of(results)
    return [(str(r["model"]), str(r["variant"]), str(r["failed"]).strip()) for r in rows if failure_of(r)]


def by_variant(found: list[Finding]) -> dict[tuple[str, str], list[Finding]]:
    """Findings grouped by (model, variant), in their order."""
    grouped: dict[tuple[str, str], list[Finding]] = {}
    for finding in found:
        grouped.setdefault((finding.model, finding.variant), []).append(finding)
    return grouped


def headline(found: list[Finding]) -> str:
    """One sentence for one variant from its findings: ``1.70× faster [1.60, 1.80]; AP falls by ...``."""
    order = {"latency": 0, "accuracy": 1, "size": 2, "energy": 3}
    return "; ".join(finding.text for finding in sorted(found, key=lambda f: order[f.quantity])) + "."


def headlines(results: pd.DataFrame) -> dict[tuple[str, str], str]:
    """(model, variant) -> one sentence, or the reason why the variant failed."""
    sentences = {names: headline(found) for names, found in by_variant(findings(results)).items()}
    return sentences | {
        (model, variant): f"failed: {found_of(reason)}" for model, variant, reason in failures(results)
    }
