"""Two figures of 08: how the loss of the trained forms fell, and what AP they won back."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from helpers.lab.intervals import Absent, Interval
from helpers.quantize.records import TrainedForm
from helpers.show.captions import FOOTER_IN, add_caption
from helpers.show.context import Context
from helpers.show.style import FAINT, SHADE, LabFigure, look_of, new_figure, styled
from helpers.training.won_back import Pair

ROW_IN = 0.3
SAID_IN = 0.8  # height of a sentence in place of a drawing


@styled
def loss_picture(
    records: Mapping[tuple[str, str], TrainedForm | Absent], model: str, context: Context
) -> LabFigure:
    """Loss of every epoch of each trained form of a model, side by side; a sentence where none is trained."""
    found = {form: each for (name, form), each in records.items() if name == model and of_epochs(each)}
    figure = new_figure((2.6 if found else SAID_IN) + FOOTER_IN)
    axes = figure.subplots()
    if not found:
        return add_caption(said(figure, axes, f"No form of {model} is trained yet."), "", context)
    place, ticks = 0, {}
    for form, each in found.items():
        places = [place + number for number in range(len(each.history))]
        look = look_of(form)
        style = {**look.marker_style(6.5), "linestyle": "-", "linewidth": 1.4}
        losses = [epoch.loss for epoch in each.history]
        axes.plot(places, losses, color=look.colour, gid=f"loss:{form}", **style)
        ticks[form] = (places[0] + places[-1]) / 2
        place = places[-1] + 2
    axes.set_xticks(list(ticks.values()), list(ticks))
    axes.set_ylabel("Loss")
    axes.grid(True, axis="y")
    axes.grid(False, axis="x")
    axes.set_title(f"{model}: loss of each epoch")
    text = (
        f"Mean loss over the steps of each epoch of training {model}, n = 1 training per form: no interval. "
        "One marker per epoch, forms side by side."
    )
    return add_caption(figure, text, context)


def of_epochs(found: TrainedForm | Absent) -> bool:
    return isinstance(found, TrainedForm) and bool(found.history)


def said(figure: LabFigure, axes: Axes, sentence: str) -> LabFigure:
    """In place of a drawing."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, sentence, ha="center", va="center", color=FAINT, transform=axes.transAxes)
    return figure


@styled
def won_back_picture(pairs: Sequence[Pair], model: str, context: Context) -> LabFigure:
    """AP with its interval of each trained form and, above it, of the same bits without training."""
    found = [pair for pair in pairs if pair.model == model and pair.known]
    figure = new_figure((0.9 + 2 * ROW_IN * len(found) if found else SAID_IN) + FOOTER_IN)
    axes = figure.subplots()
    if not found:
        sentence = "07_ladder of this run holds no trained form\nbeside its untrained one."
        return add_caption(said(figure, axes, sentence), "", context)
    if isinstance(found[0].float32, Interval):
        base = found[0].float32
        axes.axvspan(100 * base.low, 100 * base.high, color=SHADE, zorder=0)
        axes.axvline(100 * base.value, color=FAINT, linewidth=1, zorder=0)
    ticks = {}
    for number, pair in enumerate(found):
        for place, form, ap in (
            (3 * number, pair.untrained, pair.before),
            (3 * number + 1, pair.trained, pair.after),
        ):
            draw_ap(axes, place, form, ap)
            ticks[place] = form
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.invert_yaxis()
    axes.set_xlabel("AP (points)")
    axes.set_title("Same bits, without training and with")
    text = (
        f"AP of {model} as 07_ladder measured it. Bars: 95 % bootstrap over images (bias-corrected "
        "percentiles). "
        "Pairs of the same bits: above rounded after training, below trained with the rounding in the loop. "
        "Grey: float32 with its interval."
    )
    return add_caption(figure, text, context)


def draw_ap(axes: Axes, place: float, form: str, ap: Interval) -> None:
    look = look_of(form)
    axes.plot([100 * ap.low, 100 * ap.high], [place, place], color=look.colour, linewidth=1.6)
    axes.plot([100 * ap.value], [place], gid=f"ap:{form}", **look.marker_style(7))
