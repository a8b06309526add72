"""One ratio of latencies, from its raw timings on: what an interval is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from helpers.energy.records import Latency, Visit, read_measurement
from helpers.energy.rounds.warmup import warmup_of
from helpers.energy.summary import LEVEL, LEVEL_BY_WIDTH, ended_by_width, latency_ratio, resampled_rounds
from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent, Interval
from helpers.models.registry import Model
from helpers.quantize.stage import read_variant, timed_files
from helpers.run.experiment import Run
from helpers.run.variants import BASELINE, CONTROL, baseline_of
from helpers.show.captions import FOOTER_IN, add_caption
from helpers.show.context import Context, picture_context
from helpers.show.rows import reference_line
from helpers.show.style import FAINT, INK, SMALL_PT, LabFigure, look_of, new_figure, styled


@dataclass(frozen=True)
class OneRatio:
    """What was measured of one variant and of float32, round by round.

    Attributes:
        model, variant: ids.
        own, base: float64 ``[rounds, repeats]`` in ms: the timed inferences of the variant and of float32 in
            the same rounds, warm-ups left out.
        warmups_ms: what was left out at the start of the variant's first round.
        table: the ratio as the table has it.
        percent: the two percentiles that its bounds are.
        drawn: int ``[resamples, rounds]``: the rounds that each of the table's resamples holds.
    """

    model: str
    variant: str
    own: np.ndarray
    base: np.ndarray
    warmups_ms: np.ndarray
    table: Interval
    percent: tuple[float, float]
    drawn: np.ndarray


def open_ratio(run: Run, models: Sequence[Model]) -> OneRatio | None:
    """Of the first model of which one was measured; None where none was, and the reason is printed."""
    for model in models:
        raw = read_measurement(run, model, Latency).values
        for variant in compared(run, model):
            ratio = latency_ratio(raw, variant, run.profile.resamples, run.profile.seed)
            if isinstance(ratio, Interval):
                return one_ratio(run, model, variant, raw, ratio)
            print(f"{model.id}, {variant}: no ratio to open: {reason_of(raw, variant, ratio)}.")
    return None


def reason_of(raw: Latency, variant: str, ratio: Absent) -> str:
    return raw.failures.get(variant) or raw.failures.get(BASELINE) or ratio.reason


def compared(run: Run, model: Model) -> list[str]:
    """Variants of the home runtime to open, integer kernels first; the control last, which every run has."""
    files = [variant for variant in timed_files(run, model) if baseline_of(variant) == BASELINE != variant]
    computed = {variant: read_variant(run, model, variant).values.facts.compute_dtype for variant in files}
    return [*sorted(files, key=lambda variant: computed[variant] != "int8"), CONTROL]


def one_ratio(run: Run, model: Model, variant: str, raw: Latency, ratio: Interval) -> OneRatio:
    visits = [played.visits for played in raw.rounds if {variant, BASELINE} <= played.visits.keys()]
    level = LEVEL_BY_WIDTH if ended_by_width(raw) else LEVEL
    first, extra = visits[0][variant], warmup_of(raw, variant).extra
    return OneRatio(
        model.id,
        variant,
        timed_ms(raw, visits, variant),
        timed_ms(raw, visits, BASELINE),
        np.array(first.warmup_ns + first.timed_ns[:extra]) * 1e-6,
        ratio,
        (50 * (1 - level), 50 * (1 + level)),
        resampled_rounds(len(visits), run.profile.resamples, run.profile.seed),
    )


def timed_ms(raw: Latency, visits: Sequence[Mapping[str, Visit]], variant: str) -> np.ndarray:
    """``[rounds, repeats]``."""
    extra = warmup_of(raw, variant).extra
    return np.array([visit[variant].timed_ns[extra:] for visit in visits]) * 1e-6


def picture(run: Run, opened: OneRatio, medians: np.ndarray) -> LabFigure:
    """The ratio of every round, and ``medians`` of resampled rounds with their percentiles."""
    context = replace(picture_context(run), threads=run.threads)
    return draw_ratio(opened, medians, context)


@styled
def draw_ratio(opened: OneRatio, medians: np.ndarray, context: Context) -> LabFigure:
    if not len(medians):
        raise LabError("no resamples.", "at least one", "draw rounds first.")
    low, high = opened.percent
    text = (
        f"{opened.variant} / float32 of {opened.model}, n = {len(opened.own)} rounds of "
        f"{opened.own.shape[1]} timed inferences. Above: a dot for the ratio of medians of each round. "
        f"Below: medians of {len(medians)} resamples of these rounds; bar: their percentiles {low:g} and "
        f"{high:g}, an interval of 95 %."
    )
    figure = new_figure(3.3 + FOOTER_IN)
    rounds, resamples = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.4))
    draw_rounds(rounds, opened)
    draw_resamples(resamples, opened, medians)
    return add_caption(figure, text, context)


def draw_rounds(axes: Axes, opened: OneRatio) -> None:
    ratios = np.median(opened.own, axis=1) / np.median(opened.base, axis=1)
    style = look_of(opened.variant).marker_style(6)
    axes.plot(ratios, np.arange(1, len(ratios) + 1), gid="rounds", **style)
    reference_line(axes, 1)
    axes.set_ylabel("Round")
    axes.set_ylim(0, len(ratios) + 1)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_title("Rounds")


def draw_resamples(axes: Axes, opened: OneRatio, medians: np.ndarray) -> None:
    counts, edges = np.histogram(medians, 25)
    axes.stairs(counts, edges, fill=True, color=FAINT, gid="resamples")
    reference_line(axes, 1)
    low, high = np.percentile(medians, opened.percent)
    top = 1.15 * counts.max()
    axes.plot([low, high], [top, top], color=look_of(opened.variant).colour, linewidth=3, gid="interval")
    style = {"fontsize": SMALL_PT, "color": INK, "va": "bottom", "textcoords": "offset points"}
    axes.annotate(f"{low:.3f} to {high:.3f}", (low, top), (0, 3), **style, gid="bounds")
    axes.set_ylim(0, 1.35 * top)
    axes.set_ylabel("Resamples")
    axes.set_xlabel("Ratio to float32")
    axes.set_title("Medians of resampled rounds")
