"""Every figure of the report: what it is called, how to read it, and the call that draws it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from helpers.errors import unknown_name
from helpers.show.figures_latency import latency_distribution
from helpers.show.figures_pareto import pareto
from helpers.show.figures_rows import ap_by_size, ap_difference, energy, latency_ratio, memory, size
from helpers.show.pictures import DrawnBox, contact_sheet, detections_grid
from helpers.show.style import LabFigure, save_figure

__all__ = [
    "FIGURES", "DrawnBox", "FigureEntry", "ap_by_size", "ap_difference", "contact_sheet", "detections_grid",
    "draw", "draw_all", "energy", "latency_distribution", "latency_ratio", "memory", "pareto", "save_all",
    "save_figure", "size",
]  # fmt: skip


@dataclass(frozen=True)
class FigureEntry:
    """One figure of the report.

    Attributes:
        id: name of its files and of the function that draws it.
        title: heading in the report.
        how_to_read: what the reader should look at, and what not to conclude.
        function: draws it from the results; from the latency samples too where ``needs_samples``.
    """

    id: str
    title: str
    how_to_read: str
    function: Callable[..., LabFigure]
    needs_samples: bool = False


_ENTRIES = (
    FigureEntry(
        "pareto", "Accuracy against latency",
        "Up is more accurate, left is faster. A variant on the dashed line is beaten by no other on both "
        "counts, going by point estimates; where intervals overlap, the order is open. The vertical bars are "
        "the uncertainty of each AP by itself: all variants saw the same images, so their differences are "
        "known far better than these bars suggest. Judge those in the figure of AP differences.",
        pareto,
    ),
    FigureEntry(
        "ap_difference", "Accuracy lost or gained",
        "Each mark is the AP of a variant less that of float32 on the same images. An interval that crosses "
        "the dashed line shows no difference, which is not proof that there is none. The grey band is one AP "
        "point to each side, an aid to the eye.",
        ap_difference,
    ),
    FigureEntry(
        "ap_by_size", "Accuracy by object size",
        "Small objects usually suffer first. Compare variants within a panel; the panels span equally many "
        "points, so a shift of equal length is an equally large loss.",
        ap_by_size,
    ),
    FigureEntry(
        "latency_ratio", "Latency relative to float32",
        "Left of the dashed line is faster. The control is float32 timed twice under two names: its interval "
        "sets the grey band, the noise floor. A variant whose interval touches the band is not shown "
        "to differ.",
        latency_ratio,
    ),
    FigureEntry(
        "latency_distribution", "Distribution of latency",
        "The hill and the dots show every timed inference. Two hills mean two states of the machine, and a "
        "long right tail means interruptions: then p99 matters more to a user than the median.",
        latency_distribution, True,
    ),
    FigureEntry(
        "size", "File size",
        "Length of the bar is the size of the file that is shipped. It is exact. Storage is not "
        "arithmetic: a small file may still be computed in float32.",
        size,
    ),
    FigureEntry(
        "memory", "Peak memory",
        "Resident memory above that of a process which only loads the runtime. Where whiskers overlap, no "
        "difference is shown. Pages are 4 kB and "
        "allocators keep reserves: take differences of a few hundred kB as nothing.",
        memory,
    ),
    FigureEntry(
        "energy", "Energy per image",
        "The box names the grade: A and B are counters, C is an estimate from CPU time and a stated "
        "power, D means that there is no figure. Grades never share an axis. A grade C figure follows "
        "latency by construction and is no evidence of its own.",
        energy,
    ),
)  # fmt: skip

FIGURES = MappingProxyType({entry.id: entry for entry in _ENTRIES})


def draw(
    figure_id: str, results: pd.DataFrame, latency_samples: pd.DataFrame, context: Mapping[str, Any]
) -> LabFigure:
    """Draw one figure of the registry by its id."""
    if figure_id not in FIGURES:
        raise unknown_name("figure", figure_id, FIGURES)
    entry = FIGURES[figure_id]
    if entry.needs_samples:
        return entry.function(results, latency_samples, context)
    return entry.function(results, context)


def draw_all(
    results: pd.DataFrame, latency_samples: pd.DataFrame, context: Mapping[str, Any]
) -> dict[str, LabFigure]:
    """Every figure of the registry by id, in the order of the report."""
    return {figure_id: draw(figure_id, results, latency_samples, context) for figure_id in FIGURES}


def save_all(figures: Mapping[str, LabFigure], folder: Path, context: Mapping[str, Any]) -> list[Path]:
    """Write each figure as PNG and PDF; returns all paths."""
    return [path for name, figure in figures.items() for path in save_figure(figure, folder, name, context)]
