"""Several machines' runs beside one another: latency and its ratio, and energy with one axis per grade."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from helpers.compare.figures.catalogue import FigureEntry
from helpers.compare.figures.one_row_each import GRADES, by_grade
from helpers.compare.figures.rows_machines import (
    GAP,
    Groups,
    Machine,
    draw_places,
    filled,
    lay_out,
    scale_axis,
    shared_models,
    shown_variants,
    spread_of,
    title_of,
)
from helpers.compare.noise import noise_floor
from helpers.energy.quantities import ENERGY, LATENCY, LATENCY_RATIO
from helpers.lab.quantities import number
from helpers.show.captions import FOOTER_IN, add_caption, level_text, origin_text
from helpers.show.context import known
from helpers.show.rows import padded, records_of, reference_line, span_of
from helpers.show.style import FAINT, INK, SHADE, SMALL_PT, LabFigure, new_figure, styled
from helpers.show.values import failure_of

# Two panels, each with its numbers: the whole width of a page's text.
WIDE_IN = 7.2
ROW_IN, AXIS_IN, LEGEND_LINE_IN = 0.25, 0.9, 0.17
LEGEND_CHARACTERS = 92
BAND = "#cfcfcf"  # darker than other bands: it is a strip of one row's height, behind a line and a mark


@styled
def machines(machines: Sequence[Machine]) -> LabFigure:
    """Latency in ms, and relative to float32 of the same machine, of each variant on each machine.

    Args:
        machines: two or more, the run at hand first.
    """
    rounds = ", ".join(f"{m.letter} {known(m.context, 'rounds')}" for m in machines)
    text = (
        "Left: median latency. Right: its ratio to float32 of the same machine. Interleaved rounds: "
        f"{rounds}. {bars_text(machines)}. Grey: each machine's own noise floor, as far from 1 as the "
        "interval of its control reaches, or as its self-test says, where it was run and says more. "
        f"{origins_text(machines)}"
    )
    models = shared_models(machines)
    counts = [len(shown_variants(machines, model)) for model in models]
    heights = [panel_in([len(machines)] * count) for count in counts]
    figure = framed(machines, heights, text)
    panels = figure.subplots(len(models), 2, squeeze=False, height_ratios=heights)
    for (left, right), model in zip(panels, models, strict=True):
        draw_latency(left, machines, model)
        draw_ratio(right, machines, model)
        left.set_title(model)
    return add_caption(figure, text, machines[-1].context)


@styled
def machines_energy(machines: Sequence[Machine]) -> LabFigure:
    """Energy per image of each variant on each machine: one axis per model and grade.

    Args:
        machines: two or more, the run at hand first.
    """
    meters = ", ".join(f"{m.letter} {known(m.context, 'meter')}" for m in machines)
    text = (
        f"Energy of inference alone, per image; meters: {meters}. Grades never share an axis. Bars: the "
        f"meter's own range and a {level_text(machines[0].context)} percentile bootstrap over rounds. "
        f"{origins_text(machines)}"
    )
    panels = [
        (model, grade, groups)
        for model in shared_models(machines)
        for grade, groups in energy_groups(machines, model).items()
    ]
    heights = [energy_panel_in(grade, groups) for _, grade, groups in panels]
    figure = framed(machines, heights, text)
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, (model, grade, groups) in zip(axes, panels, strict=True):
        draw_energy(panel, groups, grade)
        panel.set_title(model, pad=24)
    return add_caption(figure, text, machines[-1].context)


def bars_text(machines: Sequence[Machine]) -> str:
    """The kind of the intervals; those of ratios may have another level, which each run states."""
    level = machines[0].context.level
    levels = {m.letter: m.context.ratio_level for m in machines}
    wider = ", ".join(f"{letter} {100 * own:g} %" for letter, own in levels.items() if own > level)
    note = f" (of ratios, since rounds could end on their width: {wider})" if wider else ""
    return f"Bars: {level_text(machines[0].context)} intervals over processes{note}"


def origins_text(machines: Sequence[Machine]) -> str:
    """Run, commit and host of every machine; those of the last are appended by the caption."""
    texts = [f"{machine.letter}: {origin_text(machine.context)}" for machine in machines[:-1]]
    return " ".join([*texts, f"{machines[-1].letter}:"])


def panel_in(sizes: Sequence[int]) -> float:
    """Height of a panel with groups of so many rows."""
    return ROW_IN * (sum(sizes) + GAP * len(sizes)) + AXIS_IN


def energy_panel_in(grade: str, groups: Groups) -> float:
    """Room for the grade above; without an axis below where there is no figure."""
    return panel_in([len(entries) for entries in groups.values()]) + (-0.3 if grade == "D" else 0.2)


def framed(machines: Sequence[Machine], heights: Sequence[float], text: str) -> LabFigure:
    """An empty figure with the machines' legend on top."""
    labels = [textwrap.fill(title_of(machine), LEGEND_CHARACTERS) for machine in machines]
    lines = sum(label.count("\n") + 1 for label in labels)
    caption_in = FOOTER_IN
    figure = new_figure(sum(heights) + lines * LEGEND_LINE_IN + 0.15 + caption_in, WIDE_IN)
    handles = [Line2D([], [], **filled("o", INK, place)) for place in range(len(machines))]
    figure.legend(
        handles,
        labels,
        loc="outside upper left",
        labelspacing=0.25,
        borderaxespad=0,
        handletextpad=0.3,
        handlelength=1.4,
    )
    return figure


