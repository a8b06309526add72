"""What granularity, range, levels and training buy: every pair of every claim, with its interval."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from helpers.compare.verdict import NOTHING_FOUND
from helpers.ladder.claims import NOTHING, Answer, Claim
from helpers.ladder.families import family_of, marker_of
from helpers.show.captions import FOOTER_IN, add_caption, paired_interval
from helpers.show.context import Context
from helpers.show.rows import reference_line
from helpers.show.style import INK, SHADE, SMALL_PT, LabFigure, new_figure, styled

ROW_IN = 0.19
TICKS = (-30, -10, -3, -1, 0, 1, 3, 10, 30)
LINEAR_POINTS = 1.0  # the axis is linear within, logarithmic beyond
HOW_TO_READ = (
    "Each mark is the AP of the first form less that of the second, on the same photos. Right of the dashed "
    "line the first is better. A bar that crosses the line shows neither. Where a claim is that something "
    "costs nothing, the grey band holds the losses that the margin accepts: within it by its whole bar is "
    "yes. The axis is linear within ±1 point and logarithmic beyond. Mind the bits of the two, which the "
    "table gives: a difference is a gain only where they are about equal."
)


@styled
def gains(found: Sequence[Answer], model: str, margin_points: float, context: Context) -> LabFigure:
    """A row per pair, below a heading per claim."""
    shown = shown_pairs(found)
    groups = [(claim, list(own)) for claim, own in groupby(shown, lambda answer: answer.claim)]
    lines = len(shown) + len(groups)
    figure = new_figure(ROW_IN * lines + 0.7 + FOOTER_IN)
    axes = figure.subplots()
    place, ticks = float(lines), {}
    for claim, own in groups:
        place -= 1
        write_heading(axes, claim.sentence, place)
        top = place - 0.5
        for answer in own:
            place -= 1
            draw_answer(axes, answer, place)
            ticks[place] = pair_text(claim, answer)
        if claim.costs_nothing:
            band = {"color": SHADE, "linewidth": 0, "zorder": 0}
            axes.fill_between([-margin_points, 0], place - 0.5, top, **band)
    reference_line(axes, 0)
    scale_points(axes)
    axes.set_yticks(list(ticks), list(ticks.values()), fontsize=SMALL_PT - 1)
    axes.set_ylim(-0.7, max(lines, 1) - 0.3)
    axes.set_xlabel("ΔAP (points)   the first is better →")
    text = (
        f"Pairs of numeric forms of {model}: AP of the first less that of the second; “uniform-” is left out "
        "of names. Pairs of which both find next to nothing are not drawn. "
    )
    return add_caption(figure, text + paired_interval(context) + ".", context)


def shown_pairs(found: Sequence[Answer]) -> list[Answer]:
    return [answer for answer in found if answer.answer not in (NOTHING, NOTHING_FOUND)]


def write_heading(axes: Axes, text: str, place: float) -> None:
    """Over the whole width, since sentences are longer than the axes."""
    whole = ("figure fraction", "data")
    style = {"fontsize": SMALL_PT, "weight": "bold", "color": INK, "va": "center", "zorder": 5}
    axes.annotate(text, (0.01, place), xycoords=whole, annotation_clip=False, **style).set_in_layout(False)


def scale_points(axes: Axes) -> None:
    low, high = axes.get_xlim()
    axes.set_xscale("symlog", linthresh=LINEAR_POINTS, linscale=0.8)
    axes.set_xlim(min(1.2 * low, -1), max(1.2 * high, 1))
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in TICKS if low <= tick <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))


def pair_text(claim: Claim, answer: Answer) -> str:
    pair = [answer.form] if claim.costs_nothing else [answer.form, answer.other]
    return " − ".join(form.removeprefix("uniform-") for form in pair)


def draw_answer(axes: Axes, answer: Answer, place: float) -> None:
    difference, colour = answer.difference, family_of(answer.form).look.colour
    ends = [difference.low, difference.high]
    if np.isfinite(ends).all():
        axes.plot(ends, [place, place], color=colour, linewidth=1.6, gid=f"interval:{answer.form}")
    axes.plot([difference.value], [place], gid=f"value:{answer.form}", **marker_of(answer.form, 6))
