"""One channel's weights, and below them the levels to which each kind of quantization moves them."""

import numpy as np
from matplotlib.axes import Axes

from helpers.ladder.families import family_of
from helpers.ladder.one_tensor import OneTensor
from helpers.show.captions import FOOTER_IN, add_caption
from helpers.show.context import Context
from helpers.show.style import FAINT, INK, SMALL_PT, LabFigure, new_figure, styled

BINS = 60
ROW_IN, TOP_IN = 0.27, 1.3
HOW_TO_READ = (
    "The hill is the weights as they are. Each row has a line at every level that the kind uses in this "
    "channel, the higher the more weights go there. Equal steps lie evenly; a scale per layer puts most of "
    "them where this channel has no weights; powers of two and floats crowd around zero, where most weights "
    "are; a codebook puts levels where the weights of the layer are; a scale per block has levels of its own"
    " for every 32 weights. The numbers are bits of a weight in this layer, and signal to noise in this "
    "channel."
)


@styled
def levels_of_kinds(opened: OneTensor, context: Context) -> LabFigure:
    """A histogram, and a row per kind."""
    kinds = list(opened.kept)
    figure = new_figure(TOP_IN + ROW_IN * len(kinds) + 0.5 + FOOTER_IN)
    heights = (TOP_IN, ROW_IN * len(kinds))
    hill, rows = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    hill.hist(opened.weights, BINS, color=FAINT, gid="weights")
    hill.set_ylabel("Weights")
    hill.grid(False)
    for place, kind in enumerate(kinds):
        draw_levels(rows, opened, kind, len(kinds) - 1 - place)
    rows.set_yticks(np.arange(len(kinds)) + 0.25, kinds[::-1], fontsize=SMALL_PT)
    rows.tick_params(axis="y", length=0)
    rows.set_ylim(-0.3, len(kinds) - 0.05)
    rows.grid(False)
    rows.set_xlabel(f"Weight, channel {opened.channel} of {opened.layer}")
    text = (
        f"The {len(opened.weights)} weights of one output channel of {opened.model}, layer {opened.layer}, "
        "and the levels to which each kind moves them. Height of a line: share of the weights, square root."
    )
    return add_caption(figure, text, context)


def draw_levels(axes: Axes, opened: OneTensor, kind: str, height: float) -> None:
    levels, counts = np.unique(opened.kept[kind], return_counts=True)
    tall = 0.12 + 0.66 * np.sqrt(counts / counts.max())
    axes.vlines(
        levels, height, height + tall, color=family_of(kind).look.colour, linewidth=1.2, gid=f"levels:{kind}"
    )
    axes.axhline(height, color=FAINT, linewidth=0.4, zorder=0)
    text = f"{opened.bits[kind]:.2f} bits, {opened.noise_db(kind):.1f} dB"
    style = {"fontsize": SMALL_PT - 1, "color": INK, "va": "bottom", "ha": "left"}
    axes.annotate(text, (1.01, height), xycoords=("axes fraction", "data"), annotation_clip=False, **style)
