"""Cells of the tables: what people read in each column, and what stands there where nothing is."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import pandas as pd

from helpers.compare.quantities import JOINT_DIFFERENCE, POINTS, QUANTITIES, WORSE_SHARE
from helpers.compare.verdict_texts import long_answer, tie_ends, tie_range
from helpers.energy.quantities import ENERGY
from helpers.lab.quantities import ABSENT, Quantity, has_bounds, number
from helpers.lab.units import format_bytes
from helpers.quantize.quantities import DOWNLOAD, SIZE
from helpers.run.variants import BASELINE, is_compared, is_control
from helpers.show.captions import points_text
from helpers.show.values import failure_of, reference_cell
from helpers.tasks.detection.quantities import AP, AP_DIFFERENCE, DISTINCT_SCORES, TIES

Cell = Callable[[Mapping[str, Any]], str]
NOT_ASKED = "–"
WITHIN = "Within the margin"  # in tables, the margin's size


def accuracy_cell(row: Mapping[str, Any]) -> str:
    """AP with its interval, or why there is none."""
    reason = failure_of(row)
    return f"failed: {reason}" if reason else AP.cell(row)


def difference_cell(row: Mapping[str, Any]) -> str:
    """Difference to float32; of float32 itself and of the same file there is none to measure."""
    variant = str(row["variant"])
    fixed = "0, same file" if is_control(variant) else "reference" if variant == BASELINE else ""
    return fixed if fixed and AP.at(row) else AP_DIFFERENCE.cell(row)


def energy_cell(row: Mapping[str, Any]) -> str:
    """In mJ, to a tenth; small figures to a hundredth."""
    digits = 1 if number(row, "energy_j_per_image") >= 0.01 else 2
    return replace(ENERGY, digits=digits).cell(row)


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


def change_cell(quantity: Quantity) -> Cell:
    return lambda row: quantity.cell(row) if is_compared(str(row["variant"])) else NOT_ASKED


def bytes_cell(quantity: Quantity) -> Cell:
    """With the unit that suits the size."""
    return lambda row: format_bytes(number(row, quantity.id))


def grade_cell(row: Mapping[str, Any]) -> str:
    """Of the figure that there is, or D where the machine has no meter."""
    grade = str(row.get("energy_grade") or "D")
    missed = grade != "D" and not math.isfinite(number(row, "energy_j_per_image"))
    return ABSENT if failure_of(row) or missed else grade


def dtypes_cell(row: Mapping[str, Any]) -> str:
    stored, computed = (row.get(name) for name in ("storage_dtype", "compute_dtype"))
    return f"{stored} / {computed}" if isinstance(stored, str) and isinstance(computed, str) else ABSENT


def cell_of(quantity: Quantity) -> Cell:
    """What a table says of a quantity: most in the common form, some in their own."""
    if quantity.id in OWN_CELLS:
        return OWN_CELLS[quantity.id]
    if quantity.id.endswith("_diff"):
        return change_cell(quantity)
    return partial(reference_cell, quantity)


OWN_CELLS: Mapping[str, Cell] = MappingProxyType({
    AP.id: accuracy_cell,
    AP_DIFFERENCE.id: difference_cell,
    JOINT_DIFFERENCE.id: joint_cell,
    WORSE_SHARE.id: worse_cell,
    TIES.id: ties_cell,
    DISTINCT_SCORES.id: scores_cell,
    SIZE.id: bytes_cell(SIZE),
    DOWNLOAD.id: bytes_cell(DOWNLOAD),
    ENERGY.id: energy_cell,
})  # fmt: skip
VARIANT: Mapping[str, Cell] = MappingProxyType({"Variant": lambda row: str(row["variant"])})


def title_of(quantity: Quantity) -> str:
    return quantity.title.removesuffix(" (MB)") if quantity in (SIZE, DOWNLOAD) else quantity.title


def cells_of(shown: Iterable[Quantity]) -> dict[str, Cell]:
    return {title_of(quantity): cell_of(quantity) for quantity in shown}


def cells_in(table: str) -> dict[str, Cell]:
    return cells_of(quantity for quantity in QUANTITIES.values() if quantity.table == table)


def with_verdict(cells: Mapping[str, Cell]) -> dict[str, Cell]:
    """The answer stands after the difference that it is about."""
    found: dict[str, Cell] = {}
    for name, cell in cells.items():
        found[name] = cell
        if name == AP_DIFFERENCE.title:
            found[WITHIN] = within_cell
    return found


# What matters most, narrow enough for a page.
SUMMARY = MappingProxyType(
    {**VARIANT, **with_verdict(cells_of(q for q in QUANTITIES.values() if q.summary)), "Grade": grade_cell}
)
ACCURACY = MappingProxyType({**VARIANT, **with_verdict(cells_in("accuracy"))})
DIFFERENCES = MappingProxyType({**VARIANT, **cells_in("differences")})
# The rest: title -> cells.
DETAILS: Mapping[str, Mapping[str, Cell]] = MappingProxyType({
    "Form and size": {**VARIANT, "Stored / computed": dtypes_cell, **cells_in("size")},
    "Speed": {**VARIANT, **cells_in("speed")},
    "Memory and energy": {**VARIANT, **cells_in("energy"), "Grade": grade_cell},
    "Objects of all sizes": {**VARIANT, **cells_in("objects")},
})  # fmt: skip
# Left out where nothing is judged.
VERDICT = (WITHIN, JOINT_DIFFERENCE.title, WORSE_SHARE.title)


def within_title(results: pd.DataFrame) -> str:
    """``Within 1 point``, where all rows have one margin."""
    margins = results["ap_margin"].dropna().unique() if "ap_margin" in results else []
    return f"Within {points_text(round(margins[0] * POINTS, 6))}" if len(margins) == 1 else WITHIN
