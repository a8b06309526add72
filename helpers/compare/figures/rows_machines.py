"""Rows of several machines: one group per variant, one row per machine, told apart by letter and fill."""

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from helpers.lab.intervals import Interval
from helpers.lab.quantities import Quantity, has_bounds, number
from helpers.run.variants import is_baseline, is_control
from helpers.show.captions import threads_text
from helpers.show.context import Context, known
from helpers.show.rows import (
    missing_text,
    name_lines,
    padded,
    records_of,
    span_of,
    write_missing,
    write_number,
)
from helpers.show.style import FAINT, GRID, SMALL_PT, look_of

GAP = 0.5  # between groups, in rows
LOG_ABOVE = 3.0
# Numbers in each decade of a logarithmic axis that spans fewer decades than that.
TICKS = ((0.8, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)), (1.2, (1.0, 2.0, 5.0)), (2.2, (1.0, 3.0)))
# How a machine's marks are filled, in order; beyond these the letters alone tell them apart.
FILLS = ("full", "none", "bottom", "left", "top", "right")


@dataclass(frozen=True)
class Machine:
    """One machine's run.

    Attributes:
        letter: "A" for the run at hand, "B", "C", ... for those beside it.
        results: one row per model and variant, the control included, as in ``results.csv``.
        context: what captions say of the run, as ``stages.compare.build_context`` gives it.
        host: facts of the machine: cpu, cores, instruction sets, library versions.
    """

    letter: str
    results: pd.DataFrame
    context: Context
    host: Mapping[str, Any]

    @property
    def name(self) -> str:
        """``Intel Xeon Processor (2 cores)``: the processor without its trade marks."""
        return " ".join(re.sub(r"\((?:R|TM|r|tm)\)|®|™", "", known(self.context, "host")).split())

    @property
    def run(self) -> str:
        return known(self.context, "run")

    def of_model(self, model: str) -> pd.DataFrame:
        return self.results[self.results["model"] == model]

    def row(self, model: str, variant: str) -> dict[str, Any]:
        """The variant's row of the results; where there is none, a row that gives that as its reason."""
        frame = self.of_model(model)
        found = records_of(frame[frame["variant"] == variant])
        absent = {"model": model, "variant": variant, "reason": f"not in run {self.run}"}
        return found[0] if found else absent


def title_of(machine: Machine) -> str:
    """``A: Intel Xeon Processor (2 cores), 1 thread, run quick``."""
    return f"{machine.letter}: {machine.name}, {threads_text(machine.context.threads)}, run {machine.run}"


def shared_models(machines: Sequence[Machine]) -> list[str]:
    """Models of the first machine that another has too, in the first one's order."""
    others = {model for machine in machines[1:] for model in machine.results["model"]}
    return [model for model in machines[0].results["model"].unique() if model in others]


def shown_variants(machines: Sequence[Machine], model: str) -> list[str]:
    """The first machine's variants of a model; its control is shown as the noise floor."""
    return [variant for variant in machines[0].of_model(model)["variant"] if not is_control(variant)]


Groups = Mapping[str, Sequence[tuple[Machine, dict[str, Any]]]]
Place = tuple[float, Machine, dict[str, Any]]


def filled(marker: str, colour: str, place: int) -> dict[str, Any]:
    """Marker of the machine at that place: first filled, then hollow, then in part; all of one size."""
    fill = FILLS[place % len(FILLS)]
    face = {"markerfacecolor": colour, "markerfacecoloralt": "white", "fillstyle": fill}
    if fill == "none":
        face = {"markerfacecolor": "white"}
    edge = {"markeredgecolor": colour, "markeredgewidth": 1.3}
    return {"marker": marker, "markersize": 7.0, "linestyle": "none", **edge, **face}


def place_of(machine: Machine) -> int:
    return ord(machine.letter) - ord("A")


