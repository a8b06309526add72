"""Cells of the tables: what people read in each column, and what stands there where nothing is."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from helpers.compare.verdict_texts import (
    AP_DIFFERENCE,
    JOINT_DIFFERENCE,
    POINTS,
    TIES,
    long_answer,
    tie_ends,
    tie_range,
)
from helpers.lab.units import format_bytes
from helpers.run.variants import BASELINE, CONTROL
from helpers.show.captions import points_text
from helpers.show.quantities import (
    ABSENT,
    LATENCY,
    Quantity,
    cell,
    failure_of,
    has_bounds,
    number,
    ratio_cell,
)

NOT_ASKED = "–"
WITHIN = "Within the margin"  # in tables, the margin's size

AP = Quantity("ap", "ap_low", "ap_high", "AP", 100, 1)
# Its bounds are the lowest and the highest probe, no 95 % interval, so the table leaves them out.
MEMORY = Quantity("peak_rss_bytes", "", "", "Memory (MB)", 1e-6, 1)
P99 = Quantity("latency_ms_p99", "", "", "p99 (ms)", 1, 2)


def accuracy_cell(row: Mapping[str, Any]) -> str:
    """AP with its interval, or why there is none."""
    reason = failure_of(row)
    return f"failed: {reason}" if reason else cell(AP)(row)


def difference_cell(row: Mapping[str, Any]) -> str:
    """Difference to float32; of float32 itself and of the same file there is none to measure."""
    fixed = {BASELINE: "reference", CONTROL: "0, same file"}.get(str(row["variant"]))
    return fixed if fixed and AP.at(row) else cell(AP_DIFFERENCE)(row)


def energy_cell(row: Mapping[str, Any]) -> str:
    """In mJ, to a tenth; small figures to a hundredth."""
    digits = 1 if number(row, "energy_j_per_image") >= 0.01 else 2
    return cell(Quantity("energy_j_per_image", "energy_low", "energy_high", "mJ", 1e3, digits))(row)


def sizes_cell(row: Mapping[str, Any]) -> str:
    values = [number(row, f"ap_{area}") * 100 for area in ("small", "medium", "large")]
    if not any(math.isfinite(value) for value in values):
        return ABSENT
    return " / ".join(f"{value:.1f}" if math.isfinite(value) else ABSENT for value in values)


def lacks_ap(row: Mapping[str, Any]) -> bool:
    return AP.at(row) is None


def within_cell(row: Mapping[str, Any]) -> str:
    """The verdict's answer; of float32 and of the same file nothing is asked."""
    return ABSENT if lacks_ap(row) else long_answer(row) or NOT_ASKED


def joint_cell(row: Mapping[str, Any]) -> str:
    """The bounds alone of the interval that holds for all variants at once."""
    joint = JOINT_DIFFERENCE.at(row)
    if joint is None or not has_bounds(joint):
        return ABSENT if lacks_ap(row) or long_answer(row) else NOT_ASKED
    return f"[{JOINT_DIFFERENCE.text(joint).partition(' [')[2]}"


def worse_cell(row: Mapping[str, Any]) -> str:
    share = number(row, "ap_worse_share")
    if math.isfinite(share):
        return f"{100 * share:.1f} %"
    return ABSENT if lacks_ap(row) or long_answer(row) else NOT_ASKED


def ties_cell(row: Mapping[str, Any]) -> str:
    """AP between the worst and the best order of equal scores; one number where the order hardly matters."""
    interval, ties = TIES.at(row), tie_range(row)
    if interval is None or failure_of(row):
        return ABSENT
    return " to ".join(tie_ends(ties)) if ties else f"{interval.value:.1f}"


def scores_cell(row: Mapping[str, Any]) -> str:
    count = number(row, "distinct_scores")
    return f"{count:,.0f}" if math.isfinite(count) else ABSENT


def change_cell(column: str) -> Callable[[Mapping[str, Any]], str]:
    quantity = Quantity(
        f"{column}_diff", f"{column}_diff_low", f"{column}_diff_high", "", POINTS, 2, signed=True
    )
    return lambda row: NOT_ASKED if row["variant"] in (BASELINE, CONTROL) else cell(quantity)(row)


def grade_cell(row: Mapping[str, Any]) -> str:
    """Of the figure that there is, or D where the machine has no meter."""
    grade = str(row.get("energy_grade") or "D")
    missed = grade != "D" and not math.isfinite(number(row, "energy_j_per_image"))
    return ABSENT if failure_of(row) or missed else grade


def dtypes_cell(row: Mapping[str, Any]) -> str:
    stored, computed = (row.get(name) for name in ("storage_dtype", "compute_dtype"))
    return f"{stored} / {computed}" if isinstance(stored, str) and isinstance(computed, str) else ABSENT


HUMAN = MappingProxyType({
    "Variant": lambda row: str(row["variant"]),
    "Stored / computed": dtypes_cell,
    "Size": lambda row: format_bytes(number(row, "size_bytes")),
    "AP": accuracy_cell,
    "ΔAP": difference_cell,
    WITHIN: within_cell,
    "AP small / medium / large": sizes_cell,
    "Latency p50 (ms)": cell(LATENCY),
    "p99 (ms)": cell(P99),
    "Latency ratio": ratio_cell,
    "Memory (MB)": cell(MEMORY),
    "Energy (mJ/image)": energy_cell,
    "Grade": grade_cell,
})  # fmt: skip
# What fits across a printed page.
LATEX_COLUMNS = ("Variant", "Stored / computed", "Size", "AP", "ΔAP", "Latency p50 (ms)", "Latency ratio",
                 "Energy (mJ/image)")  # fmt: skip
ACCURACY = MappingProxyType({
    "Variant": lambda row: str(row["variant"]),
    "ΔAP": difference_cell,
    WITHIN: within_cell,
    "ΔAP, all at once": joint_cell,
    "Resamples worse": worse_cell,
    "AP by order of ties": ties_cell,
    "Distinct scores": scores_cell,
})  # fmt: skip
# Left out where nothing is judged.
VERDICT = (WITHIN, "ΔAP, all at once", "Resamples worse")
LATEX_ACCURACY = ("Variant", "ΔAP", WITHIN, "Resamples worse", "AP by order of ties")
DIFFERENCES = MappingProxyType({
    "Variant": lambda row: str(row["variant"]),
    "ΔAP50": change_cell("ap50"),
    "ΔAP75": change_cell("ap75"),
    **{f"ΔAP {area}": change_cell(f"ap_{area}") for area in ("small", "medium", "large")},
})  # fmt: skip


def within_title(results: pd.DataFrame) -> str:
    """``Within 1 point``, where all rows have one margin."""
    margins = results["ap_margin"].dropna().unique() if "ap_margin" in results else []
    return f"Within {points_text(round(margins[0] * POINTS, 6))}" if len(margins) == 1 else WITHIN
