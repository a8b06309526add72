"""The distribution of latency: every timed inference, not only its median."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes

from helpers.energy.quantities import LATENCY
from helpers.show.captions import FOOTER_IN, add_caption, rounds_text, threads_text
from helpers.show.context import Context
from helpers.show.rows import by_model, variant_rows, write_missing, write_number
from helpers.show.style import INK, LabFigure, look_of, new_figure, styled
from helpers.show.values import reason_for

_ROW_IN = 0.62
_MOST_POINTS = 400
_HILL, _GRID = 0.5, 300  # height of a hill in rows; points that it is drawn through
# p99 may lie this many interquartile ranges above the third quartile before it leaves the axis.
_REACH_IQR = 12


@styled
def latency_distribution(results: pd.DataFrame, latency_samples: pd.DataFrame, context: Context) -> LabFigure:
    """Distribution of latency per variant, control included; warm-ups left out."""
    text = (
        f"Each timed inference of {rounds_text(context)}, "
        f"{threads_text(context.threads)}; warm-ups left out. Hill: density. Dots: samples (at most "
        f"{_MOST_POINTS} drawn). Tick: median (p50). Triangle: p99. Samples beyond the axis "
        "are counted on the right."
    )
    groups = by_model(results)
    heights = [_ROW_IN * len(frame) + 0.72 for _, frame in groups]
    figure = new_figure(sum(heights) + FOOTER_IN)
    axes = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, (model, frame) in zip(axes, groups, strict=True):
        draw_model(panel, frame, samples_of(latency_samples, model))
        panel.set_title(model)
    return add_caption(figure, text, context)


def samples_of(latency_samples: pd.DataFrame, model: str) -> dict[str, np.ndarray]:
    """Timed latencies in ms of each variant of a model, warm-ups and empty cells left out."""
    timed = latency_samples[~latency_samples["warmup"].astype(bool) & (latency_samples["model"] == model)]
    timed = timed.dropna(subset="latency_ms")
    return {str(variant): rows["latency_ms"].to_numpy(float) for variant, rows in timed.groupby("variant")}


def axis_range(samples: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """From the fastest sample to the slowest p99 that is not far out: a long tail does not stretch it."""
    highest = 0.0
    for values in samples.values():
        quarter, three_quarters, p99 = np.quantile(values, [0.25, 0.75, 0.99])
        reach = three_quarters + _REACH_IQR * max(three_quarters - quarter, 0.005 * three_quarters)
        highest = max(highest, min(float(values.max()), 1.02 * float(p99), float(reach)))
    lowest = min(float(values.min()) for values in samples.values())
    return lowest - 0.03 * (highest - lowest), highest + 0.05 * (highest - lowest)


def draw_model(axes: Axes, frame: pd.DataFrame, samples: Mapping[str, np.ndarray]) -> None:
    left, right = axis_range(samples) if samples else (0.0, 1.0)
    for y, row in variant_rows(axes, frame):
        values = samples.get(str(row["variant"]))
        if values is None or was_given_up(row):
            write_missing(axes, y, {"reason": "no samples", **row}, quantity=LATENCY)
            continue
        draw_hill(axes, y, values[values <= right], str(row["variant"]))
        draw_dots(axes, y, values, str(row["variant"]))
        mark_quantiles(axes, y, values, right)
    axes.set_xlim(left, right)
    axes.set_ylim(len(frame) - 0.55, -0.75)
    axes.set_xlabel("Latency of one inference (ms)")
    axes.set_ylabel("")


def was_given_up(row: Mapping[str, Any]) -> bool:
    """Whether a variant has no median for a reason: the samples before it failed are no distribution."""
    return bool(reason_for(row, LATENCY)) and LATENCY.at(row) is None


def bandwidth(values: np.ndarray) -> float:
    """Silverman's (1986) robust rule, as the factor of the standard deviation that seaborn takes.

    Its default is that deviation's, which a long tail widens until the hill is smooth and two are one.
    """
    deviation, reach = values.std(), np.ptp(values)
    if not reach:
        return 1.0
    spread = min(deviation, np.subtract(*np.quantile(values, [0.75, 0.25])) / 1.34) or deviation
    return float(max(0.9 * spread * len(values) ** -0.2, 1.5 * reach / _GRID) / deviation)


def draw_hill(axes: Axes, y: float, values: np.ndarray, variant_id: str) -> None:
    """Half a violin above the row's middle, from the fastest sample to the slowest: none took less time."""
    look = look_of(variant_id)
    seaborn.violinplot(
        x=values, y=np.full(len(values), y - 0.08 - _HILL / 2), ax=axes, orient="y", native_scale=True,
        split=True, width=_HILL, cut=0, inner=None, density_norm="width", gridsize=_GRID,
        bw_method=bandwidth(values), linewidth=1.1, linecolor=look.colour, saturation=1,
        color="white" if look.hollow else look.colour, alpha=None if look.hollow else 0.75, zorder=3,
        gid=f"density:{variant_id}",
    )  # fmt: skip


def draw_dots(axes: Axes, y: float, values: np.ndarray, variant_id: str) -> None:
    look = look_of(variant_id)
    drawn = np.random.default_rng(0).permutation(values)[:_MOST_POINTS]
    with same_jitter():
        seaborn.stripplot(
            x=drawn, y=np.full(len(drawn), y + 0.2), ax=axes, orient="y", native_scale=True, jitter=0.1,
            size=2, linewidth=0.4, color=look.colour, edgecolor=look.colour, alpha=0.55, zorder=2,
            facecolors="none" if look.hollow else look.colour, gid=f"samples:{variant_id}", rasterized=True,
        )  # fmt: skip


@contextlib.contextmanager
def same_jitter() -> Iterator[None]:
    """So that equal input gives equal bytes: seaborn jitters by NumPy's global state, which is put back."""
    before = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(before)


def mark_quantiles(axes: Axes, y: float, values: np.ndarray, right: float) -> None:
    p50, p99 = np.quantile(values, [0.5, 0.99])
    axes.plot([p50, p50], [y - 0.1, y + 0.34], color=INK, linewidth=1.8, zorder=6)
    axes.plot([p50, p50], [y - 0.1, y + 0.34], color="white", linewidth=3.6, zorder=5)
    if p99 < right:
        style = {"marker": "v", "markersize": 6, "markeredgecolor": "white", "markeredgewidth": 0.5}
        axes.plot([p99], [y + 0.02], color=INK, linestyle="none", zorder=6, clip_on=False, **style)
    write_number(axes, y, f"p50 {p50:.2f}\np99 {p99:.2f}{tail_text(values, right)}")


def tail_text(values: np.ndarray, right: float) -> str:
    """How many samples lie beyond the axis, and how far they go."""
    beyond = values[values > right]
    return f"\n{beyond.size} beyond, to {beyond.max():.1f}" if beyond.size else ""
