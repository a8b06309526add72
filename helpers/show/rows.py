"""Rows: one variant per row, its value and interval on a shared axis, the number beside it."""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from helpers.lab.errors import LabError, found_of
from helpers.lab.intervals import Interval
from helpers.show.style import FAINT, INK, SHADE, SMALL_PT, look_of

ROW_IN = 0.36
_NAME_WIDTH = 22
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


def missing_text(row: Mapping[str, Any], column: str = "") -> str:
    """``failed: why``, ``n/a: why`` or, where no reason is known, ``n/a``; ``column``: of what."""
    failure, reason = failure_of(row), reason_for(row, column)
    if failure:
        return f"failed: {failure}"
    return f"n/a: {reason}" if reason else "n/a"


def require_columns(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    absent = [column for column in columns if column not in frame]
    if absent or frame.empty:
        raise LabError(
            f"a results table of {len(frame)} rows that lacks: {', '.join(absent) or 'rows'}.",
            "one row per model and variant, with all columns",
            "run 05_compare.ipynb, which writes data/runs/<run>/results.csv.",
        )


def by_model(results: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Rows of each model, in the order of the table."""
    require_columns(results, ["model", "variant"])
    return [(str(model), frame) for model, frame in results.groupby("model", sort=False)]


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return frame.to_dict("records")


def name_lines(variant_id: str) -> str:
    """A variant's name, wrapped at its hyphens where it is long."""
    return textwrap.fill(variant_id, _NAME_WIDTH, break_on_hyphens=True)


def rows_height_in(frame: pd.DataFrame) -> float:
    """Height of equal rows that hold the name with the most lines."""
    most_lines = max(name_lines(str(variant)).count("\n") + 1 for variant in frame["variant"])
    return len(frame) * max(ROW_IN, 0.17 * most_lines + 0.08)


def panel_heights_in(frames: Sequence[pd.DataFrame]) -> list[float]:
    """Height of one panel of rows per frame: rows, axis and title."""
    return [rows_height_in(frame) + 0.72 for frame in frames]


def variant_rows(axes: Axes, frame: pd.DataFrame) -> Iterator[tuple[float, dict[str, Any]]]:
    """Set up one row per variant, the first on top; yield its height on the y axis and its record."""
    records = records_of(frame)
    axes.set_yticks(range(len(records)), [name_lines(str(r["variant"])) for r in records])
    axes.set_ylim(len(records) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    yield from enumerate(records)


def draw_interval(axes: Axes, y: float, interval: Interval, variant_id: str) -> None:
    """The value as the variant's marker, the interval as a bar whose ends stand out above and below it."""
    look = look_of(variant_id)
    if has_bounds(interval):
        axes.plot(
            [interval.low, interval.high],
            [y, y],
            color=look.colour,
            linewidth=2.0,
            marker="|",
            markersize=15,
            markeredgewidth=1.6,
            solid_capstyle="butt",
            zorder=3 if look.hollow else 5,
            gid=f"interval:{variant_id}",
        )
    style = look.marker_style()
    if look.hollow:
        style["markerfacecolor"] = "white"
    axes.plot([interval.value], [y], zorder=4, gid=f"value:{variant_id}", **style)


def write_number(axes: Axes, y: float, text: str, gap_pt: float = 8) -> None:
    """The number right of the axes, so that it never covers a mark."""
    axes.annotate(
        text,
        (1, y),
        xytext=(gap_pt, 0),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        va="center",
        fontsize=SMALL_PT,
        annotation_clip=False,
    )


def write_missing(axes: Axes, y: float, row: Mapping[str, Any], width: int = 34, column: str = "") -> None:
    """Say in the row itself why there is no mark; ``column``: of what."""
    lines = textwrap.wrap(missing_text(row, column), width, max_lines=2, placeholder=" …")
    axes.text(
        0.02,
        y,
        "\n".join(lines),
        transform=axes.get_yaxis_transform(),
        va="center",
        style="italic",
        fontsize=SMALL_PT,
        color=INK,
        linespacing=1.05,
        gid=f"missing:{row['variant']}",
        in_layout=False,
        bbox={"facecolor": SHADE, "edgecolor": "none", "pad": 1.5},
        zorder=6,
    )


def draw_rows(
    axes: Axes,
    frame: pd.DataFrame,
    quantity: Quantity,
    compact: bool = False,
    notes: Mapping[str, str] = MappingProxyType({}),
) -> list[Interval]:
    """Every variant's value and interval, or the reason why there is none; returns what was drawn.

    Args:
        compact: no numbers beside the rows, short reasons; for narrow axes.
        notes: what stands beside a variant in place of its number.
    """
    drawn = []
    for y, row in variant_rows(axes, frame):
        interval = quantity.at(row)
        if interval is None:
            write_missing(axes, y, row, 16 if compact else 34, quantity.column)
            continue
        draw_interval(axes, y, interval, str(row["variant"]))
        if not compact:
            write_number(axes, y, notes.get(str(row["variant"])) or quantity.text(interval))
        drawn.append(interval)
    axes.set_xlabel(quantity.label)
    return drawn


def draw_bars(axes: Axes, frame: pd.DataFrame, quantity: Quantity, texts: Mapping[str, str]) -> None:
    """Bars from zero, with whiskers where there are bounds; ``texts``: what stands beside each bar."""
    for y, row in variant_rows(axes, frame):
        interval, variant_id = quantity.at(row), str(row["variant"])
        if interval is None:
            write_missing(axes, y, row, column=quantity.column)
            continue
        look = look_of(variant_id)
        face = "white" if look.hollow else look.colour
        axes.barh(
            y,
            interval.value,
            height=0.56,
            facecolor=face,
            edgecolor=look.colour,
            linewidth=1.2,
            gid=f"value:{variant_id}",
        )
        if has_bounds(interval):
            draw_whisker(axes, y, interval, variant_id)
        write_number(axes, y, texts[variant_id])
    axes.set_xlim(left=0)
    axes.set_xlabel(quantity.label)


def draw_whisker(axes: Axes, y: float, interval: Interval, variant_id: str) -> None:
    """Bounds across the end of a bar, rimmed in white to be seen on a bar of any colour."""
    for colour, width in (("white", 4.0), (INK, 1.6)):
        axes.plot(
            [interval.low, interval.high],
            [y, y],
            color=colour,
            linewidth=width,
            marker="|",
            markersize=8,
            markeredgewidth=width,
            zorder=5,
            gid=f"interval:{variant_id}",
        )


def span_of(intervals: Sequence[Interval], also: Sequence[float] = ()) -> tuple[float, float]:
    """Smallest and largest finite number among the intervals and ``also``."""
    numbers = [n for i in intervals for n in (i.value, i.low, i.high) if math.isfinite(n)] + list(also)
    return (min(numbers), max(numbers)) if numbers else (0.0, 1.0)


def padded(low: float, high: float, share: float = 0.06) -> tuple[float, float]:
    width = (high - low) or abs(high) * 0.1 or 1.0
    return low - share * width, high + share * width


def reference_line(axes: Axes, x: float) -> None:
    axes.axvline(x, color=FAINT, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
