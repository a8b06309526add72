"""One layer's gradient, and what two ways of rounding leave of it."""

import numpy as np
from matplotlib.axes import Axes

from helpers.run.experiment import Run
from helpers.show.captions import FOOTER_IN, add_caption
from helpers.show.context import picture_context
from helpers.show.style import FAINT, SMALL_PT, LabFigure, new_figure, styled
from helpers.training.gradients.backward import outermost, to_grid
from helpers.training.gradients.figure import COLOURS
from helpers.training.gradients.live import LAYER, ROUNDINGS, Live, averaged

BITS = 4
POINTS = 4000
BINS = 121


@styled
def picture(run: Run, live: Live, layer: str = LAYER) -> LabFigure:
    """Left: how the values lie among the levels. Right: what is read back of each, on average."""
    values = live.of(layer).ravel()
    text = (
        f"Gradient at the output of {layer} for one batch of {len(live.of(layer))} photos, at the start of "
        f"training ({values.size:,} values). Left: their distribution; grey lines are the levels of {BITS} "
        f"bits. Right: {POINTS:,} of them, evenly by size, after rounding to nearest and as the mean of "
        f"{ROUNDINGS} stochastic roundings; the spread around the diagonal shrinks with their number."
    )
    figure = new_figure(2.9 + FOOTER_IN)
    left, right = figure.subplots(1, 2)
    levels = np.arange(-int(outermost(BITS)), int(outermost(BITS)) + 1)
    draw_distribution(left, values / step_size(values), levels)
    draw_read_back(right, values)
    return add_caption(figure, text, picture_context(run))


def step_size(values: np.ndarray) -> float:
    return float(np.abs(values).max() / outermost(BITS))


def draw_distribution(axes: Axes, scaled: np.ndarray, levels: np.ndarray) -> None:
    for level in levels:
        axes.axvline(level, color=FAINT, linewidth=0.6, zorder=0)
    axes.hist(scaled, bins=np.linspace(-7.5, 7.5, BINS), color=COLOURS[BITS], log=True, gid="distribution")
    axes.set_xlabel(f"Gradient, in steps of {BITS} bits")
    axes.set_ylabel("Values")
    axes.grid(False)
    axes.set_title("Where the values lie")


def draw_read_back(axes: Axes, values: np.ndarray) -> None:
    order = np.argsort(values)
    chosen = order[np.unique(np.linspace(0, len(order) - 1, POINTS).astype(int))]
    # The extremes are few, and tell most: all of the outermost are drawn.
    chosen = np.unique(np.concatenate([order[:200], chosen, order[-200:]]))
    step, exact = step_size(values), values[chosen]
    nearest = to_grid(values, BITS).numpy()[chosen]
    mean = averaged(values, BITS)[chosen]
    ends = np.array([-7, 7])
    axes.plot(ends, ends, color=FAINT, linewidth=1, zorder=1)
    axes.plot(exact / step, mean / step, ".", color="#0072B2", markersize=2.5, label="stochastic, mean")
    axes.plot(exact / step, nearest / step, "_", color=COLOURS[BITS], markersize=5, label="nearest")
    axes.set_xlabel("Gradient, in steps")
    axes.set_ylabel("Read back, in steps")
    axes.grid(True, axis="y")
    axes.legend(fontsize=SMALL_PT, markerscale=1.6, loc="upper left", handletextpad=0.2)
    axes.set_title("What is read back")
