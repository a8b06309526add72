"""Figures of accuracy, one variant per row: differences to float32 with their verdicts, and by size."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from helpers.compare.figures.one_row_each import title_models
from helpers.compare.quantities import JOINT_DIFFERENCE, QUANTITIES
from helpers.compare.verdict_texts import (
    short_answer,
    tie_range,
    unjudged_note,
)
from helpers.lab.intervals import Interval
from helpers.lab.quantities import has_bounds
from helpers.run.forms import CONTROLS
from helpers.run.variants import BASELINE, is_control
from helpers.show.captions import (
    FOOTER_IN,
    accuracy_interval,
    add_caption,
    margin_points,
    of_the_runtime,
    paired_interval,
    points_text,
)
from helpers.show.context import Context
from helpers.show.rows import (
    by_model,
    draw_interval,
    draw_rows,
    padded,
    records_of,
    reference_line,
    rows_height_in,
    span_of,
    variant_rows,
    write_missing,
    write_number,
)
from helpers.show.style import FAINT, SHADE, SMALL_PT, LabFigure, look_of, new_figure, styled
from helpers.tasks.detection.quantities import AP_DIFFERENCE

SAME_FILE = {BASELINE: "reference", **dict.fromkeys(CONTROLS, "0, the same file")}
AREAS = {"small": "small\n(< 32² px)", "medium": "medium\n(32² to 96² px)", "large": "large\n(> 96² px)"}
_LINE_IN = 0.16
_TIES_BELOW = 0.33  # of a row


@styled
def ap_difference(results: pd.DataFrame, context: Context) -> LabFigure:
    """AP of each variant less that of float32, against the margin that the user accepts."""
    margin = margin_points(context)
    text = (
        f"Difference of COCO AP to float32{of_the_runtime(results)}. {paired_interval(context)}; "
        "thin: bounds that hold for all variants at once (Bonferroni). Grey band: the margin, a loss "
        f"of up to {points_text(margin)}. Grey line below a mark: where the order of equal "
        "scores alone could put it. "
        "The control is the float32 file: zero by construction. "
        + unjudged_note(results, points_text(margin))
    ).strip()
    models, frames = zip(*by_model(results), strict=True)
    heights = [difference_height_in(frame) for frame in frames]
    figure = new_figure(sum(heights) + FOOTER_IN)
    axes = list(figure.subplots(len(frames), 1, squeeze=False, height_ratios=heights)[:, 0])
    for panel, frame in zip(axes, frames, strict=True):
        draw_differences(panel, frame, margin)
    title_models(axes, models)
    return add_caption(figure, text, context)


def difference_height_in(frame: pd.DataFrame) -> float:
    """Rows that hold the text with the most lines, axis and title."""
    lines = max(difference_text(row).count("\n") + 1 for row in records_of(frame))
    return max(rows_height_in(frame), len(frame) * (lines * _LINE_IN + 0.08)) + 0.72


def draw_differences(axes: Axes, frame: pd.DataFrame, margin: float) -> None:
    drawn = []
    for y, row in variant_rows(axes, frame):
        difference = AP_DIFFERENCE.at(row)
        if difference is None:
            write_missing(axes, y, row, quantity=AP_DIFFERENCE)
            continue
        draw_interval(axes, y, difference, str(row["variant"]))
        drawn += [difference, *draw_joint(axes, y, row), *draw_ties(axes, y, row)]
        write_number(axes, y, difference_text(row))
    draw_margin(axes, margin)
    axes.set_xlim(*padded(*span_of(drawn, [-margin, 0.1 * margin])))
    axes.set_xlabel(AP_DIFFERENCE.axis)


def draw_margin(axes: Axes, margin: float) -> None:
    """Losses that are accepted, and the line that a loss must not cross."""
    axes.axvspan(-margin, 0, color=SHADE, zorder=0, gid="margin")
    axes.axvline(-margin, color=FAINT, linewidth=1, zorder=1, gid="margin-line")
    reference_line(axes, 0)


def draw_joint(axes: Axes, y: float, row: Mapping[str, Any]) -> list[Interval]:
    """The simultaneous interval, thin, so that it shows beyond the ends of the other."""
    joint, variant_id = JOINT_DIFFERENCE.at(row), str(row["variant"])
    if joint is None or not has_bounds(joint):
        return []
    style = {"color": look_of(variant_id).colour, "linewidth": 0.9, "marker": "|", "markersize": 7}
    axes.plot([joint.low, joint.high], [y, y], zorder=3, gid=f"joint:{variant_id}", **style)
    return [joint]


def tie_shift(row: Mapping[str, Any]) -> Interval | None:
    """Where the order of equal scores alone could put the difference, in points."""
    ties, difference = tie_range(row), AP_DIFFERENCE.at(row)
    if ties is None or difference is None:
        return None
    shift = difference.value - ties.value
    return Interval(difference.value, ties.low + shift, ties.high + shift)


def draw_ties(axes: Axes, y: float, row: Mapping[str, Any]) -> list[Interval]:
    shifted = tie_shift(row)
    if shifted is None or is_control(str(row["variant"])):
        return []
    style = {"color": FAINT, "linewidth": 1, "marker": "|", "markersize": 6, "zorder": 2}
    axes.plot([shifted.low, shifted.high], [y + _TIES_BELOW] * 2, gid=f"ties:{row['variant']}", **style)
    return [shifted]


def difference_text(row: Mapping[str, Any]) -> str:
    """The number, the verdict and what the order of ties leaves open: up to three lines."""
    difference, note = AP_DIFFERENCE.at(row), SAME_FILE.get(str(row["variant"]))
    if difference is None or note:
        return note or ""
    lines, shifted = [AP_DIFFERENCE.text(difference), short_answer(row)], tie_shift(row)
    if shifted:
        low, high = (
            AP_DIFFERENCE.text(Interval(n, *[float("nan")] * 2)) for n in (shifted.low, shifted.high)
        )
        lines.append(f"by ties: {low} to {high}")
    return "\n".join(line for line in lines if line)


@styled
def ap_by_size(results: pd.DataFrame, context: Context) -> LabFigure:
    """AP for small, medium and large objects, side by side."""
    text = (
        f"COCO AP in points (AP × 100) by object area. {accuracy_interval(context)}. "
        "The axes of a row have one length, not one origin: equal distances are equal differences."
    )
    models, frames = zip(*by_model(results), strict=True)
    heights = [rows_height_in(frame) + 0.95 for frame in frames]
    figure = new_figure(sum(heights) + FOOTER_IN)
    parts = figure.subfigures(len(frames), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, model, frame in zip(parts, models, frames, strict=True):
        draw_areas(part.subplots(1, len(AREAS), sharey=True), frame)
        part.suptitle(model, x=0.012, ha="left", fontsize=10, fontweight="bold")
    return add_caption(figure, text, context)


def draw_areas(axes: Sequence[Axes], frame: pd.DataFrame) -> None:
    spans = []
    for panel, (area, title) in zip(axes, AREAS.items(), strict=True):
        quantity = QUANTITIES[f"ap_{area}"]
        spans.append(span_of(draw_rows(panel, frame, quantity, compact=True)))
        panel.set_title(title, fontsize=SMALL_PT, fontweight="normal")
        panel.locator_params(axis="x", nbins=4)
    width = 1.15 * max(high - low for low, high in spans) or 1.0
    for panel, (low, high) in zip(axes, spans, strict=True):
        panel.set_xlim((low + high - width) / 2, (low + high + width) / 2)
