"""Why stochastic rounding matters, in one figure: what is learned, and what rounding does to gradients."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from helpers.show.captions import FOOTER_IN, add_caption
from helpers.show.context import Context
from helpers.show.style import FAINT, INK, LabFigure, new_figure, styled
from helpers.training.gradients.forms import FORMS, STOCHASTIC, Form
from helpers.training.gradients.records import Trained

# Bits have a colour (Okabe and Ito), the way of rounding a dash and a filling.
COLOURS = MappingProxyType({0: "#000000", 8: "#0072B2", 4: "#D55E00", 3: "#CC79A7", 2: "#009E73"})
MARKERS = MappingProxyType({0: "o", 8: "s", 4: "D", 3: "v", 2: "^"})
VANISHED = MappingProxyType({"color": FAINT, "marker": "|", "markersize": 11, "markeredgewidth": 1.6})
ERROR = MappingProxyType({"color": FAINT, "marker": "x", "markersize": 5.5, "markeredgewidth": 1.4})
HEIGHT_IN = 5.6
BAND = 0.15


def look(form: Form) -> dict[str, Any]:
    """Keywords for ``Axes.plot``."""
    filled = form.way == STOCHASTIC or not form.bits
    colour = COLOURS[form.bits]
    return {
        "color": colour,
        "marker": MARKERS[form.bits],
        "markersize": 4.5,
        "markerfacecolor": colour if filled else "white",
        "linestyle": "-" if filled else (0, (4, 2)),
        "linewidth": 1.5,
    }


def by_form(trained: Sequence[Trained]) -> dict[Form, list[Trained]]:
    """In the order of the forms; those that were not trained are not there."""
    found = {form: [each for each in trained if each.form == form.id] for form in FORMS.values()}
    return {form: each for form, each in found.items() if each}


def held_out(trained: Sequence[Trained]) -> tuple[np.ndarray, np.ndarray]:
    """Steps ``[T]``, and the held-out loss of every seed there ``[seeds, T]``; all of one schedule."""
    steps = np.array([loss.step for loss in trained[0].held_out])
    return steps, np.array([[loss.total for loss in each.held_out] for each in trained])


def looks(trained: Sequence[Trained], name: str) -> np.ndarray:
    """A field of ``Rounding``, ``[seeds]``: mean over the looks of a training, until it overflowed."""
    found = [[look for look in each.rounding if math.isfinite(look.bias)] for each in trained]
    return np.array([np.mean([getattr(look, name) for look in each]) for each in found])


def seeds_text(trained: Sequence[Trained]) -> str:
    """``3 seeds``; ``2 to 3 seeds`` where forms have different numbers of them."""
    counts = {len(each) for each in by_form(trained).values()}
    least, most = min(counts), max(counts)
    return f"{most} seed{'s' if most > 1 else ''}" if least == most else f"{least} to {most} seeds"


def titled(form: Form, trained: Sequence[Trained]) -> str:
    """The form's title; of one that never learned, why."""
    return f"{form.title}\n(overflows)" if all(each.overflowed for each in trained) else form.title


@styled
def picture(trained: Sequence[Trained], context: Context) -> LabFigure:
    """Held-out loss against steps, and below it what rounding lost; a sentence where nothing is trained."""
    figure = new_figure((HEIGHT_IN if trained else 1) + FOOTER_IN)
    if not trained:
        figure.text(0.5, 0.5, "Nothing is trained with gradients in few bits yet.", ha="center", color=FAINT)
        return add_caption(figure, "", context)
    schedule = trained[0].schedule
    above, below = figure.subplots(2, 1, height_ratios=[1.5, 1])
    draw_losses(above, trained)
    draw_rounding(below, trained)
    text = (
        f"The embedded detector, trained from scratch for {schedule.steps} steps of {schedule.batch} "
        "synthetic photos, with gradients rounded at the output of every convolution. Above: loss on "
        f"{schedule.held_out} photos not learned from; n = {seeds_text(trained)}: lines are "
        "their mean, bands reach from the smallest to the largest. Below: part of the gradient's size that "
        "is lost on average (in the form's colour), values other than zero that became zero, and length of "
        "the error against the gradient's; means over the convolutions and over the looks during training, "
        "bars from the smallest to the largest seed."
    )
    return add_caption(figure, text, context)


def draw_losses(axes: Axes, trained: Sequence[Trained]) -> None:
    for form, each in by_form(trained).items():
        steps, losses = held_out(each)
        axes.plot(steps, losses.mean(0), label=titled(form, each), gid=f"loss:{form.id}", **look(form))
        if len(each) > 1:
            axes.fill_between(steps, losses.min(0), losses.max(0), color=COLOURS[form.bits], alpha=BAND, lw=0)
    axes.set_yscale("log")
    axes.set_title("What is learned")
    axes.set_xlabel("Steps")
    axes.set_ylabel("Held-out loss")
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5]))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.grid(True, axis="y")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def draw_rounding(axes: Axes, trained: Sequence[Trained]) -> None:
    forms = {form: each for form, each in by_form(trained).items() if form.bits}
    for place, (form, each) in enumerate(forms.items()):
        draw_row(axes, place, looks(each, "vanished"), VANISHED)
        draw_row(axes, place, looks(each, "error"), ERROR)
        draw_row(axes, place, -looks(each, "bias"), look(form))
    axes.set_yticks(range(len(forms)), [form.title for form in forms])
    axes.set_ylim(len(forms) - 0.5, -0.5)
    axes.set_xlim(left=-0.05)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_title("What rounding does to gradients")
    key = {"lost on average": {"color": INK, "marker": "o"}, "vanished": VANISHED, "error": ERROR}
    handles = [Line2D([], [], label=label, linestyle="none", **style) for label, style in key.items()]
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1, 0.5))


def draw_row(axes: Axes, place: float, values: np.ndarray, style: Mapping[str, Any]) -> None:
    axes.plot([values.min(), values.max()], [place, place], color=style["color"], linewidth=1.2)
    axes.plot([values.mean()], [place], **{**style, "linestyle": "none"})
