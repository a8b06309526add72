"""AP against bits of a weight, a line per kind: what each bit buys."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from helpers.ladder.families import FAMILIES, Family, family_of, keeps_edges, marker_of
from helpers.run.variants import BASELINE
from helpers.show.captions import FOOTER_IN, add_caption, paired_interval
from helpers.show.context import Context
from helpers.show.style import FAINT, GRID, SMALL_PT, LabFigure, new_figure, styled

TICKS = (1, 1.5, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32)
NEAR_POINTS = 3.0  # below float32: what the lower panel shows
EDGES_KEPT = Line2D(
    [], [], label="first and last layers kept", linestyle="none", marker="o", markerfacecolor="white",
    markeredgecolor=FAINT,
)  # fmt: skip
HOW_TO_READ = (
    "Left is smaller, up is more accurate. Each mark is a form at its mean bits of a weight, scales, tables "
    "and padding included, so that kinds are compared at what they really take. Bars are paired intervals of"
    " the difference to float32: all forms saw the same photos, so a bar that ends below the dashed line is "
    "a loss that is shown, and one that crosses it shows none. The lower panel is the upper one's top, "
    "magnified; a form that lies below it is in the upper one alone. Filled black marks have kernels and may"
    " also round activations; all others round weights alone. Hollow marks keep the first and last layers in"
    " float32."
)


@styled
def ap_against_bits(frame: pd.DataFrame, model: str, context: Context) -> LabFigure:
    """AP in points of every form of a model that has one; ``frame``: as ``tables.ladder_frame`` gives it."""
    rows = frame[(frame["model"] == model) & frame["ap"].notna()]
    base = 100 * float(rows.loc[rows["variant"] == BASELINE, "ap"].iloc[0])
    families = by_family(rows)
    figure = new_figure(6.6 + FOOTER_IN)
    whole, near = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1))
    for axes in (whole, near):
        axes.axhline(base, color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=1, gid="float32")
        axes.grid(True, axis="y", color=GRID)
        for family, members in families:
            draw_family(axes, family, members, base)
    span = max(base - float(100 * rows["ap"].min()), 2 * NEAR_POINTS)
    whole.set_ylim(max(base - 1.05 * span, -0.05 * span), base + 0.08 * span)
    near.set_ylim(max(base - NEAR_POINTS, -0.05 * NEAR_POINTS), base + 0.35 * NEAR_POINTS)
    whole.set_ylabel("AP (points)   better →")
    near.set_ylabel(f"AP, within {NEAR_POINTS:g} of float32")
    scale_bits(near, rows.loc[rows["variant"] != BASELINE, "weight_bits"])
    near.set_xlabel("Bits of a weight, side information included   ← smaller")
    add_legend(figure, families, [EDGES_KEPT] if rows["variant"].map(keeps_edges).any() else [])
    text = f"AP of every numeric form of {model} against its bits of a weight. Dashed: float32. "
    return add_caption(figure, text + paired_interval(context) + ", of the difference to float32.", context)


def by_family(rows: pd.DataFrame) -> list[tuple[Family, list[dict]]]:
    """Families that have a form among the rows, float32 aside, each with its rows by bits."""
    entries = [row for row in rows.to_dict("records") if row["variant"] != BASELINE]
    place = {name: number for number, name in enumerate(FAMILIES)}

    def key(row: dict) -> tuple:
        family = family_of(row["variant"])
        return place.get(family.id, len(place)), family.id

    ordered = sorted(entries, key=lambda row: (*key(row), row["weight_bits"]))
    grouped = ((list(members)) for _, members in groupby(ordered, key))
    return [(family_of(members[0]["variant"]), members) for members in grouped]


def draw_family(axes: Axes, family: Family, members: Sequence[dict], base: float) -> None:
    """Marks with intervals, and a line through those that keep no layers."""
    line = [row for row in members if not keeps_edges(row["variant"])]
    style = {"color": family.look.colour, "zorder": 3}
    if family.dash:
        places = [row["weight_bits"] for row in line], [100 * row["ap"] for row in line]
        axes.plot(*places, linestyle=family.dash, linewidth=1.1, alpha=0.8, gid=f"line:{family.id}", **style)
    for row in members:
        bits, ap = row["weight_bits"], 100 * row["ap"]
        # No AP is below 0, though float32's own spread takes the interval of a difference there.
        ends = np.maximum([base + 100 * row["ap_diff_low"], base + 100 * row["ap_diff_high"]], 0)
        if np.isfinite(ends).all():
            axes.plot([bits, bits], ends, linewidth=1.4, gid=f"interval:{row['variant']}", **style)
        axes.plot([bits], [ap], gid=f"value:{row['variant']}", zorder=4, **marker_of(row["variant"]))


def scale_bits(axes: Axes, bits: pd.Series) -> None:
    """A logarithmic axis with the ticks that people name; as it is where there are no forms."""
    if not len(bits):
        return
    low, high = float(bits.min()), float(bits.max())
    axes.set_xscale("log", base=2)
    axes.set_xlim(low / 1.15, max(high, 2 * low) * 1.15)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in TICKS if tick >= low / 1.15]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def add_legend(
    figure: LabFigure, families: Sequence[tuple[Family, list[dict]]], further: Sequence[Line2D]
) -> None:
    """Above the panels; ``families``: as ``by_family`` gives them."""
    handles = []
    for family, members in families:
        plain = next((row["variant"] for row in members if not keeps_edges(row["variant"])), "")
        look = {**marker_of(plain), "linestyle": family.dash or "none"}
        handles.append(Line2D([], [], label=family.title, color=family.look.colour, linewidth=1.1, **look))
    handles += further
    figure.legend(handles=handles, loc="outside upper left", ncols=2, fontsize=SMALL_PT, handlelength=2.4)
