"""From plain int8 to cured: what each cure wins back of what float32 finds, and what it costs in time."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from helpers.compare.cured import CHANGE, LOSS, RATIO, TIME
from helpers.lab.intervals import Interval
from helpers.lab.quantities import has_bounds
from helpers.lab.units import how_many
from helpers.run.variants import in_runtime_of
from helpers.show.captions import FOOTER_IN, add_caption, level_text, points_text, threads_text
from helpers.show.context import Context
from helpers.show.rows import padded, records_of, reference_line, span_of
from helpers.show.style import FAINT, INK, SHADE, SMALL_PT, LabFigure, look_of, new_figure, styled

ROW_IN, BAR = 0.38, 0.56
NAME_WIDTH = 17
LOST_HATCH = "////"
LEFT = "left to float32"
HOW_TO_READ = (
    "From the top: what plain int8 loses, then what each cure wins back of it (plain bars; a hatched one "
    "loses), each from where the one before ended; at the bottom what is left to float32, the dashed line at "
    "0. The grey band holds the losses that the margin accepts. A whisker is the interval of the whole "
    "difference to float32 after that step; the number beside it is the change by that step alone, and a "
    "hollow bar is a change whose own interval holds 0: not shown. On the right the time of each file, "
    "float32's dashed. The search saw none of these photos: where a cure helped in the search and not here, "
    "it had learnt its own photos."
)
ASIDE_PT = {"left": 3, "center": 0, "right": -3}


@styled
def waterfall(frame: pd.DataFrame, margin_points: float, context: Context) -> LabFigure:
    """Of one model and variant.

    Args:
        frame: ``cured.cured_frame`` of it, float32 first.
        margin_points: loss of AP that is accepted.
    """
    rows = records_of(frame)
    base, steps = rows[0], rows[1:]
    shown = [*steps, *last_row(steps)]
    figure = new_figure(ROW_IN * max(len(shown), 2) + 1.1 + FOOTER_IN)
    accuracy, times = figure.subplots(1, 2, sharey=True, width_ratios=(1.5, 1))
    set_up_rows(accuracy, shown)
    draw_changes(accuracy, shown, str(base["variant"]), margin_points)
    draw_times(times, base, steps)
    title = f"{base['model']}: {base['variant']}"
    figure.suptitle(title, x=0.012, ha="left", fontsize=10, fontweight="bold")
    return add_caption(figure, caption(rows, margin_points, context), context)


def last_row(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is left after the last step that has an AP; nothing where that is plain int8's loss."""
    known = [row for row in steps if LOSS.at(row)]
    return [{**known[-1], "step": LEFT}] if len(known) > 1 else []


def caption(rows: Sequence[Mapping[str, Any]], margin_points: float, context: Context) -> str:
    base = rows[0]
    scored = (
        f"Steps from plain int8 to {base['variant']} of {base['model']}: COCO AP less that of "
        f"{base['cure']}, in points. n = {base['photos']:,} images that the search has not seen. Whiskers: "
        f"{level_text(context)} paired bootstrap over images, {base['resamples']:,} resamples, the same for "
        f"every step. Grey band: the margin, a loss of up to {points_text(margin_points)}."
    )
    timed = [row for row in rows if TIME.at(row)]
    if not timed:
        return scored
    rounds = how_many(int(timed[0]["rounds"]), "interleaved round")
    processes = how_many(int(timed[0]["processes"]), "fresh process", "fresh processes")
    return (
        f"{scored} Milliseconds: median of inference alone, {rounds} in {processes}, "
        f"{threads_text(context.threads)}; bars: {level_text(context)} intervals over processes; in brackets "
        "the ratio to float32, paired by round."
    )


