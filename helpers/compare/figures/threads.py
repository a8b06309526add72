"""Latency against the number of threads: who gains from more cores, and how far."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation, Transform, blended_transform_factory

from helpers.energy.quantities import LATENCY
from helpers.lab.intervals import Interval
from helpers.lab.quantities import has_bounds
from helpers.run.variants import BASELINE
from helpers.show.captions import FOOTER_IN, add_caption, level_text
from helpers.show.context import Context
from helpers.show.rows import by_model, missing_text, name_lines, records_of
from helpers.show.style import FAINT, INK, SHADE, SMALL_PT, LabFigure, look_of, new_figure, styled
from helpers.show.values import failure_of

Marks = dict[int, Interval]
_PANEL_IN = 3.3
_AXES_PT, _AXES_HEIGHT_PT = 230, 166  # about the size of a panel without names and labels
_SIDE = 0.45  # octaves left free on either side of the counts
_WIDEST_STEP_PT, _NARROWEST_STEP_PT = 11.0, 2.5
_LINE_PT = 1.28 * SMALL_PT
_IDEAL = "ideal for float32"
_ONE_CORE = "One core only: nothing to compare with."
_FEW_NOTES = 3


@styled
def latency_threads(results: pd.DataFrame, threads: pd.DataFrame, context: Context) -> LabFigure:
    """Median latency of each variant, control included, on 1, 2, 4, ... and all cores.

    Args:
        results: which variants there are, in which order, and which have failed.
        threads: as ``stages.threads.threads_frame`` returns it.
    """
    text = caption_text(threads, context)
    groups = by_model(results)
    figure = new_figure(_PANEL_IN * len(groups) + FOOTER_IN)
    axes = figure.subplots(len(groups), 1, squeeze=False)[:, 0]
    for panel, (model, frame) in zip(axes, groups, strict=True):
        draw_model(panel, frame, threads[threads["model"] == model])
        panel.set_title(model)
    add_caption(figure, text, context)
    # Names are set apart in points, so the layout must be final before.
    figure.draw_without_rendering()
    for panel in axes:
        set_names_apart(panel)
    return figure


def caption_text(threads: pd.DataFrame, context: Context) -> str:
    ideal = " Dotted: float32, if twice the threads halved its time." * (threads["threads"].nunique() > 1)
    return (
        "Median latency of one inference (p50), the process on as many cores as threads; both axes "
        f"logarithmic. n = {rounds_text(threads)}. Bars: {level_text(context)} bootstrap over "
        "processes. Marks of one count stand side by side. Hollow: the control."
        f"{ideal}{disturbed_text(threads)}"
    )


def rounds_text(threads: pd.DataFrame) -> str:
    """``20 to 75 interleaved rounds in 20 to 75 fresh processes per thread count``."""
    rounds, processes = span_text(threads["rounds"]), span_text(threads["processes"])
    if not rounds:
        return "0 rounds"
    return f"{rounds} interleaved rounds in {processes} fresh processes per thread count"


def span_text(counts: pd.Series) -> str:
    """``20 to 75``; one number where all are equal, empty where none is above 0."""
    found = sorted({int(n) for n in counts if n > 0})
    return " to ".join(map(str, dict.fromkeys([*found[:1], *found[-1:]])))


def disturbed_text(threads: pd.DataFrame) -> str:
    """At which counts most rounds were disturbed; empty if at none."""
    most = threads[threads["disturbed"] > 0.5 * threads["rounds"]].query("rounds > 0")
    counts = [str(count) for count in sorted(most["threads"].unique())]
    if not counts:
        return ""
    return f" Most rounds at {', '.join(counts)} thread{'s' * (counts != ['1'])} were disturbed."


def marks_of(frame: pd.DataFrame) -> dict[str, Marks]:
    """Variant -> thread count -> latency in ms, where there is one."""
    found: dict[str, Marks] = {}
    for row in records_of(frame):
        interval = LATENCY.at(row)
        if interval:
            found.setdefault(str(row["variant"]), {})[int(row["threads"])] = interval
    return found


def draw_model(axes: Axes, results: pd.DataFrame, frame: pd.DataFrame) -> None:
    found = marks_of(frame)
    variants = [str(variant) for variant in results["variant"] if str(variant) in found]
    counts = sorted({int(count) for count in frame["threads"]})
    set_count_axis(axes, counts)
    steps = dodges_pt(len(variants), counts)
    for place, variant in enumerate(variants):
        draw_variant(axes, variant, found[variant], steps[place], mark_pt(steps))
        name_variant(axes, variant, found[variant])
    if BASELINE in found and len(counts) > 1:
        draw_ideal(axes, found[BASELINE], counts, dodged(axes, steps[variants.index(BASELINE)]))
    set_latency_axis(axes, [mark for marks in found.values() for mark in marks.values()])
    write_notes(axes, absent_lines(results, frame, found) + ([_ONE_CORE] if len(counts) == 1 else []))


def dodges_pt(variants: int, counts: Sequence[int]) -> list[float]:
    """Sidewards offset of each variant in points, around 0: as far apart as the counts leave room for."""
    octaves = np.log2(counts) if counts else np.zeros(1)
    point_per_octave = _AXES_PT / (octaves[-1] - octaves[0] + 2 * _SIDE)
    narrowest = min((b - a for a, b in pairwise(octaves)), default=2 * _SIDE)
    room = 0.8 * narrowest * point_per_octave / max(variants, 1)
    step = float(np.clip(room, _NARROWEST_STEP_PT, _WIDEST_STEP_PT))
    return [step * (place - (variants - 1) / 2) for place in range(variants)]


def mark_pt(dodges: Sequence[float]) -> float:
    """Size of a mark: smaller than the step, so that the ends of its interval stand out beside it."""
    step = dodges[1] - dodges[0] if len(dodges) > 1 else _WIDEST_STEP_PT
    return float(np.clip(0.62 * step, 3.4, 6.5))


def dodged(axes: Axes, offset_pt: float) -> Transform:
    return axes.transData + ScaledTranslation(offset_pt / 72, 0, axes.figure.dpi_scale_trans)


def draw_variant(axes: Axes, variant: str, marks: Marks, offset_pt: float, size_pt: float) -> None:
    """Marks with intervals, joined by a thin line; all moved sidewards by ``offset_pt``."""
    look, where = look_of(variant), dodged(axes, offset_pt)
    counts = sorted(marks)
    dashes = (0, (3, 2)) if look.hollow else "-"
    values = [marks[count].value for count in counts]
    axes.plot(
        counts, values, color=look.colour, linewidth=0.9, alpha=0.65, linestyle=dashes, transform=where,
        zorder=2, gid=f"line:{variant}",
    )  # fmt: skip
    for count in filter(lambda count: has_bounds(marks[count]), counts):
        axes.plot(
            [count, count], [marks[count].low, marks[count].high], color=look.colour, linewidth=1.5,
            marker="_", markersize=1.6 * size_pt, markeredgewidth=1.1, transform=where, zorder=3,
            solid_capstyle="butt", gid=f"interval:{variant}",
        )  # fmt: skip
    axes.plot(
        counts, values, transform=where, zorder=4, gid=f"value:{variant}", **mark_style(variant, size_pt)
    )


def mark_style(variant: str, size_pt: float) -> dict[str, Any]:
    """A hollow mark is white inside here, since it lies beside the others, not around them."""
    look = look_of(variant)
    style = look.marker_style(size_pt) | {"markeredgewidth": 0.4}
    if look.hollow:
        style |= {"markerfacecolor": "white", "markersize": size_pt, "markeredgewidth": 1.2}
    return style


def draw_ideal(axes: Axes, baseline: Marks, counts: Sequence[int], where: Transform) -> None:
    """Where float32 would lie if its time were divided by the number of threads."""
    first = min(baseline)
    ends = [first, counts[-1]]
    values = [baseline[first].value * first / count for count in ends]
    style = {"color": INK, "linewidth": 1.0, "linestyle": (0, (1, 2)), "transform": where}
    lines = axes.plot(ends, values, zorder=1, gid="ideal", **style)
    axes.legend(
        lines, [_IDEAL], loc="upper right", borderaxespad=0.1, handlelength=1.8,
        frameon=True, facecolor="white", edgecolor="none", framealpha=1,
    )  # fmt: skip


def set_count_axis(axes: Axes, counts: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    low, high = (counts[0], counts[-1]) if counts else (1, 1)
    axes.set_xlim(low * 2**-_SIDE, high * 2**_SIDE)
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("Threads, each on a core of its own")


def set_latency_axis(axes: Axes, marks: Sequence[Interval]) -> None:
    """Logarithmic, with room above for the legend; the ideal line may leave it below."""
    ends = [end for mark in marks for end in (mark.low, mark.value, mark.high) if end > 0]
    low, high = (min(ends), max(ends)) if ends else (1.0, 2.0)
    span = max(high / low, 1.5)
    axes.set_yscale("log")
    axes.set_ylim(low / span**0.08, low * span**1.2)
    axes.yaxis.set_major_locator(FixedLocator(tidy_ticks(*axes.get_ylim()) if ends else []))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(True, axis="both")
    axes.set_ylabel(f"← faster    {LATENCY.axis}")


def tidy_ticks(low: float, high: float) -> list[float]:
    """Round numbers within ``low..high``, fewer per decade the more decades there are."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    even = [np.arange(1, 10, step).round(1) for step in (0.1, 0.2, 0.5)]
    for choice in (*even, (1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 5), (1,)):
        ticks = [float(f"{step * 10.0**decade:.6g}") for decade in decades for step in choice]
        shown = [tick for tick in ticks if low <= tick <= high]
        if len(shown) <= 8:
            return shown
    return shown


