"""One layer's gradient, and what two ways of rounding leave of it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import StrMethodFormatter

from helpers.run.experiment import Run
from helpers.show.captions import FOOTER_IN, add_caption
from helpers.show.context import picture_context
from helpers.show.style import FAINT, GRID, SMALL_PT, LabFigure, new_figure, styled
from helpers.training.gradients.backward import outermost, to_grid
from helpers.training.gradients.curves import COLOURS
from helpers.training.gradients.live import LAYER, ROUNDINGS, Live, averaged

BITS = 4
POINTS = 600
SHOWN_STEPS = 2.6
BINS = 121


@styled
def picture(run: Run, live: Live, layer: str = LAYER) -> LabFigure:
    """Left: how the values lie among the levels. Right: what is read back of each, on average."""
    values = live.of(layer).ravel()
    text = (
        f"Gradient at the output of {layer} for one batch of {len(live.of(layer))} photos, at the start of "
        f"training ({values.size:,} values). Left: their distribution; grey lines are the levels of {BITS} "
        f"bits. Right: some of the values in the middle, rounded to nearest and as the mean of {ROUNDINGS} "
        "stochastic roundings; the spread around the diagonal shrinks with the number of roundings."
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
        axes.axvline(level, color=GRID, linewidth=0.8, zorder=0)
    axes.hist(scaled, bins=np.linspace(-7.5, 7.5, BINS), color=COLOURS[BITS], log=True, gid="distribution")
    axes.set_xlabel("Gradient, in steps")
    axes.set_ylabel("Values")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.grid(False)
    axes.set_title("Distribution")


def draw_read_back(axes: Axes, values: np.ndarray) -> None:
    step = step_size(values)
    near = np.flatnonzero(np.abs(values) < SHOWN_STEPS * step)
    order = near[np.argsort(values[near])]
    # Evenly along the axis, not by number: nearly all values lie at 0.
    wanted = np.linspace(-SHOWN_STEPS, SHOWN_STEPS, POINTS) * step
    chosen = order[np.unique(np.searchsorted(values[order], wanted).clip(0, len(order) - 1))]
    exact, mean = values[chosen], averaged(values, BITS)[chosen]
    nearest = to_grid(values, BITS).numpy()[chosen]
    ends = np.array([-SHOWN_STEPS, SHOWN_STEPS])
    axes.plot(ends, ends, color=FAINT, linewidth=1, zorder=1)
    axes.plot(exact / step, mean / step, ".", color="#0072B2", markersize=3.5, label=f"mean of {ROUNDINGS}")
    axes.plot(exact / step, nearest / step, "_", color=COLOURS[BITS], markersize=5, label="nearest")
    axes.set_xlabel("Gradient, in steps")
    axes.set_ylabel("Read back, in steps")
    axes.set_xticks(range(-int(SHOWN_STEPS), int(SHOWN_STEPS) + 1))
    axes.set_yticks(range(-int(SHOWN_STEPS), int(SHOWN_STEPS) + 1))
    axes.grid(True, axis="y")
    axes.legend(fontsize=SMALL_PT, markerscale=1.5, loc="lower right", handletextpad=0.1, borderaxespad=0)
    axes.set_title("After rounding")
