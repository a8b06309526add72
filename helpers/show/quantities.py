"""Quantities of the results: where a value and its bounds stand in a row, and how people read them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd

from helpers.lab.errors import found_of
from helpers.lab.intervals import Interval
from helpers.run.variants import BASELINE

ABSENT = "n/a"


# How the columns of a quantity begin -> the column that says why it has no value.
REASONS = MappingProxyType({
    "ap": "ap_reason", "latency": "latency_reason", "peak_rss": "memory_reason", "energy": "energy_reason",
})  # fmt: skip


@dataclass(frozen=True)
class Quantity:
    """A column of the results with its interval, and how people read it.

    Attributes:
        column: the value's column; ``low`` and ``high``: its bounds (empty: it has none).
        label: axis label, with its unit.
        scale: factor from the column's unit to the label's.
        digits: decimals of the printed number.
    """

    column: str
    low: str
    high: str
    label: str
    scale: float = 1.0
    digits: int = 1
    signed: bool = False

    def at(self, row: Mapping[str, Any]) -> Interval | None:
        """Value and bounds in the label's unit; None where there is no value. Bounds may be NaN."""
        value, low, high = (number(row, name) for name in (self.column, self.low, self.high))
        if not math.isfinite(value):
            return None
        return Interval(value * self.scale, low * self.scale, high * self.scale)

    def text(self, interval: Interval) -> str:
        """``61.2 [59.8, 62.7]``; without brackets where there is no interval."""
        form = f"{{:{'+' if self.signed else ''}.{self.digits}f}}"
        numbers = [form.format(n) for n in (interval.value, interval.low, interval.high)]
        value, low, high = (without_negative_zero(text).replace("-", "−") for text in numbers)
        return f"{value} [{low}, {high}]" if has_bounds(interval) else value


def without_negative_zero(text: str) -> str:
    """``-0.0`` and ``+0.0`` are ``0.0``."""
    return text.lstrip("+-") if float(text) == 0 else text


def number(row: Mapping[str, Any], column: str) -> float:
    """The number in a cell; NaN for an absent column or an empty cell."""
    value = row.get(column) if column else None
    return float("nan") if value is None or pd.isna(value) else float(value)


def has_bounds(interval: Interval) -> bool:
    return math.isfinite(interval.low) and math.isfinite(interval.high)


LATENCY_RATIO = Quantity(
    "latency_ratio",
    "latency_ratio_low",
    "latency_ratio_high",
    "← faster    Latency / float32    slower →",
    digits=3,
)
LATENCY = Quantity("latency_ms_p50", "latency_ms_p50_low", "latency_ms_p50_high", "p50 (ms)", 1, 2)


def cell(quantity: Quantity) -> Callable[[Mapping[str, Any]], str]:
    def text(row: Mapping[str, Any]) -> str:
        interval = quantity.at(row)
        return quantity.text(interval) if interval else ABSENT

    return text


def ratio_cell(row: Mapping[str, Any]) -> str:
    is_reference = row["variant"] == BASELINE and LATENCY.at(row)
    return "reference" if is_reference else cell(LATENCY_RATIO)(row)


def failure_of(row: Mapping[str, Any]) -> str:
    """Why the variant failed; empty if it did not."""
    value = row.get("failed")
    return "" if value is None or pd.isna(value) else found_of(str(value))


def raw_reason(row: Mapping[str, Any], column: str) -> str:
    """Why the quantity of a column has no value in a row of a variant that did not fail; empty if unknown."""
    names = [name for start, name in REASONS.items() if column.startswith(start)]
    texts = [row.get(name) for name in (*names, "reason")]
    return next((text for text in texts if isinstance(text, str) and text), "")


def reason_for(row: Mapping[str, Any], column: str) -> str:
    """``raw_reason`` as one sentence for a cell."""
    return found_of(raw_reason(row, column))
