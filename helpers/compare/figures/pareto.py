"""Accuracy against latency: what each variant buys, and with what it pays."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from helpers.energy.quantities import LATENCY
from helpers.lab.intervals import Interval
from helpers.lab.quantities import has_bounds
from helpers.run.variants import is_control
from helpers.runtimes.catalogue import RUNTIMES
from helpers.show.captions import (
    FOOTER_IN,
    accuracy_interval,
    add_caption,
    has_several_runtimes,
    rounds_text,
    threads_text,
)
from helpers.show.context import Context
from helpers.show.placement import place_labels
from helpers.show.rows import by_model, missing_text, name_lines, padded, records_of, span_of
from helpers.show.style import FAINT, SHADE, SMALL_PT, LabFigure, Look, look_of, new_figure, styled
from helpers.tasks.detection.quantities import AP

Point = tuple[dict[str, Any], Interval, Interval]
MARKERS = {runtime.title: runtime.marker for runtime in RUNTIMES.values()}
SHAPES = {"o": "disc", "*": "star", "^": "triangle"}
_PANEL_IN = 3.2


@styled
def pareto(results: pd.DataFrame, context: Context) -> LabFigure:
    """AP against median latency, intervals both ways, the Pareto front of the values dashed."""
    text = (
        f"COCO AP in points (AP × 100). {accuracy_interval(context)} (AP), "
        f"and over processes (latency; {rounds_text(context)}, {threads_text(context.threads)}). "
        "Dashed: Pareto front of the point estimates. "
        "Hollow: the control, float32 timed a second time." + runtimes_text(results)
    )
    groups = by_model(results)
    figure = new_figure(_PANEL_IN * len(groups) + FOOTER_IN)
    axes = figure.subplots(len(groups), 1, squeeze=False)[:, 0]
    drawn = [draw_pareto(panel, frame) for panel, (_, frame) in zip(axes, groups, strict=True)]
    for panel, (model, _) in zip(axes, groups, strict=True):
        panel.set_title(model)
    add_caption(figure, text, context)
    # Labels are placed in pixels, so the layout must be final before.
    figure.draw_without_rendering()
    for panel, points in zip(axes, drawn, strict=True):
        label_points(panel, points)
    return figure


def marker_of(row: Mapping[str, Any], several: bool) -> Look:
    """A form's colour and, where there are several runtimes, the marker of its runtime."""
    look = look_of(str(row["variant"]))
    return replace(look, marker=MARKERS.get(str(row.get("runtime")), look.marker)) if several else look


def runtimes_text(results: pd.DataFrame) -> str:
    """For the caption: which marker is which runtime; empty where there is one."""
    if not has_several_runtimes(results):
        return ""
    names = (
        f"{SHAPES.get(MARKERS[name], MARKERS[name])} {name}"
        for name in results["runtime"].unique()
        if name in MARKERS
    )
    return f" Colour: the form; marker: the runtime ({', '.join(names)})."


def draw_pareto(axes: Axes, frame: pd.DataFrame) -> list[Point]:
    """Draw one model; returns the variants that have both values."""
    points = [(row, LATENCY.at(row), AP.at(row)) for row in records_of(frame)]
    whole = [point for point in points if point[1] and point[2]]
    draw_front(axes, [p for p in whole if not is_control(str(p[0]["variant"]))])
    # The baseline lies on top of its near copies, whose corners stay visible around it.
    for index, point in enumerate(whole):
        draw_point(axes, *point, 4 - 0.1 * index, marker_of(point[0], has_several_runtimes(frame)))
    set_limits(axes, whole)
    axes.grid(True, axis="both")
    axes.set_xlabel(f"{LATENCY.axis}   ← better")
    axes.set_ylabel(f"{AP.axis}   better →")
    write_absent(axes, [row for row, latency, ap in points if not (latency and ap)])
    return whole


def draw_point(axes: Axes, row: dict, latency: Interval, ap: Interval, zorder: float, look: Look) -> None:
    variant_id = str(row["variant"])
    line = {"color": look.colour, "linewidth": 1.6, "solid_capstyle": "butt", "zorder": zorder}
    if has_bounds(latency):
        axes.plot([latency.low, latency.high], [ap.value] * 2, gid=f"interval-x:{variant_id}", **line)
    if has_bounds(ap):
        axes.plot(
            [latency.value] * 2,
            [ap.low, ap.high],
            gid=f"interval-y:{variant_id}",
            marker="_",
            markersize=6,
            **line,
        )
    style = look.marker_style(8)
    axes.plot([latency.value], [ap.value], zorder=zorder + 2, gid=f"value:{variant_id}", **style)


def front_of(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points (cost, gain) that no other point beats on both, by growing cost."""
    front: list[tuple[float, float]] = []
    for cost, gain in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or gain > front[-1][1]:
            front.append((cost, gain))
    return front


def draw_front(axes: Axes, points: Sequence[Point]) -> None:
    front = front_of([(latency.value, ap.value) for _, latency, ap in points])
    if len(front) > 1:
        axes.step(
            *zip(*front, strict=True),
            where="post",
            color=FAINT,
            linewidth=1,
            linestyle=(0, (4, 3)),
            zorder=1,
            gid="front",
        )


def set_limits(axes: Axes, points: Sequence[Point]) -> None:
    """Room around the points for their labels."""
    if points:
        axes.set_xlim(*padded(*span_of([latency for _, latency, _ in points]), 0.16))
        axes.set_ylim(*padded(*span_of([ap for _, _, ap in points]), 0.16))


def absent_text(row: Mapping[str, Any]) -> str:
    """Why a variant lacks its AP or, if it has one, its latency."""
    return missing_text(row, LATENCY if AP.at(row) else AP)


def write_absent(axes: Axes, rows: Sequence[dict]) -> None:
    """Name the variants that have no point, with the reason, in a corner of the panel."""
    if rows:
        lines = "\n".join(
            textwrap.shorten(f"{r['variant']}: {absent_text(r)}", 62, placeholder=" …") for r in rows
        )
        text = axes.text(
            0.012,
            0.02,
            f"Not shown\n{lines}",
            transform=axes.transAxes,
            va="bottom",
            zorder=9,
            fontsize=SMALL_PT,
            style="italic",
            gid="absent",
            bbox={"facecolor": SHADE, "edgecolor": "none", "pad": 2},
        )
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.09 * (1 + len(rows)) * (high - low), high)
        text.set_in_layout(False)


def segment_boxes(line: Line2D) -> list[Bbox]:
    """A box in pixels for each straight piece of a line."""
    corners = line.get_transform().transform(line.get_path().vertices)
    return [Bbox([np.minimum(a, b) - 2, np.maximum(a, b) + 2]) for a, b in pairwise(corners)]


def label_points(axes: Axes, points: Sequence[Point]) -> None:
    renderer = axes.figure.canvas.get_renderer()
    drawn = [line for line in axes.lines if str(line.get_gid()).startswith(("value:", "interval"))]
    obstacles = [Bbox(line.get_window_extent(renderer)).padded(2) for line in drawn]
    obstacles += [box for line in axes.lines if line.get_gid() == "front" for box in segment_boxes(line)]
    obstacles += [text.get_window_extent(renderer) for text in axes.texts if text.get_gid() == "absent"]
    places = [(latency.value, ap.value) for _, latency, ap in points]
    names = [name_lines(str(row["variant"])) for row, _, _ in points]
    place_labels(axes, places, names, obstacles)