def name_variant(axes: Axes, variant: str, marks: Marks) -> None:
    """Mark and name right of the axes, at the height of the last value; moved apart later."""
    where = blended_transform_factory(axes.transAxes, axes.transData)
    style = {"va": "center", "fontsize": SMALL_PT, "color": INK, "linespacing": 1.0}
    last = marks[max(marks)].value
    axes.annotate(
        name_lines(variant), (1, last), xytext=(27, 0), xycoords=where, textcoords="offset points",
        annotation_clip=False, gid=f"name:{variant}", **style,
    )  # fmt: skip


def set_names_apart(axes: Axes) -> None:
    """Give every name its own height, in the order of the values, with a leader to where they end."""
    labels = [text for text in axes.texts if str(text.get_gid()).startswith("name:")]
    labels.sort(key=lambda label: label.xy[1])
    scale = 72 / axes.figure.dpi
    bottom, top = (edge * scale for edge in (axes.bbox.y0, axes.bbox.y1))
    wanted = [axes.transData.transform((1, label.xy[1]))[1] * scale for label in labels]
    heights = [_LINE_PT * (1 + label.get_text().count("\n")) for label in labels]
    for label, at, height in zip(labels, wanted, spread_out(wanted, heights, bottom, top), strict=True):
        label.set_position((27, height - at))
        draw_leader(axes, label.get_gid().removeprefix("name:"), height - at, label.xy[1])