def set_up_rows(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    names = [textwrap.fill(str(row["step"]), NAME_WIDTH) for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def draw_changes(axes: Axes, rows: Sequence[Mapping[str, Any]], variant: str, margin_points: float) -> None:
    """Floating bars, each from where the one before ended."""
    axes.axvspan(-margin_points, 0, color=SHADE, zorder=0, gid="margin")
    axes.axvline(-margin_points, color=FAINT, linewidth=1, zorder=1, gid="margin-line")
    reference_line(axes, 0)
    name_line(axes, -margin_points, "margin", "right")
    name_line(axes, 0, "float32", "left")
    drawn, ended, last = [], 0.0, len(rows) - 1
    for y, row in enumerate(rows):
        loss = LOSS.at(row)
        if loss is None:
            write_reason(axes, y, f"failed: {row['failed']}" if row["failed"] else "no AP")
            continue
        whole = row["step"] == LEFT
        draw_bar(axes, y, 0.0 if whole else ended, loss, row, look_of_bar(variant, row))
        write_change(axes, y, LOSS.at(row) if whole else CHANGE.at(row) or loss)
        if y < last:
            axes.plot([loss.value] * 2, [y + BAR / 2, y + 1 - BAR / 2], color=FAINT, linewidth=0.8, zorder=2)
        drawn, ended = [*drawn, loss], loss.value
    axes.set_xlim(*padded(*span_of(drawn, [-1.3 * margin_points, 0.15 * margin_points])))
    axes.set_xlabel(LOSS.axis)


def name_line(axes: Axes, x: float, text: str, side: str) -> None:
    """Above the axes, a little aside: two lines may lie close to one another."""
    place = {"xytext": (ASIDE_PT[side], 3), "textcoords": "offset points", "annotation_clip": False}
    style = {"ha": side, "fontsize": SMALL_PT - 1, "color": INK}
    axes.annotate(text, (x, 1), xycoords=axes.get_xaxis_transform(), **place, **style)


def look_of_bar(variant: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Gains have the cured variant's colour; losses, what is left among them, int8's, and are hatched."""
    change = None if row["step"] == LEFT else CHANGE.at(row)
    gains = (change or LOSS.at(row)).value >= 0
    colour = look_of(variant if gains else in_runtime_of("int8", variant)).colour
    shown = change is None or change.excludes(0)
    face = {"facecolor": colour if shown else "white", "edgecolor": colour if not shown or gains else "white"}
    return face | {"hatch": "" if gains else LOST_HATCH, "linewidth": 1.2 if gains or not shown else 0.0}


def draw_bar(
    axes: Axes, y: float, start: float, end: Interval, row: Mapping[str, Any], look: Mapping[str, Any]
) -> None:
    """From where the step before ended, with the interval of the difference to float32 at its end."""
    gid = f"step:{row['place']}"
    axes.barh(y, end.value - start, left=start, height=BAR, zorder=2, gid=gid, **look)
    if has_bounds(end):
        for colour, width in (("white", 3.4), (INK, 1.4)):
            style = {"color": colour, "linewidth": width, "marker": "|", "markersize": 7}
            axes.plot([end.low, end.high], [y, y], markeredgewidth=width, zorder=5, **style)


def write_change(axes: Axes, y: float, change: Interval) -> None:
    text = replace(CHANGE, bounds="").text(change)
    place = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": SMALL_PT}
    axes.annotate(text, (1, y), xycoords=axes.get_yaxis_transform(), annotation_clip=False, **place)


def draw_times(axes: Axes, base: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> None:
    """Each file's milliseconds; where none is known, why, once."""
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelleft=False)
    axes.set_xlabel(TIME.axis)
    found = [TIME.at(row) for row in steps]
    if not any(found):
        reasons = [str(row["latency_reason"]) for row in (*steps, base) if row.get("latency_reason")]
        write_reason(axes, (len(steps) - 1) / 2, f"n/a: {reasons[0] if reasons else 'not measured'}", 20, 6)
        axes.set_xticks([])
        return
    for y, (row, time) in enumerate(zip(steps, found, strict=True)):
        if time is None:
            write_reason(axes, y, f"n/a: {row['latency_reason']}", 20)
            continue
        draw_time(axes, y, time, str(row["variant"]))
        write_time(axes, y, time, RATIO.at(row))
    whole = TIME.at(base)
    if whole:
        reference_line(axes, whole.value)
        name_line(axes, whole.value, "float32", "center")
    known = [time for time in found if time]
    axes.set_xlim(*padded(*span_of(known, [whole.value] if whole else []), 0.15))
    axes.locator_params(axis="x", nbins=4)


def draw_time(axes: Axes, y: float, time: Interval, variant: str) -> None:
    look = look_of(variant)
    if has_bounds(time):
        style = {"color": look.colour, "linewidth": 2, "marker": "|", "markersize": 9}
        axes.plot([time.low, time.high], [y, y], zorder=3, **style)
    axes.plot([time.value], [y], zorder=4, gid=f"time:{y}", **(look.marker_style(6) | {"marker": "o"}))


def write_time(axes: Axes, y: float, time: Interval, ratio: Interval | None) -> None:
    text = replace(TIME, bounds="").text(time) + (f" ({ratio.value:.2f}×)" if ratio else "")
    place = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": SMALL_PT}
    axes.annotate(text, (1, y), xycoords=axes.get_yaxis_transform(), annotation_clip=False, **place)


def write_reason(axes: Axes, y: float, text: str, width: int = 26, most_lines: int = 2) -> None:
    """In the place of a mark."""
    lines = textwrap.wrap(text, width, max_lines=most_lines, placeholder=" …")
    style = {"style": "italic", "fontsize": SMALL_PT, "color": INK, "in_layout": False, "zorder": 6}
    box = {"facecolor": SHADE, "edgecolor": "none", "pad": 1.5}
    axes.text(
        0.03, y, "\n".join(lines), transform=axes.get_yaxis_transform(), va="center", bbox=box,
        gid="reason", **style,
    )  # fmt: skip
