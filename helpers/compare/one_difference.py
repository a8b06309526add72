"""One difference in AP, resampled: what its interval is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers.compare.stage import load_resampled
from helpers.evaluate.stage import read_evidence, scored
from helpers.lab.intervals import Interval
from helpers.models.registry import Model
from helpers.run.experiment import Run
from helpers.run.standing import scored_models
from helpers.run.variants import BASELINE
from helpers.show.captions import FOOTER_IN, add_caption
from helpers.show.context import Context, picture_context
from helpers.show.rows import reference_line
from helpers.show.style import FAINT, INK, SMALL_PT, LabFigure, look_of, new_figure, styled
from helpers.tasks.detection.evidence import Evidence
from helpers.tasks.detection.resample import average_precision, paired_resamples

NOTHING = "No difference to open: no variant but float32 has an AP."


@dataclass(frozen=True)
class OneDifference:
    """How every detection of float32 and of one variant fared.

    Attributes:
        model, variant: ids.
        base, own: evidence of float32 and of the variant.
        table: the difference as the results have it, 0..1.
        weights: int ``[1 + resamples, photos]``: how often each photo is drawn in the table's resamples; the
            first row is the photos as they are.
        stored: float64 ``[1 + resamples]``: the difference in each of them, in points.
    """

    model: str
    variant: str
    base: Evidence
    own: Evidence
    table: Interval
    weights: np.ndarray
    stored: np.ndarray


def open_difference(run: Run, results: pd.DataFrame) -> OneDifference | None:
    """The largest difference of the run; None where there is none, which is printed."""
    found = [entry for model in scored_models(run) for entry in differences(run, model, results)]
    if not found:
        print(NOTHING)
        return None
    model, variant, table = max(found, key=lambda entry: abs(entry[2].value))
    base = read_evidence(run, model, BASELINE)
    weights = paired_resamples(base.images, run.profile.resamples, run.profile.seed)
    draws = load_resampled(run.paths.resampled_record(model.id).with_suffix(".npz"))
    stored = 100 * (draws[variant]["ap"] - draws[BASELINE]["ap"])
    return OneDifference(model.id, variant, base, read_evidence(run, model, variant), table, weights, stored)


def differences(run: Run, model: Model, results: pd.DataFrame) -> list[tuple[Model, str, Interval]]:
    """Those of a model that are numbers."""
    variants = [variant for variant in scored(run, model) if variant != BASELINE]
    rows = results[(results["model"] == model.id) & results["variant"].isin(variants)]
    found = [(row["variant"], difference_of(row)) for row in rows.to_dict("records")]
    return [(model, variant, interval) for variant, interval in found if np.isfinite(interval.value)]


def difference_of(row: Mapping[str, Any]) -> Interval:
    return Interval(*(float(row[f"ap_diff{end}"]) for end in ("", "_low", "_high")))


def ap_points(evidence: Evidence, weights: np.ndarray) -> np.ndarray:
    """COCO's AP in points of photos that occur ``weights`` times, int ``[B, photos]``: ``[B]``."""
    return 100 * average_precision(evidence, weights).mean(1)


def picture(run: Run, opened: OneDifference, paired: np.ndarray, unpaired: np.ndarray) -> LabFigure:
    """Differences of resamples, both variants on the same photos, and each on photos of its own."""
    return draw_differences(opened, paired, unpaired, picture_context(run))


@styled
def draw_differences(
    opened: OneDifference, paired: np.ndarray, unpaired: np.ndarray, context: Context
) -> LabFigure:
    """``paired``, ``unpaired``: differences in points ``[B]``; those that are no numbers are left out."""
    text = (
        f"AP of {opened.variant} less that of float32, {opened.model}, n = {opened.base.images} photos, "
        f"{len(paired)} resamples. Bars: percentiles 2.5 and 97.5, an interval of 95 %; in colour that of "
        "the same photos. Dashed: no difference. Mind that the axes span different ranges."
    )
    figure = new_figure(3.9 + FOOTER_IN)
    same, own = figure.subplots(2, 1)
    colour = look_of(opened.variant).colour
    draw_histogram(same, paired, {colour: paired})
    draw_histogram(own, unpaired, {INK: unpaired, colour: paired})
    same.set_title("Both on the same photos")
    own.set_title("Each on photos of its own")
    own.set_xlabel("Difference in AP (points)")
    return add_caption(figure, text, context)


def draw_histogram(axes: Axes, values: np.ndarray, intervals: Mapping[str, np.ndarray]) -> None:
    """A hill, and above it a bar for each of ``intervals``, by colour."""
    counts, edges = np.histogram(values[np.isfinite(values)], 30)
    axes.stairs(counts, edges, fill=True, color=FAINT, gid="resamples")
    reference_line(axes, 0)
    top = max(1, counts.max())
    for place, (colour, drawn) in enumerate(intervals.items()):
        if np.isfinite(drawn).any():
            draw_bar(axes, drawn, (1.15 + 0.4 * place) * top, colour)
    axes.set_ylim(0, (1.2 + 0.4 * len(intervals)) * top)
    axes.set_ylabel("Resamples")


def draw_bar(axes: Axes, drawn: np.ndarray, height: float, colour: str) -> None:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    axes.plot([low, high], [height, height], color=colour, linewidth=3, gid="interval")
    text = f"{low:+.2f} to {high:+.2f}".replace("-", "−")
    style = {"fontsize": SMALL_PT, "color": INK, "va": "bottom", "textcoords": "offset points"}
    axes.annotate(text, (low, height), (0, 3), **style, gid="bounds")