def spread_out(wanted: Sequence[float], heights: Sequence[float], bottom: float, top: float) -> list[float]:
    """Middles near the wanted ones (ascending), in the same order, none over another, within the edges.

    The mean of the least that they must rise and the least that they must sink: groups stay centred.
    Where they do not all fit, they go on beyond the top.
    """
    top = max(top, bottom + sum(heights))
    raised = pushed_up(wanted, heights, bottom, top)
    mirrored = pushed_up([-middle for middle in reversed(wanted)], heights[::-1], -top, -bottom)
    return [(up - down) / 2 for up, down in zip(raised, reversed(mirrored), strict=True)]


def pushed_up(wanted: Sequence[float], heights: Sequence[float], bottom: float, top: float) -> list[float]:
    placed, lowest, above = [], bottom, sum(heights)
    for middle, height in zip(wanted, heights, strict=True):
        highest = top - above + height / 2
        placed.append(min(max(middle, lowest + height / 2), highest))
        lowest, above = placed[-1] + height / 2, above - height
    return placed


def draw_leader(axes: Axes, variant: str, rise_pt: float, value: float) -> None:
    """A thin line from the right edge, at the height of the value, to the variant's mark beside its name."""
    where = blended_transform_factory(axes.transAxes, axes.transData)
    at = where + ScaledTranslation(18 / 72, rise_pt / 72, axes.figure.dpi_scale_trans)
    axes.plot([1], [value], transform=at, clip_on=False, zorder=6, gid=f"key:{variant}",
              **mark_style(variant, 6)).pop().set_in_layout(False)  # fmt: skip
    axes.annotate(
        "", (1, value), xytext=(13, rise_pt), xycoords=where, textcoords="offset points",
        annotation_clip=False, arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.6, "shrinkA": 0,
                                           "shrinkB": 0},
    ).set_in_layout(False)  # fmt: skip


def absent_lines(results: pd.DataFrame, frame: pd.DataFrame, found: Mapping[str, Marks]) -> list[str]:
    """``int8: failed: why`` for variants without any mark; with the counts, where only some have none."""
    lines = []
    for row in records_of(results):
        variant = str(row["variant"])
        failed = [r for r in records_of(frame[frame["variant"] == variant]) if failure_of(r)]
        if variant in found:
            lines += [
                f"{variant}, {counts} threads: {reason}" for reason, counts in by_reason(failed).items()
            ]
        else:
            known = row if failure_of(row) else {**dict(*failed[:1]), "reason": "not measured"}
            lines.append(f"{variant}: {missing_text(known)}")
    return lines


def by_reason(failed: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Why -> at how many threads: ``{"failed: no memory": "4, 8"}``."""
    reasons = {missing_text(row): "" for row in failed}
    return {r: ", ".join(str(row["threads"]) for row in failed if missing_text(row) == r) for r in reasons}


def write_notes(axes: Axes, notes: Sequence[str]) -> None:
    """Notes in the lower left corner, below all marks; two lines each where there are few."""
    most = 2 if len(notes) <= _FEW_NOTES else 1
    lines = [line for note in notes for line in textwrap.wrap(note, 42, max_lines=most, placeholder=" …")]
    if not lines:
        return
    low, high = np.log(axes.get_ylim())
    share = min((len(lines) * _LINE_PT + 12) / _AXES_HEIGHT_PT, 0.7)
    axes.set_ylim(np.exp(low - share / (1 - share) * (high - low)), np.exp(high))
    axes.text(
        0.015, 0.02, "\n".join(lines), transform=axes.transAxes, va="bottom", zorder=9,
        fontsize=SMALL_PT, style="italic", gid="absent", in_layout=False,
        bbox={"facecolor": SHADE, "edgecolor": "none", "pad": 2},
    )  # fmt: skip
