"""What stands in a figure's place where a run has nothing to draw in it: the reason, as a small figure."""

from collections.abc import Sequence

import pandas as pd

from helpers.lab.quantities import Quantity
from helpers.run.variants import is_compared
from helpers.show.captions import add_caption, wrap_to_width
from helpers.show.context import Context
from helpers.show.rows import records_of
from helpers.show.style import INK, SMALL_PT, LabFigure, new_figure, styled
from helpers.show.values import failure_of, reason_for

HEIGHT_IN = 1.1
ALONE = "there is no variant but float32 to compare"
NOTHING = "nothing was measured"


def why_empty(
    results: pd.DataFrame | None, quantities: Sequence[Quantity], frames: Sequence[pd.DataFrame]
) -> str:
    """Why a figure has nothing to show; empty if it has something.

    Args:
        results: one row per model and variant; None for a figure that is not drawn from them.
        quantities: one row must have a value of all of them.
        frames: the other tables that it is drawn from, each with a row at least.
    """
    if any(frame_is_empty(frame) for frame in frames):
        return reason_in([results, *frames], quantities)
    if results is None or not quantities:
        return ""
    whole = any(all(quantity.at(row) for quantity in quantities) for row in records_of(results))
    return "" if whole else reason_in([results], quantities)


def frame_is_empty(frame: pd.DataFrame) -> bool:
    """Whether it has no row, or rows that say why they have no numbers, and no other."""
    return frame.empty or ("failed" in frame and all(failure_of(row) for row in records_of(frame)))


def reason_in(frames: Sequence[pd.DataFrame | None], quantities: Sequence[Quantity]) -> str:
    """The first reason that the tables give for these quantities, or else for a variant."""
    tables = [frame for frame in frames if frame is not None and len(frame)]
    rows = [row for frame in tables for row in records_of(frame)]
    found = [reason_for(row, quantity) for row in rows for quantity in quantities]
    reason = next(filter(None, [*found, *map(failure_of, rows)]), "")
    variants = {str(v) for frame in tables if "variant" in frame for v in frame["variant"]}
    return reason or (NOTHING if any(map(is_compared, variants)) else ALONE)


@styled
def nothing_to_show(title: str, reason: str, context: Context) -> LabFigure:
    """The title, and the reason in place of a picture."""
    figure = new_figure(HEIGHT_IN)
    text = figure.text(0.5, 0.72, f"{title}. Nothing to show: {reason}.", ha="center", va="center")
    text.set(fontsize=SMALL_PT + 1, color=INK, gid="nothing-to-show")
    wrap_to_width(text, 0.92 * figure.bbox.width)
    return add_caption(figure, "", context)
