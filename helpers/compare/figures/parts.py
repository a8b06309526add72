"""Where a detector's time goes: one stacked bar per variant, from a photo's file to its stored detections."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import matplotlib.colors
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from helpers.energy.parts.summary import CORE, PARTS, STORE
from helpers.lab.intervals import Interval
from helpers.lab.quantities import has_bounds, number
from helpers.run.variants import is_baseline, is_control
from helpers.show.captions import FOOTER_IN, add_caption, level_text, threads_text
from helpers.show.context import Context
from helpers.show.placement import text_extent
from helpers.show.rows import (
    by_model,
    draw_whisker,
    records_of,
    require_columns,
    rows_height_in,
    variant_rows,
    write_missing,
    write_number,
)
from helpers.show.style import INK, SMALL_PT, LabFigure, new_figure, styled
from helpers.show.values import failure_of

COLUMNS = ("model", "variant", "part", "ms", "total_ms", "ratio", "photos", "rounds", "threads", "failed")
NAMES = MappingProxyType(
    {"decode": "decode", "resize": "resize, normalize", CORE: "core", "tail": "tail", STORE: "FiftyOne I/O"}
)
# Neighbours differ in lightness, and the light ones in hatch too: they can be told apart in grey.
COLOURS = MappingProxyType(
    {"decode": "#f0b64a", "resize": "#fbeecb", CORE: "#1f3f63", "tail": "#bfe3f2", STORE: "#8c82b5"}
)
HATCHES = MappingProxyType({"resize": "....", "tail": "////"})
HOW_TO_READ = (
    "Length is time per photo, from its file to its stored detections. Dark is the core, the only part that "
    "quantization changes, so a user gains less end to end (right: whole loop / float32) than the core does; "
    "a ratio no further from 1 than the control's interval reaches is noise. Do not take the shares for "
    "properties of the model: larger photos, a cold disk, or photos side by side, as in 03, move them."
)
_BAR, _LEGEND_IN, _LABEL_PT = 0.62, 0.5, 8


@styled
def time_by_part(results: pd.DataFrame, parts: pd.DataFrame, context: Context) -> LabFigure:
    """Stacked bars of ms per photo, one per variant, the control last; the ratio of the whole loop beside.

    Args:
        results: the results table: order of models and variants, and why a variant failed.
        parts: what ``measure.parts_summary.parts_rows`` returns, of all models.
        context: as for every figure.
    """
    require_columns(parts, COLUMNS)
    text = caption_text(parts, context)
    models, frames = zip(*by_model(rows_of(results, parts)), strict=True)
    heights = [1.2 * rows_height_in(frame) + 0.72 for frame in frames]
    figure = new_figure(sum(heights) + _LEGEND_IN + FOOTER_IN)
    axes = figure.subplots(len(frames), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, model, frame in zip(axes, models, frames, strict=True):
        draw_model(panel, frame, parts[parts["model"] == model])
        panel.set_title(model)
    add_legend(figure, parts)
    add_caption(figure, text, context)
    for panel in axes:
        label_segments(figure, panel)
    return figure


def rows_of(results: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    """One row per model and variant in the order of the results, the control last, with the bar's columns."""
    own = parts.drop_duplicates(["model", "variant"]).drop(columns=["part", "ms", "failed"])
    failed = parts.drop_duplicates(["model", "variant"])[["model", "variant", "failed"]]
    rows = results[["model", "variant", "failed"]].merge(own, "left", ["model", "variant"])
    rows = rows.merge(failed, "left", ["model", "variant"], suffixes=("", "_here"))
    rows["failed"] = [
        failure_of(row) or failure_of({"failed": row["failed_here"]}) for row in records_of(rows)
    ]
    last = rows["variant"].map(is_control)
    return pd.concat([rows[~last], rows[last]], ignore_index=True)


def caption_text(parts: pd.DataFrame, context: Context) -> str:
    measured = parts[parts["failed"].fillna("") == ""]
    photos, rounds, threads = (one_of(measured[name]) for name in ("photos", "rounds", "threads"))
    reasons = [str(reason).rstrip(".") for reason in dict.fromkeys(parts["absent"].dropna()) if reason]
    stored = "Detections go to FiftyOne in one write for all photos."
    store = f"Without FiftyOne I/O: {'; '.join(reasons)}." if reasons else stored
    return (
        f"Time per photo, one photo after another: mean over n = {photos} photos of each one's median over "
        f"{rounds} interleaved rounds, {threads_text(threads)}. Files are read from the page "
        f"cache, not from the disk. {store} "
        f"Whisker: {level_text(context)} percentile bootstrap over rounds, of the whole loop. Right: whole "
        "loop / float32, paired by photo and round, with the same kind of interval."
    )


