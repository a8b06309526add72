"""Quantities: what a result is a value of, where it stands in a row of results, and how people read it."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from helpers.lab.intervals import NAN, Absent, Interval

ABSENT = "n/a"
Better = Literal["less", "more", ""]
Bounds = Literal["interval", "range", ""]
Found = Interval | Absent | float | int | None


def taken(source: str, take: Callable[[Any], Found]) -> Callable[[Any], Found]:
    """The value that ``take`` gets from that field of the sources; where the field is absent, why it is."""

    def value(sources: Any) -> Found:
        found = getattr(sources, source)
        return found if isinstance(found, Absent) else take(found)

    return value


def without(_: Any) -> None:
    """Of a quantity that no result has by itself: one that is read from other columns."""


@dataclass(frozen=True)
class Quantity:
    """Something in the results.

    Attributes:
        id: its name in ``results_long.csv``, and of the column of ``results.csv`` that holds its value.
        title: heads its column in tables, with its unit.
        label: of an axis, with its unit; the title if empty.
        scale: factor from the stored unit to that of title and label.
        digits: decimals of the printed number.
        signed: whether a plus is printed.
        better: whether less or more of it is better; empty where neither is.
        against: whether it is measured against float32, which then is the reference.
        table: which table of people's shows it (``compare.tables.cells.TABLES``); empty for none.
        summary: whether the first table, of what matters most, shows it too.
        by_machine: whether the view of several machines' runs shows it.
        reason: column of ``results.csv`` that says why there is no value.
        caption: how it was measured, below a figure of its own with a bar per variant; empty: no figure.
        bounds: ``interval`` are printed; a ``range``, such as lowest and highest probe, is only drawn.
        column, low, high: columns of ``results.csv``, where they are not called after the id.
        of: its value, from what is known of one variant (``compare.sources.Sources``).
    """

    id: str
    title: str = ""
    label: str = ""
    scale: float = 1.0
    digits: int = 1
    signed: bool = False
    better: Better = ""
    against: bool = False
    table: str = ""
    summary: bool = False
    by_machine: bool = False
    reason: str = ""
    caption: str = ""
    bounds: Bounds = "interval"
    column: str = ""
    low: str = ""
    high: str = ""
    of: Callable[[Any], Found] = field(default=without, repr=False, compare=False)

    @property
    def columns(self) -> tuple[str, str, str]:
        """Columns of value, lower and upper bound; an empty text where there is none."""
        value = self.column or self.id
        if not self.bounds:
            return value, "", ""
        return value, self.low or f"{self.id}_low", self.high or f"{self.id}_high"

    @property
    def axis(self) -> str:
        return self.label or self.title

    def at(self, row: Mapping[str, Any]) -> Interval | None:
        """Value and bounds in the unit that is shown; None where there is no value. Bounds may be NaN."""
        value, low, high = (number(row, name) for name in self.columns)
        if not math.isfinite(value):
            return None
        return Interval(value * self.scale, low * self.scale, high * self.scale)

    def text(self, interval: Interval) -> str:
        """``61.2 [59.8, 62.7]``; without brackets where there is no interval."""
        form = f"{{:{'+' if self.signed else ''}.{self.digits}f}}"
        numbers = [form.format(n) for n in (interval.value, interval.low, interval.high)]
        value, low, high = (without_negative_zero(text).replace("-", "−") for text in numbers)
        return f"{value} [{low}, {high}]" if self.bounds == "interval" and has_bounds(interval) else value

    def cell(self, row: Mapping[str, Any]) -> str:
        """The text of a row's value; ``n/a`` where there is none."""
        interval = self.at(row)
        return self.text(interval) if interval else ABSENT


@dataclass(frozen=True)
class Result:
    """One quantity of one variant: a value with its bounds (NaN: none), or the reason why there is none.

    Attributes:
        runtime: what ran the variant.
        quantity: a ``Quantity``'s id; the value is in its stored unit.
    """

    model: str
    variant: str
    runtime: str
    quantity: str
    value: float | int
    low: float
    high: float
    reason: str = ""


def as_result(names: tuple[str, str, str], quantity: Quantity, found: Found) -> Result:
    """What was found of a quantity, as a record; ``names``: of model, variant and runtime."""
    if isinstance(found, Absent):
        return Result(*names, quantity.id, NAN, NAN, NAN, found.reason)
    if isinstance(found, Interval):
        return Result(*names, quantity.id, found.value, found.low, found.high)
    return Result(*names, quantity.id, NAN if found is None else found, NAN, NAN)


def wide_row(quantities: Iterable[Quantity], results: Mapping[str, Result]) -> dict[str, Any]:
    """Columns of one row of ``results.csv`` from the records of its variant, by quantity."""
    row: dict[str, Any] = {}
    for quantity in quantities:
        found, (value, low, high) = results[quantity.id], quantity.columns
        # A value that another quantity has written already is not written again.
        row |= {} if quantity.column else {value: found.value}
        row |= {low: found.low, high: found.high} if quantity.bounds else {}
        if quantity.reason:
            row[quantity.reason] = row.get(quantity.reason) or found.reason
    return row


def without_negative_zero(text: str) -> str:
    """``-0.0`` and ``+0.0`` are ``0.0``."""
    return text.lstrip("+-") if float(text) == 0 else text


def number(row: Mapping[str, Any], column: str) -> float:
    """The number in a cell; NaN for an absent column or an empty cell."""
    value = row.get(column) if column else None
    return NAN if value is None or pd.isna(value) else float(value)


def has_bounds(interval: Interval) -> bool:
    return math.isfinite(interval.low) and math.isfinite(interval.high)
