"""One ratio of latencies, from its raw timings on: what an interval is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from helpers.energy.next_process import LEVEL, left_out
from helpers.energy.records import Latency, LatencyRound, Visit, read_measurement
from helpers.energy.rounds.warmup import warmup_of
from helpers.energy.summary import LEVEL_BY_WIDTH, ended_by_width, latency_ratio, processes_of, undisturbed_ms
from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent, Interval
from helpers.lab.units import how_many
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
        processes: int ``[rounds]``: number of the process that each round was played in.
        warmups_ms: what was left out at the start of the variant's first round.
        table: the ratio as the table has it.
        level: at which its bounds were drawn.
        outside: how many averages of pairs of processes lie outside the bounds at each end; -1 where there
            are too few processes for such bounds.
    """

    model: str
    variant: str
    own: np.ndarray
    base: np.ndarray
    processes: np.ndarray
    warmups_ms: np.ndarray
    table: Interval
    level: float
    outside: int


def open_ratio(run: Run, models: Sequence[Model]) -> OneRatio | None:
    """Of the first model of which one was measured; None where none was, and the reason is printed."""
    for model in models:
        raw = read_measurement(run, model, Latency).values
        for variant in compared(run, model):
            ratio = latency_ratio(raw, variant)
            if isinstance(ratio, Interval):
                return one_ratio(model, variant, raw, ratio)
            print(f"{model.id}, {variant}: no ratio to open: {reason_of(raw, variant, ratio)}.")
    return None


def reason_of(raw: Latency, variant: str, ratio: Absent) -> str:
    return raw.failures.get(variant) or raw.failures.get(BASELINE) or ratio.reason


def compared(run: Run, model: Model) -> list[str]:
    """Variants of the home runtime to open, integer kernels first; the control last, which every run has."""
    files = [variant for variant in timed_files(run, model) if baseline_of(variant) == BASELINE != variant]
    computed = {variant: read_variant(run, model, variant).values.facts.compute_dtype for variant in files}
    return [*sorted(files, key=lambda variant: computed[variant] != "int8"), CONTROL]


def one_ratio(model: Model, variant: str, raw: Latency, ratio: Interval) -> OneRatio:
    rounds = rounds_with(raw, {variant, BASELINE})
    visits, processes = [played.visits for played in rounds], np.array(processes_of(rounds))
    level = LEVEL_BY_WIDTH if ended_by_width(raw) else LEVEL
    first, extra = visits[0][variant], warmup_of(raw, variant).extra
    return OneRatio(
        model.id,
        variant,
        timed_ms(raw, visits, variant),
        timed_ms(raw, visits, BASELINE),
        processes,
        np.array(first.warmup_ns + first.timed_ns[:extra]) * 1e-6,
        ratio,
        level,
        left_out(len(np.unique(processes)), level),
    )


def rounds_with(raw: Latency, variants: set[str]) -> list[LatencyRound]:
    return [played for played in raw.rounds if variants <= played.visits.keys()]


def timed_ms(raw: Latency, visits: Sequence[Mapping[str, Visit]], variant: str) -> np.ndarray:
    """``[rounds, repeats]``."""
    extra = warmup_of(raw, variant).extra
    return np.array([visit[variant].timed_ns[extra:] for visit in visits]) * 1e-6


def picture(run: Run, opened: OneRatio, averages: np.ndarray) -> LabFigure:
    """The ratio of every round by its process, and ``averages`` of pairs of processes, sorted, as ratios."""
    context = replace(picture_context(run), threads=run.threads)
    return draw_ratio(opened, averages, context)


@styled
def draw_ratio(opened: OneRatio, averages: np.ndarray, context: Context) -> LabFigure:
    if not len(averages):
        raise LabError("no averages.", "those of all pairs of processes", "average the processes first.")
    processes = how_many(len(np.unique(opened.processes)), "fresh process", "fresh processes")
    text = (
        f"{opened.variant} / float32 of {opened.model}, n = {how_many(len(opened.own), 'round')} of "
        f"{opened.own.shape[1]} timed inferences in {processes}. "
        "Above: a dot for the ratio of the fastest inferences of each round, by its process. "
        f"Below: averages of all pairs of processes; bar: {bar_text(opened)}, an interval of 95 %."
    )
    figure = new_figure(3.3 + FOOTER_IN)
    rounds, pairs = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.4))
    draw_rounds(rounds, opened)
    draw_averages(pairs, opened, averages)
    return add_caption(figure, text, context)


def bar_text(opened: OneRatio) -> str:
    """What the bounds are."""
    if opened.outside < 0:
        return "from Student's t, since there are too few processes for ranks"
    return f"all but the {opened.outside} lowest and the {opened.outside} highest"


def draw_rounds(axes: Axes, opened: OneRatio) -> None:
    ratios = undisturbed_ms(opened.own) / undisturbed_ms(opened.base)
    style = look_of(opened.variant).marker_style(6)
    axes.plot(ratios, opened.processes + 1, gid="rounds", **style)
    reference_line(axes, 1)
    axes.set_ylabel("Process")
    axes.set_ylim(opened.processes.min(), opened.processes.max() + 2)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_title("Rounds")


def draw_averages(axes: Axes, opened: OneRatio, averages: np.ndarray) -> None:
    counts, edges = np.histogram(averages, 25)
    axes.stairs(counts, edges, fill=True, color=FAINT, gid="averages")
    reference_line(axes, 1)
    low, high = opened.table.low, opened.table.high
    top = 1.15 * counts.max()
    axes.plot([low, high], [top, top], color=look_of(opened.variant).colour, linewidth=3, gid="interval")
    style = {"fontsize": SMALL_PT, "color": INK, "va": "bottom", "textcoords": "offset points"}
    text = f"{low:.3f} to {high:.3f}" if np.isfinite(low) else "one process: no bounds"
    at = low if np.isfinite(low) else opened.table.value
    axes.annotate(text, (at, top), (0, 3), **style, gid="bounds")
    axes.set_ylim(0, 1.35 * top)
    axes.set_ylabel("Pairs")
    axes.set_xlabel("Ratio to float32")
    axes.set_title("Averages of pairs of processes")
