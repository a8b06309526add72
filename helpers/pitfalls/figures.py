"""Two pictures of the failure gallery: scores that an int8 tensor loses, and what a core gets of a photo."""

from collections.abc import Mapping

import numpy as np
from matplotlib.ticker import StrMethodFormatter

from helpers.show.captions import FOOTER_IN, add_caption
from helpers.show.context import Context
from helpers.show.style import SMALL_PT, WIDTH_IN, LabFigure, new_figure, styled

# Lines differ in dash and width as well as in colour: the float32 one lies below the int8 one.
LINES = (
    {"color": "#000000", "linewidth": 3.5, "alpha": 0.35},
    {"color": "#0072B2", "linewidth": 1.4},
    {"color": "#D55E00", "linewidth": 2.4, "linestyle": (0, (4, 2))},
)
DRAWN = 2000  # places that are drawn of each ranking, evenly on the logarithmic axis


@styled
def ranked_scores(scores: Mapping[str, np.ndarray], photos: int, context: Context) -> LabFigure:
    """Scores by their place, one line per core.

    Args:
        scores: core -> scores 0..1 of all anchors and classes, best first; at most three cores.
        photos: how many photos they are of.
        context: as for every figure.
    """
    text = f"Scores of all anchors and classes on {photos} photos, best first; before suppression."
    figure = new_figure(2.7 + FOOTER_IN)
    axes = figure.subplots()
    for (name, values), line in zip(scores.items(), LINES, strict=False):
        places = np.unique(np.geomspace(1, len(values), DRAWN).astype(int))
        axes.plot(places, values[places - 1], label=name, gid=f"scores:{name}", **line)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel("Place by score")
    axes.set_ylabel("Score")
    axes.set_ylim(-0.03, 1)
    axes.legend()
    return add_caption(figure, text, context)


@styled
def core_inputs(inputs: Mapping[str, np.ndarray], ends: tuple[float, float], context: Context) -> LabFigure:
    """What a core gets of one photo, in the colours for which it would take it.

    Args:
        inputs: way of preparing -> float ``[H, W, 3]``.
        ends: the values that stand for black and for white in what the network was trained on.
        context: as for every figure.
    """
    low, high = ends
    text = (
        "One photo, as the core gets it. Drawn as a network reads it that was trained on values from "
        f"{low:.3g} (black) to {high:.3g} (white)."
    ).replace("-", "−")
    height, width = next(iter(inputs.values())).shape[:2]
    panel_in = WIDTH_IN / len(inputs) * height / width
    figure = new_figure(panel_in + 0.35 + FOOTER_IN)
    for panel, (name, values) in zip(figure.subplots(1, len(inputs)), inputs.items(), strict=True):
        panel.imshow(np.clip((values - low) / (high - low), 0, 1))
        panel.set_title(name, fontsize=SMALL_PT, loc="center", weight="normal")
        panel.set_axis_off()
    return add_caption(figure, text, context)