def one_of(column: pd.Series) -> str:
    """``16``; ``16 to 20`` where models differ; ``unknown`` without any."""
    values = sorted({int(value) for value in column.dropna()})
    if not values:
        return "unknown"
    return f"{values[0]}" if len(values) == 1 else f"{values[0]} to {values[-1]}"


def draw_model(axes: Axes, frame: pd.DataFrame, parts: pd.DataFrame) -> None:
    reach = 0.0
    for y, row in variant_rows(axes, frame):
        variant = str(row["variant"])
        total = Interval(*(number(row, f"total_ms{end}") for end in ("", "_low", "_high")))
        if not np.isfinite(total.value):
            write_missing(axes, y, row, 44)
            continue
        draw_bar(axes, y, parts[parts["variant"] == variant], variant)
        if has_bounds(total):
            draw_whisker(axes, y, total, variant)
        write_number(axes, y, ratio_text(row))
        reach = max(reach, total.value, *(end for end in (total.low, total.high) if np.isfinite(end)))
    axes.set_xlim(0, 1.03 * reach if reach else 1)
    axes.set_xlabel("Time per photo (ms)")


def ratio_text(row: Mapping[str, Any]) -> str:
    """``0.87× [0.86, 0.88]``; the baseline is the reference."""
    if is_baseline(str(row["variant"])):
        return "whole loop: 1×"
    value, low, high = (number(row, f"ratio{end}") for end in ("", "_low", "_high"))
    if not np.isfinite(value):
        return "no ratio"
    return f"{value:.2f}× [{low:.2f}, {high:.2f}]" if np.isfinite(low) else f"{value:.2f}×"


def draw_bar(axes: Axes, y: float, rows: pd.DataFrame, variant: str) -> None:
    """One variant's segments, end to end in the order of the loop."""
    left, times = 0.0, dict(zip(rows["part"], rows["ms"], strict=True))
    for part in PARTS:
        width = number(times, part)
        if np.isfinite(width):
            style = {"facecolor": face_of(part, variant), "edgecolor": INK, "linewidth": 0.6}
            gid = f"{part}:{variant}"
            axes.barh(y, width, _BAR, left, hatch=HATCHES.get(part), gid=gid, **style)
            left += width


def face_of(part: str, variant: str) -> str:
    return grey_of(COLOURS[part]) if is_control(variant) else COLOURS[part]


def grey_of(colour: str) -> str:
    """The grey that a colour prints as (luma of ITU-R BT.601)."""
    return str(float(np.dot(matplotlib.colors.to_rgb(colour), (0.299, 0.587, 0.114))))


def label_segments(figure: LabFigure, axes: Axes) -> None:
    """Write the ms into every segment that is wide enough; call it last, when the layout is final."""
    figure.draw_without_rendering()
    ends = {line.get_ydata()[0]: min(line.get_xdata()) for line in axes.lines}
    digits = 1 if axes.get_xlim()[1] >= 2 else 2
    for bar in [patch for patch in axes.patches if patch.get_gid()]:
        y, left = bar.get_y() + bar.get_height() / 2, bar.get_x()
        right = min(left + bar.get_width(), ends.get(y, np.inf))
        text = f"{bar.get_width():.{digits}f}"
        if (
            free_px(axes, left, right)
            > text_extent(axes, text)[0] * _LABEL_PT / SMALL_PT + 3 * figure.dpi / 72
        ):
            write_ms(axes, (left + right) / 2, y, text, bar.get_facecolor())


def free_px(axes: Axes, left: float, right: float) -> float:
    """Width in pixels; below 0 where ``right`` lies left of ``left``."""
    pixels = axes.transData.transform([(left, 0), (right, 0)])
    return float(pixels[1, 0] - pixels[0, 0])


def write_ms(axes: Axes, x: float, y: float, text: str, face: tuple) -> None:
    """White on a dark segment, else dark on a patch of the segment's own colour, over its hatch."""
    ink = "white" if float(grey_of(face)) < 0.45 else INK
    box = {"facecolor": face, "edgecolor": "none", "pad": 0.8}
    axes.text(x, y, text, ha="center", va="center", fontsize=_LABEL_PT, color=ink, bbox=box, gid=f"ms:{text}")


def add_legend(figure: LabFigure, parts: pd.DataFrame) -> None:
    drawn = set(parts.loc[parts["ms"].notna(), "part"])
    handles: Sequence[Patch] = [
        Patch(
            facecolor=COLOURS[part], hatch=HATCHES.get(part), edgecolor=INK, linewidth=0.6, label=NAMES[part]
        )
        for part in PARTS
        if part in drawn
    ]
    if handles:
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), handlelength=1.4,
                      columnspacing=1.0, fontsize=SMALL_PT)  # fmt: skip