def all_groups(machines: Sequence[Machine], model: str) -> Groups:
    """Variant -> every machine with its row of the results."""
    return {
        variant: [(machine, machine.row(model, variant)) for machine in machines]
        for variant in shown_variants(machines, model)
    }


def draw_latency(axes: Axes, machines: Sequence[Machine], model: str) -> None:
    groups = all_groups(machines, model)
    quantity = replace(LATENCY, label="Median latency (ms)")
    drawn = draw_places(axes, lay_out(axes, groups), quantity, 24)
    scale_axis(axes, drawn, spread_of(groups, "latency_ms_p50"))


def draw_ratio(axes: Axes, machines: Sequence[Machine], model: str) -> None:
    places = lay_out(axes, all_groups(machines, model), named=False)
    quantity = replace(LATENCY_RATIO, label="Latency / float32 of the same machine\n← faster      slower →")
    drawn, also = draw_places(axes, places, quantity, 24, "reference"), [1.0]
    reference_line(axes, 1)
    floors = {m.letter: noise_floor(m.of_model(model), "latency") for m in machines}
    for y, machine, row in places:
        if floor := floors[machine.letter]:
            key = f"noise-floor:{machine.letter}:{row['variant']}"
            box = (floor.low, y - 0.5), floor.high - floor.low, 1
            axes.add_patch(Rectangle(*box, facecolor=BAND, edgecolor="none", zorder=0.5, gid=key))
            also += [floor.low, floor.high]
    axes.set_xlim(*padded(*span_of(drawn, also), 0.08))


def energy_groups(machines: Sequence[Machine], model: str) -> dict[str, Groups]:
    """Grade -> variant -> machines that have a figure of that grade; in D, one row per machine."""
    found: dict[str, dict[str, list]] = {}
    for machine in machines:
        frame = machine.of_model(model)
        frame = frame[frame["variant"].isin(shown_variants(machines, model))]
        for grade, rows in by_grade(frame) if len(frame) else []:
            entries = records_of(rows)
            named = {str(row["variant"]): row for row in entries}
            if grade == "D":
                name = "all variants" if len(rows) == len(frame) else ", ".join(named)
                named = {name: first_reason(entries)}
            for name, row in named.items():
                found.setdefault(grade, {}).setdefault(name, []).append((machine, row))
    return {grade: found[grade] for grade in sorted(found)}


def first_reason(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first row that gives a reason, its own failure aside."""
    return next((row for row in rows if row.get("reason") and not failure_of(row)), rows[0])


def draw_energy(axes: Axes, groups: Groups, grade: str) -> None:
    joules = [number(row, "energy_j_per_image") for entries in groups.values() for _, row in entries]
    smallest = min((value for value in joules if math.isfinite(value)), default=0.0)
    scale, unit = (1.0, "J") if smallest >= 1 else (1e3, "mJ")
    digits = 2 if smallest * scale < 10 else 1
    quantity = replace(ENERGY, label=f"Energy per image ({unit})", scale=scale, digits=digits)
    drawn = draw_places(axes, lay_out(axes, groups), quantity, 76)
    if drawn:
        scale_axis(axes, drawn, spread_of(groups, "energy_j_per_image"))
    else:
        axes.set_xticks([])
        axes.set_xlabel("")
        axes.spines["bottom"].set_visible(False)
    axes.annotate(
        f"grade {grade}: {GRADES.get(grade, 'unknown')}", (1, 1), xytext=(0, 5), ha="right",
        xycoords="axes fraction", textcoords="offset points", fontsize=SMALL_PT, fontweight="bold",
        gid="grade", color=INK, bbox={"facecolor": SHADE, "edgecolor": FAINT, "pad": 2.5},
    )  # fmt: skip


_ENTRIES = (
    FigureEntry(
        "machines", "Latency beside other machines",
        "Letters and fills tell the machines apart, colours and shapes the variants. On the left, compare "
        "machines; where its axis is logarithmic, equal distances are equal ratios. On the right, compare "
        "what each machine gains: left of the dashed line is faster than its own float32. The grey strips "
        "are its own noise floor. Threads and library versions may differ too: see the notes.",
        machines,
    ),
    FigureEntry(
        "machines_energy", "Energy beside other machines",
        "One axis per grade: figures of two grades are not comparable, so they never share one. Within a "
        "grade, compare intervals, not marks. Two estimates (grade C) differ as their machines' CPU time and "
        "stated power do, and are no evidence of energy beyond that.",
        machines_energy,
    ),
)  # fmt: skip

FIGURES_BESIDE = MappingProxyType({entry.id: entry for entry in _ENTRIES})
