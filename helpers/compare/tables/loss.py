"""Where the loss is, as tables: kinds of error with their two parts, object sizes, worst classes."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers.compare.quantities import POINTS
from helpers.compare.tables.cells import NOT_ASKED
from helpers.lab.quantities import Quantity, number
from helpers.show.rows import records_of
from helpers.tasks.detection.attribution import PARTS

TOTAL, REMAINDER = "total", "remainder"
_DIGITS = 3
CONTRIBUTION = Quantity("points", "AP points", digits=_DIGITS, signed=True, low="low", high="high")
NOTE = (
    "In AP points; negative is loss. Kinds and remainder add up exactly to the total, the difference of AP. "
    "Objects: those that one of the two finds and the other does not, by the cause. False alarms: what they "
    "take from the precision of objects that both find. Remainder: what reading the curve at 101 recalls "
    "changes. Brackets: 95 % intervals."
)


def with_totals(losses: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """The losses with an interval for each total too: that of the AP difference, from the results."""
    bounds = POINTS * results.set_index(["model", "variant"])[["ap_diff_low", "ap_diff_high"]].astype(float)
    found = bounds.reindex(pd.MultiIndex.from_frame(losses[["model", "variant"]])).to_numpy()
    total = ((losses["group"] == "kind") & (losses["name"] == TOTAL)).to_numpy(bool)
    filled = losses.astype({"low": float, "high": float})
    filled.loc[total, ["low", "high"]] = found[total]
    return filled


def error_frame(losses: pd.DataFrame) -> pd.DataFrame:
    """Texts, one row per model, variant and kind of error, then the remainder and the total."""
    rows = [
        {
            "Model": str(row["model"]),
            "Variant": str(row["variant"]),
            "Kind of error": str(row["name"]),
            **{part.capitalize(): part_text(row, part) for part in PARTS},
            "Sum": CONTRIBUTION.text(CONTRIBUTION.at(row)),
        }
        for row in records_of(losses[losses["group"] == "kind"])
    ]
    return pd.DataFrame(
        rows, columns=["Model", "Variant", "Kind of error", *map(str.capitalize, PARTS), "Sum"]
    )


def part_text(row: Mapping[str, Any], part: str) -> str:
    """One of the two parts of a kind; the remainder and the total have none."""
    quantity = Quantity(part, digits=_DIGITS, signed=True, bounds="")
    interval = quantity.at(row)
    return quantity.text(interval) if interval else NOT_ASKED


def class_frame(losses: pd.DataFrame, model: str) -> pd.DataFrame:
    """The classes that lose most, worst first: one column per variant, ``bow −0.064`` in a cell."""
    chosen = losses[(losses["model"] == model) & (losses["group"] == "class")]
    columns = {
        str(variant): pd.Series([class_text(row) for row in records_of(frame) if loses(row)])
        for variant, frame in chosen.groupby("variant", sort=False)
    }
    return pd.DataFrame(columns, dtype=object).fillna("")


def loses(row: Mapping[str, Any]) -> bool:
    """Whether a loss is left when its number is rounded."""
    return round(number(row, "points"), _DIGITS) < 0


def class_text(row: Mapping[str, Any]) -> str:
    return f"{row['name']} {CONTRIBUTION.text(CONTRIBUTION.at({'points': row['points']}))}"
