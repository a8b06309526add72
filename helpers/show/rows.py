"""Rows: one variant per row, its value and interval on a shared axis, the number beside it."""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from helpers.lab.errors import LabError
from helpers.lab.intervals import Interval
from helpers.lab.quantities import Quantity, has_bounds
from helpers.show.style import FAINT, INK, SHADE, SMALL_PT, look_of
from helpers.show.values import failure_of, reason_for

ROW_IN = 0.36
_NAME_WIDTH = 22


def missing_text(row: Mapping[str, Any], quantity: Quantity | None = None) -> str:
    """``failed: why``, ``n/a: why`` or, where no reason is known, ``n/a``; ``quantity``: of what."""
    failure, reason = failure_of(row), reason_for(row, quantity)
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


def write_missing(
    axes: Axes, y: float, row: Mapping[str, Any], width: int = 34, quantity: Quantity | None = None
) -> None:
    """Say in the row itself why there is no mark; ``quantity``: of what."""
    lines = textwrap.wrap(missing_text(row, quantity), width, max_lines=2, placeholder=" …")
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
            write_missing(axes, y, row, 16 if compact else 34, quantity)
            continue
        draw_interval(axes, y, interval, str(row["variant"]))
        if not compact:
            write_number(axes, y, notes.get(str(row["variant"])) or quantity.text(interval))
        drawn.append(interval)
    axes.set_xlabel(quantity.axis)
    return drawn


def draw_bars(axes: Axes, frame: pd.DataFrame, quantity: Quantity, texts: Mapping[str, str]) -> None:
    """Bars from zero, with whiskers where there are bounds; ``texts``: what stands beside each bar."""
    for y, row in variant_rows(axes, frame):
        interval, variant_id = quantity.at(row), str(row["variant"])
        if interval is None:
            write_missing(axes, y, row, quantity=quantity)
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
    axes.set_xlabel(quantity.axis)


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
