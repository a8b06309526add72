"""Signal to noise of the weights against bits, with what theory says of it."""

import functools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy.stats import norm

from helpers.ladder.families import keeps_edges, marker_of
from helpers.ladder.figures.bits import add_legend, by_family, scale_bits
from helpers.show.captions import FOOTER_IN, add_caption
from helpers.show.context import Context
from helpers.show.style import FAINT, INK, LabFigure, new_figure, styled

DB_PER_BIT = 20 * np.log10(2)  # 6.02
SPAN_BITS = (1.0, 16.0)  # where no form has any noise
MOST_DB = 80.0  # above it an error moves no AP
HOW_TO_READ = (
    "Up is less noise. Equal steps have 6 dB for each bit (dashed: also the least noise that any code could "
    "have for a Gaussian source of one variance). Dotted is Lloyd and Max's quantizer for that source: the "
    "best that scalar levels can do, if every weight came from one Gaussian. Weights do not: channels differ"
    " in size, so that a scale per channel or block may lie above the dotted line, and tails are heavy, so "
    "that a scale per layer lies below it. Noise is not AP: equal dB cost more where the layer is sensitive."
)


@functools.cache
def lloyd_max_db(levels: int) -> float:
    """Signal to noise in dB of the best scalar quantizer of a Gaussian with that many levels (Max 1960,
    doi:10.1109/TIT.1960.1057548; Lloyd 1982, doi:10.1109/TIT.1982.1056489), by their fixed point."""
    values = norm.ppf((np.arange(levels) + 0.5) / levels)
    for _ in range(20_000):
        edges = np.concatenate([[-np.inf], (values[1:] + values[:-1]) / 2, [np.inf]])
        mass = np.diff(norm.cdf(edges))
        means = -np.diff(norm.pdf(edges)) / mass
        if np.abs(means - values).max() < 1e-10:
            break
        values = means
    # Of a centroid quantizer the noise is the variance less that of the levels.
    return float(-10 * np.log10(1 - np.sum(mass * means**2)))


@styled
def noise_against_bits(frame: pd.DataFrame, model: str, context: Context) -> LabFigure:
    """SQNR of all quantized weights of a model, by form; ``frame``: as ``tables.ladder_frame`` gives it."""
    own = (frame["model"] == model) & frame["sqnr_db"].notna() & ~frame["variant"].map(keeps_edges)
    rows = frame[own & (frame["sqnr_db"] < MOST_DB)]
    figure = new_figure(4.6 + FOOTER_IN)
    axes = figure.subplots()
    families = by_family(rows)
    for family, members in families:
        style = {"color": family.look.colour, "linewidth": 1.1, "alpha": 0.8}
        if family.dash:
            places = [row["weight_bits"] for row in members], [row["sqnr_db"] for row in members]
            axes.plot(*places, linestyle=family.dash, gid=f"line:{family.id}", **style)
        for row in members:
            place = [row["weight_bits"]], [row["sqnr_db"]]
            axes.plot(*place, gid=f"value:{row['variant']}", zorder=4, **marker_of(row["variant"]))
    scale_bits(axes, rows["weight_bits"] if len(rows) else pd.Series(SPAN_BITS))
    axes.set_xlabel("Bits of a weight, side information included   ← smaller")
    axes.set_ylabel("Signal to noise (dB)   better →")
    axes.grid(True, axis="y")
    add_legend(figure, families, draw_theory(axes))
    text = (
        f"All quantized weights of {model} against float32's, each form once; exact. Dashed: 6.02 dB a bit. "
        "Dotted: Lloyd and Max's quantizer for a Gaussian, 2 to 256 levels."
    )
    return add_caption(figure, text, context)


def draw_theory(axes: Axes) -> list[Line2D]:
    """The two lines; returned for a legend."""
    low, high = axes.get_xlim()
    bits = np.geomspace(low, min(high, MOST_DB / DB_PER_BIT), 50)
    dashed = {"color": FAINT, "linewidth": 1, "linestyle": (0, (4, 3)), "zorder": 1, "label": "6 dB a bit"}
    dotted = {"color": INK, "linewidth": 1, "linestyle": ":", "zorder": 2, "label": "Lloyd and Max"}
    best = {n: lloyd_max_db(2**n) for n in range(1, 9)}
    lines = axes.plot(bits, DB_PER_BIT * bits, gid="6 dB", **dashed)
    lines += axes.plot(list(best), list(best.values()), gid="Lloyd-Max", **dotted)
    axes.set_xlim(low, high)
    return lines