def lay_out(axes: Axes, groups: Groups, named: bool = True) -> list[Place]:
    """One row per entry, the first on top, a gap between groups; returns each row's place.

    Args:
        groups: name -> its machines, each with its row of the results.
        named: write the names and letters left of the axis.
    """
    places: list[Place] = []
    centres, y = [], 0.0
    for entries in groups.values():
        centres.append(y + (len(entries) - 1) / 2)
        places += [(y + i, machine, row) for i, (machine, row) in enumerate(entries)]
        y += len(entries) + GAP
        if len(centres) < len(groups):
            axes.axhline(y - (1 + GAP) / 2, color=GRID, linewidth=0.8, zorder=0)
    axes.set_yticks(centres, [name_lines(name) for name in groups] if named else [])
    axes.set_yticks([p[0] for p in places], [p[1].letter if named else "" for p in places], minor=True)
    # A letter at the height of a name is not to be dropped.
    axes.yaxis.remove_overlapping_locs = False
    axes.tick_params(axis="y", which="both", length=0)
    axes.tick_params(axis="y", which="major", pad=18)
    axes.tick_params(axis="y", which="minor", pad=4, labelsize=SMALL_PT, labelcolor=FAINT)
    axes.set_ylim(y - GAP - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    return places


def draw_places(
    axes: Axes, places: Sequence[Place], quantity: Quantity, width: int, reference: str = ""
) -> list[Interval]:
    """Each row's value and interval with its number, or why there is none; returns what was drawn.

    Args:
        width: characters that a reason may take inside the axes.
        reference: what stands beside the baseline in place of its number.
    """
    drawn = []
    for y, machine, row in places:
        interval, variant = quantity.at(row), str(row["variant"])
        if interval is None:
            write_reason(axes, y, row, width, quantity)
            continue
        draw_mark(axes, y, interval, variant, machine)
        write_number(axes, y, (is_baseline(variant) and reference) or short_text(quantity, interval))
        drawn.append(interval)
    axes.set_xlabel(quantity.axis)
    return drawn


def short_text(quantity: Quantity, interval: Interval) -> str:
    """The number with fewer decimals from 100 on, so that slow machines' numbers take no more room."""
    surplus = math.floor(math.log10(max(abs(interval.value), 10))) - 1
    return replace(quantity, digits=max(0, quantity.digits - surplus)).text(interval)


def write_reason(axes: Axes, y: float, row: Mapping[str, Any], width: int, quantity: Quantity) -> None:
    """On one line, shortened; the whole reason stands in the table."""
    text = textwrap.shorten(missing_text(row, quantity), width, placeholder=" …")
    kind, _, reason = text.partition(": ")
    short = {"failed": reason} if kind == "failed" else {"reason": reason}
    write_missing(axes, y, {"variant": row["variant"], **short}, width + 10)


def draw_mark(axes: Axes, y: float, interval: Interval, variant: str, machine: Machine) -> None:
    look, key = look_of(variant), f"{machine.letter}:{variant}"
    if has_bounds(interval):
        axes.plot(
            [interval.low, interval.high], [y, y], color=look.colour, linewidth=1.8, marker="|",
            markersize=11, markeredgewidth=1.4, solid_capstyle="butt", zorder=5, gid=f"interval:{key}",
        )  # fmt: skip
    style = filled(look.marker, look.colour, place_of(machine))
    axes.plot([interval.value], [y], zorder=4, gid=f"value:{key}", **style)


def spread_of(groups: Groups, column: str) -> float:
    """Largest ratio between two machines' values of one variant; 1 where nothing can be compared."""
    values = [[number(row, column) for _, row in entries] for entries in groups.values()]
    positive = [[value for value in of_one if value > 0] for of_one in values]
    return max((max(of_one) / min(of_one) for of_one in positive if of_one), default=1.0)


def scale_axis(axes: Axes, drawn: Sequence[Interval], spread: float) -> None:
    """From zero, so that twice as far is twice as much; logarithmic where machines lie far apart."""
    low, high = span_of(drawn)
    if spread <= LOG_ABOVE or low <= 0:
        axes.set_xlim(0, padded(0, high)[1])
        return
    axes.set_xscale("log")
    margin = (high / low) ** 0.1
    axes.set_xlim(low / margin, high * margin)
    decades = math.log10(high / low)
    ticks = next((marks for most, marks in TICKS if decades < most), (1.0,))
    axes.xaxis.set_major_locator(LogLocator(subs=ticks, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"{axes.get_xlabel()}, logarithmic axis")
