"""Figures with one variant per row: size, memory, ratios of latency, energy."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pandas as pd
from matplotlib.axes import Axes

from helpers.compare.noise import noise_floor
from helpers.energy.quantities import ENERGY, ENERGY_NET, LATENCY_RATIO
from helpers.lab.intervals import Interval
from helpers.lab.quantities import Quantity
from helpers.lab.units import format_bytes
from helpers.run.forms import BASELINES
from helpers.run.variants import baseline_of, is_baseline
from helpers.show.captions import FOOTER_IN, add_caption, level_text, of_the_runtime, ratio_interval
from helpers.show.context import Context, known
from helpers.show.rows import (
    by_model,
    draw_bars,
    draw_rows,
    padded,
    panel_heights_in,
    records_of,
    reference_line,
    span_of,
)
from helpers.show.style import FAINT, INK, SHADE, SMALL_PT, LabFigure, look_of, new_figure, styled

REFERENCE = dict.fromkeys(BASELINES, "reference")
GRADES = {
    "A": "hardware counter of the CPU",
    "B": "counter of the accelerator",
    "C": "estimate, not a measurement",
    "D": "no energy figure",
}


def model_panels(frames: Sequence[pd.DataFrame], caption_length: int) -> tuple[LabFigure, list[Axes]]:
    """A figure with one panel of rows per frame, one above the other."""
    heights = panel_heights_in(frames)
    figure = new_figure(sum(heights) + FOOTER_IN)
    axes = figure.subplots(len(frames), 1, squeeze=False, height_ratios=heights)
    return figure, list(axes[:, 0])


def title_models(axes: Sequence[Axes], models: Sequence[str]) -> None:
    for panel, model in zip(axes, models, strict=True):
        panel.set_title(model, fontsize=10)


def ratio_texts(frame: pd.DataFrame, quantity: Quantity) -> dict[str, str]:
    """``0.90 MB  (0.31×)`` for each variant; the ratio is to the float32 of its runtime."""
    found = {str(row["variant"]): quantity.at(row) for row in records_of(frame)}
    texts = {}
    for variant, interval in found.items():
        base = found.get(baseline_of(variant))
        ratio = f"  ({interval.value / base.value:.2f}×)" if interval and base and base.value else ""
        amount = amount_text(quantity, interval) if interval else ""
        texts[variant] = amount + ratio * (not is_baseline(variant))
    return texts


def amount_text(quantity: Quantity, interval: Interval) -> str:
    """The number without bounds; bytes with the unit that suits them."""
    if quantity.id.endswith("_bytes"):
        return format_bytes(interval.value / quantity.scale)
    return replace(quantity, bounds="").text(interval)


def bar_figure(results: pd.DataFrame, context: Context, quantity: Quantity, text: str) -> LabFigure:
    models, frames = zip(*by_model(results), strict=True)
    figure, axes = model_panels(frames, len(text) + 120)
    for panel, frame in zip(axes, frames, strict=True):
        draw_bars(panel, frame, quantity, ratio_texts(frame, quantity))
    title_models(axes, models)
    return add_caption(figure, text, context)


@styled
def bars(results: pd.DataFrame, context: Context, quantity: Quantity) -> LabFigure:
    """A bar per variant of a quantity that has a ``caption``."""
    unknown = {name: "the" for name in ("memory_probes",) if known(context, name) == "unknown"}
    return bar_figure(results, context, quantity, quantity.caption.format_map({**vars(context), **unknown}))


@styled
def latency_ratio(results: pd.DataFrame, context: Context) -> LabFigure:
    """Latency of each variant relative to float32 of its runtime, over the noise floor that controls show."""
    text = (
        f"Ratio of latency to float32{of_the_runtime(results)}, of the fastest inference of each visit. "
        f"{ratio_interval(context)}. "
        "Grey band: noise floor, as far from 1 as the interval of the control (float32 timed twice) reaches, "
        "or as the self-test says, where it was run and says more."
    )
    models, frames = zip(*by_model(results), strict=True)
    figure, axes = model_panels(frames, len(text) + 120)
    for panel, frame in zip(axes, frames, strict=True):
        draw_latency_ratio(panel, frame)
    title_models(axes, models)
    return add_caption(figure, text, context)


def draw_latency_ratio(axes: Axes, frame: pd.DataFrame) -> None:
    drawn, floor = draw_rows(axes, frame, LATENCY_RATIO, notes=REFERENCE), noise_floor(frame, "latency")
    reference_line(axes, 1)
    draw_runtimes(axes, frame)
    also = [1.0]
    if floor:
        axes.axvspan(floor.low, floor.high, color=SHADE, zorder=0, gid="noise-floor")
        also += [floor.low, floor.high]
    axes.set_xlim(*padded(*span_of(drawn, also)))


def draw_runtimes(axes: Axes, frame: pd.DataFrame) -> None:
    """A line between the rows of one runtime and those of the next; each is held against its own float32."""
    names = [str(row.get("runtime")) for row in records_of(frame)]
    for place, (above, below) in enumerate(pairwise(names)):
        if above != below:
            axes.axhline(place + 0.5, color=FAINT, linewidth=0.8, zorder=0, gid=f"runtime:{below}")


@styled
def energy(results: pd.DataFrame, context: Context) -> LabFigure:
    """Energy per image with its grade; figures of different grades never share an axis."""
    groups = [(model, grade, rows) for model, frame in by_model(results) for grade, rows in by_grade(frame)]
    meter = context.meter_sentence or f"Meter: {known(context, 'meter')}."
    bars = f"Bars: the meter's own range and a {level_text(context)} percentile bootstrap over rounds"
    net = " Small mark below: net, less idle power x time." if has_net(results) else ""
    text = f"Energy of inference alone, per image. {meter} {bars}.{net}"
    figure, axes = model_panels([rows for _, _, rows in groups], len(text) + 120)
    for panel, (model, grade, rows) in zip(axes, groups, strict=True):
        draw_energy(panel, rows, grade)
        panel.set_title(model, pad=24)
    return add_caption(figure, text, context)


def has_net(frame: pd.DataFrame) -> bool:
    return "energy_net_j" in frame and bool(frame["energy_net_j"].notna().any())


def by_grade(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Rows by grade; a variant without a figure stands with the first grade that the model has."""
    grades = frame["energy_grade"].where(frame["energy_j_per_image"].notna())
    present = sorted(grades.dropna().unique())
    if not present:
        return [("D", frame)]
    failed = frame["failed"].fillna("").astype(str).str.strip() != ""
    # A meter that has a grade and gave no figure of a variant is no other meter.
    missed = grades.isna() & (failed | frame["energy_grade"].isin(present))
    filled = grades.mask(missed, present[0]).fillna("D")
    return [(str(grade), frame[filled == grade]) for grade in sorted(filled.unique())]


