"""Every figure of the report: what it is called, how to read it, and the call that draws it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from helpers.compare.figures.absent import nothing_to_show, why_empty
from helpers.compare.figures.accuracy import ap_by_size, ap_difference
from helpers.compare.figures.classes import HOW_TO_READ as CLASSES_READING
from helpers.compare.figures.classes import ap_by_class
from helpers.compare.figures.latency import latency_distribution
from helpers.compare.figures.loss import ap_loss
from helpers.compare.figures.one_row_each import bars, energy, latency_ratio
from helpers.compare.figures.pareto import pareto
from helpers.compare.figures.parts import HOW_TO_READ as PARTS_READING
from helpers.compare.figures.parts import time_by_part
from helpers.compare.figures.threads import latency_threads
from helpers.compare.quantities import QUANTITIES
from helpers.energy.quantities import LATENCY, LATENCY_RATIO
from helpers.energy.why.figure import HOW_TO_READ as OPERATORS_READING
from helpers.energy.why.figure import time_by_operator
from helpers.lab.errors import LabError, unknown_name
from helpers.lab.quantities import Quantity
from helpers.quantize.layers.figure import HOW_TO_READ as LAYERS_READING
from helpers.quantize.layers.figure import layer_error
from helpers.show.context import Context
from helpers.show.pictures import DrawnBox, contact_sheet, detections_grid
from helpers.show.style import LabFigure, save_figure
from helpers.tasks.detection.quantities import AP, AP_DIFFERENCE

__all__ = [
    "FIGURES",
    "DrawnBox",
    "FigureEntry",
    "ap_by_class",
    "ap_by_size",
    "ap_difference",
    "ap_loss",
    "bars",
    "contact_sheet",
    "detections_grid",
    "draw",
    "draw_all",
    "energy",
    "latency_distribution",
    "latency_ratio",
    "latency_threads",
    "layer_error",
    "pareto",
    "save_all",
    "save_figure",
    "time_by_operator",
    "time_by_part",
]  # fmt: skip


@dataclass(frozen=True)
class FigureEntry:
    """One figure of the report.

    Attributes:
        id: name of its files and of the function that draws it.
        title: heading in the report.
        how_to_read: what the reader should look at, and what not to conclude.
        function: draws it from the results, the frames that it needs in that order, and the context.
        needs: names of those frames.
        of_results: whether it takes the results at all.
        shows: quantities, without which in one row there is nothing to draw.
    """

    id: str
    title: str
    how_to_read: str
    function: Callable[..., LabFigure]
    needs: tuple[str, ...] = ()
    of_results: bool = True
    shows: tuple[Quantity, ...] = ()


# Names that the files of older figures have.
BAR_FIGURES = {"size_bytes": "size", "peak_rss_bytes": "memory", "download_bytes": "download",
               "throughput_images_per_s": "throughput"}  # fmt: skip
BARS_READING = {
    "size_bytes": "Length of the bar is the size of the file that is shipped. It is exact. Storage is not "
    "arithmetic: a small file may still be computed in float32.",
    "download_bytes": "What an app's users download. Weights of 8 bits hardly shrink further; float32's do a "
    "little, so the ratio differs from that of the files.",
    "throughput_images_per_s": "Longer is better. All cores at once, for work that comes in batches; latency "
    "is one image alone. Run once, one variant after the other: small differences are nothing.",
    "peak_rss_bytes": "Resident memory above that of a process which only loads the runtime. Where whiskers "
    "overlap, no difference is shown. Pages are 4 kB and allocators keep reserves: take differences of a few "
    "hundred kB as nothing.",
}
_ENTRIES = (
    FigureEntry(
        "pareto", "Accuracy against latency",
        "Up is more accurate, left is faster. A variant on the dashed line is beaten by no other on both "
        "counts, going by point estimates; where intervals overlap, the order is open. The vertical bars are "
        "the uncertainty of each AP by itself: all variants saw the same images, so their differences are "
        "known far better than these bars suggest. Judge those in the figure of AP differences.",
        pareto, shows=(AP, LATENCY),
    ),
    FigureEntry(
        "ap_difference", "Accuracy lost or gained",
        "Each mark is the AP of a variant less that of float32 on the same images. An interval that crosses "
        "the dashed line shows no difference, which is not proof that there is none. The grey band holds the "
        "losses that the margin accepts. Within it: yes, where the thin interval lies wholly right of the "
        "band's left edge; no, where it lies wholly left of it; else more images are needed. A grey line "
        "below a mark: coarse scores tie, and the order of equal scores alone moves the mark that far.",
        ap_difference, shows=(AP_DIFFERENCE,),
    ),
    FigureEntry(
        "ap_by_size", "Accuracy by object size",
        "Small objects usually suffer first. Compare variants within a panel; the panels span equally many "
        "points, so a shift of equal length is an equally large loss.",
        ap_by_size, shows=(AP,),
    ),
    FigureEntry("ap_by_class", "Accuracy by class", CLASSES_READING, ap_by_class, ("classes",), shows=(AP,)),
    FigureEntry(
        "ap_loss", "Where the loss is",
        "Left of zero is loss. The bars of the five kinds and the remainder add up exactly to the total, the "
        "difference of AP; so do those of the three sizes and the remainder. Filled: objects that one of the "
        "two finds and the other does not, by the cause. Hatched: false alarms, which take precision from "
        "the objects that both find. The remainder is what reading the curve at 101 recalls changes. "
        "Whiskers are 95 % intervals; one that crosses zero shows "
        "neither loss nor gain. Kinds can cancel: look at the bars even where the total is small.",
        ap_loss, ("losses",), shows=(AP_DIFFERENCE,),
    ),
    FigureEntry(
        "layer_error", "Where the error begins", LAYERS_READING, layer_error, ("layers",), of_results=False,
    ),
    FigureEntry(
        "latency_ratio", "Latency relative to float32",
        "Left of the dashed line is faster. The control is float32 timed twice under two names: its interval "
        "sets the grey band, the noise floor, unless a self-test of this machine found more noise. A variant "
        "whose interval touches the band is not shown to differ.",
        latency_ratio, shows=(LATENCY_RATIO,),
    ),
    FigureEntry(
        "latency_distribution", "Distribution of latency",
        "The hill and the dots show every timed inference. Two hills mean two states of the machine, and a "
        "long right tail means interruptions: then p99 matters more to a user than the median.",
        latency_distribution, ("latency_samples",), shows=(LATENCY,),
    ),
    FigureEntry(
        "latency_threads", "Latency by number of threads",
        "Lower is faster; both axes are logarithmic, so equal steps are equal factors, and float32 would "
        "follow the dotted line if twice the threads halved its time. Compare variants at one count, where "
        "they were measured in the same rounds, and look at the control first; counts were measured one "
        "after the other. Do not read on beyond the counts shown, nor take a count above the physical cores "
        "for a gain or loss of cores: two hyperthreads share one. Threads wait for the slowest of them, so "
        "on a shared machine several can be slower than one.",
        latency_threads, ("threads",),
    ),
    FigureEntry(
        "time_by_operator", "Why it is, or is not, faster",
        OPERATORS_READING, time_by_operator, ("operators",), of_results=False,
    ),
    FigureEntry(
        "time_by_part", "Where a detector's time goes", PARTS_READING, time_by_part, ("parts",),
    ),
    *(
        FigureEntry(
            BAR_FIGURES.get(quantity.id, quantity.id), quantity.title.partition(" (")[0],
            BARS_READING.get(quantity.id, "Compare lengths; the ratio to float32 stands beside each."),
            partial(bars, quantity=quantity), shows=(quantity,),
        )
        for quantity in QUANTITIES.values() if quantity.caption
    ),
    FigureEntry(
        "energy", "Energy per image",
        "The box names the grade: A and B are counters, C is an estimate from CPU time and a stated "
        "power, D means that there is no figure. Grades never share an axis. A grade C figure follows "
        "latency by construction and is no evidence of its own. Where the meter sees the idle machine, the "
        "small mark below is net: less idle power x time.",
        energy,
    ),
)  # fmt: skip

FIGURES = MappingProxyType({entry.id: entry for entry in _ENTRIES})


def draw(
    figure_id: str, results: pd.DataFrame, frames: Mapping[str, pd.DataFrame], context: Context
) -> LabFigure:
    """Draw one figure of the registry by its id, or why there is nothing to draw.

    ``frames``: those that it needs, by name, or more.
    """
    if figure_id not in FIGURES:
        raise unknown_name("figure", figure_id, FIGURES)
    entry = FIGURES[figure_id]
    require_frames(entry, frames)
    if reason := why_absent(entry, results, frames):
        return nothing_to_show(entry.title, reason, context)
    first = (results,) if entry.of_results else ()
    figure = entry.function(*first, *(frames[name] for name in entry.needs), context)
    figure.how_to_read = entry.how_to_read
    return figure


def why_absent(entry: FigureEntry, results: pd.DataFrame, frames: Mapping[str, pd.DataFrame]) -> str:
    """Why a figure has nothing to show; empty if it has something."""
    tables = [frames[name] for name in entry.needs]
    return why_empty(results if entry.of_results else None, entry.shows, tables)


def require_frames(entry: FigureEntry, frames: Mapping[str, pd.DataFrame]) -> None:
    absent = [name for name in entry.needs if name not in frames]
    if absent:
        raise LabError(
            f"the figure {entry.id} without: {', '.join(absent)}.",
            f"a table for each of: {', '.join(entry.needs)}",
            "pass what helpers.compare.stage.build_frames returns.",
        )


def draw_all(
    results: pd.DataFrame, frames: Mapping[str, pd.DataFrame], context: Context
) -> dict[str, LabFigure]:
    """Every figure of the registry by id, in the order of the report."""
    return {figure_id: draw(figure_id, results, frames, context) for figure_id in FIGURES}


def save_all(figures: Mapping[str, LabFigure], folder: Path, context: Context) -> list[Path]:
    """Write each figure as PNG and PDF; returns all paths."""
    return [path for name, figure in figures.items() for path in save_figure(figure, folder, name, context)]