def draw_energy(axes: Axes, frame: pd.DataFrame, grade: str) -> None:
    scale, unit = (1.0, "J") if frame["energy_j_per_image"].max() >= 1 else (1e3, "mJ")
    digits = 2 if frame["energy_j_per_image"].max() * scale < 10 else 1
    quantity = replace(ENERGY, label=f"Energy per image ({unit})", scale=scale, digits=digits)
    drawn = draw_rows(axes, frame, quantity)
    drawn += draw_net(axes, frame, scale) if has_net(frame) else []
    axes.set_xlim(0, padded(*span_of(drawn, [0]))[1])
    axes.annotate(
        f"grade {grade}: {GRADES.get(grade, 'unknown')}",
        (1, 1),
        xytext=(0, 5),
        ha="right",
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=SMALL_PT,
        fontweight="bold",
        gid="grade",
        color=INK,
        bbox={"facecolor": SHADE, "edgecolor": FAINT, "pad": 2.5},
    )
    if not drawn:
        axes.set_xticks([])


def draw_net(axes: Axes, frame: pd.DataFrame, scale: float) -> list[Interval]:
    """Energy less idle power x time: a small open mark below each variant's, with its interval."""
    quantity = replace(ENERGY_NET, scale=scale)
    found = [(place, row, quantity.at(row)) for place, row in enumerate(records_of(frame))]
    for place, row, net in found:
        if net is not None:
            look, y = look_of(str(row["variant"])), place + 0.27
            axes.plot([net.low, net.high], [y, y], color=look.colour, linewidth=1.2, zorder=3)
            style = look.marker_style() | {"markerfacecolor": "white", "markersize": 4.5}
            axes.plot([net.value], [y], zorder=4, gid=f"net:{row['variant']}", **style)
    return [net for _, _, net in found if net is not None]
