"""Why a variant is, or is not, faster: its time by kind of operator, against what this machine could do."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from helpers.lab.quantities import number
from helpers.runtimes.kinds_of_operators import (
    ALL_KINDS,
    BETWEEN,
    CASTS,
    DENSE,
    DEPTHWISE,
    ELEMENTWISE,
    POINTWISE,
)
from helpers.runtimes.litert.operator_kinds import LITERT
from helpers.show.captions import FOOTER_IN, add_caption, threads_text
from helpers.show.context import Context, known
from helpers.show.rows import by_model, require_columns, rows_height_in, variant_rows, write_missing
from helpers.show.style import INK, SMALL_PT, LabFigure, new_figure, styled

COLUMNS = ("model", "variant", "kind", "runs_by", "time_ms", "bound_ms", "measured_ms", "failed")
REST = "all others"
# The three convolutions, which take most of the time, differ in lightness: they can be told apart in grey.
COLOURS = {
    POINTWISE: "#1f3f63", DEPTHWISE: "#f0b64a", DENSE: "#7d7d7d", CASTS: "#bfe3f2", ELEMENTWISE: "#a39bc4",
    BETWEEN: "#ffffff",
}  # fmt: skip
REST_COLOUR = "#dcdcdc"
HATCH = "////"
# A kind that takes less than this of every variant's time is drawn with the others of its sort.
SMALL_SHARE = 0.03
# Between a share and the ends of its segment, or the bound's tick, which is 5.5 points wide.
SHARE_MARGIN_PT = 3
HOW_TO_READ = (
    "Length is time, colour the kind of operator; hatched parts run in LiteRT outside XNNPACK, on "
    "mostly slower kernels. The tick is the bound: what this machine could do at best, for every "
    "operator the longer of its multiply-adds at the measured peak and its bytes at the measured "
    "bandwidth (a roofline). Compare "
    "one colour across variants: quantization speeds up some kinds and slows down others, and their sum is "
    "the whole time."
)
_LEGEND_IN = 0.78
_DARK = (POINTWISE, DENSE)
# A share as it is written, and the ends of the part of its segment that it must fit into, in ms.
Share = tuple[Text, float, float]


@styled
def time_by_operator(kinds: pd.DataFrame, context: Context) -> LabFigure:
    """Stacked bars of time by kind of operator, one per variant; the roofline's bound as a tick.

    Args:
        kinds: what ``why.explain.kinds_frame`` returns: a row per model, variant, kind, runner.
        context: as for every figure; ``invocations`` is named in the caption.
    """
    require_columns(kinds, COLUMNS)
    text = caption_text(context)
    models, frames = zip(*by_model(merged(kinds)), strict=True)
    variants = [frame.drop_duplicates("variant") for frame in frames]
    heights = [1.25 * rows_height_in(frame) + 0.72 for frame in variants]
    figure = new_figure(sum(heights) + _LEGEND_IN + FOOTER_IN)
    axes = figure.subplots(len(frames), 1, squeeze=False, height_ratios=heights)[:, 0]
    shares: list[Share] = []
    for panel, model, frame in zip(axes, models, frames, strict=True):
        shares += draw_model(panel, frame)
        panel.set_title(model)
    add_legend(figure, list(frames))
    drop_shares_without_room(add_caption(figure, text, context), shares)
    return figure


def caption_text(context: Context) -> str:
    return (
        "Mean time of each operator by the runtime's own profiler, the faster half of "
        f"{known(context, 'invocations')} inferences, {threads_text(context.threads)}. "
        "Percentages: share of the "
        "bar. Numbers: median time without profiler. Bold tick: roofline bound, the sum over operators of "
        "the larger of multiply-adds / measured peak and bytes / measured bandwidth."
    )


def merged(kinds: pd.DataFrame) -> pd.DataFrame:
    """The same rows with those kinds that are small in every variant put together as ``all others``."""
    totals = kinds.groupby(["model", "variant"])["time_ms"].transform("sum")
    largest = (kinds["time_ms"] / totals).groupby(kinds["kind"]).max()
    small = set(largest[largest < SMALL_SHARE].index)
    is_small = kinds["kind"].isin(small)
    return kinds.assign(kind=kinds["kind"].mask(is_small, REST), runs_by=kinds["runs_by"].mask(is_small, ""))


def draw_model(axes: Axes, frame: pd.DataFrame) -> list[Share]:
    """Draw the bars; returns the shares written on them."""
    variants, shares = frame.drop_duplicates("variant"), []
    longest = frame.groupby("variant")["time_ms"].sum().max()
    for y, about in variant_rows(axes, variants):
        rows = frame[frame["variant"] == about["variant"]]
        if about["failed"]:
            write_missing(axes, y, about, 60)
            continue
        end = draw_bar(axes, y, rows, shares)
        draw_bound(axes, y, about)
        note = f"{number(about, 'measured_ms'):.2f} ms"
        axes.annotate(note, (end, y), (5, 0), textcoords="offset points", va="center", fontsize=SMALL_PT)
    axes.set_xlim(0, 1.17 * longest if longest > 0 else 1)
    axes.set_xlabel("Time of one inference (ms)")
    return shares


def ordered(rows: pd.DataFrame) -> list[tuple[str, str, float]]:
    """(kind, who runs it, ms) in the order of the kinds, the others last."""
    sums = rows[rows["time_ms"].notna()].groupby(["kind", "runs_by"])["time_ms"].sum()
    order = [*(kind for kind in ALL_KINDS if kind != BETWEEN), REST, BETWEEN]
    parts = [(str(kind), str(runs_by), float(ms)) for (kind, runs_by), ms in sums.items()]
    return sorted(parts, key=lambda part: (order.index(part[0]), part[1] == LITERT))


def draw_bar(axes: Axes, y: float, rows: pd.DataFrame, shares: list[Share]) -> float:
    """Draw one variant's segments and add their shares; returns where its bar ends."""
    left, total, bound = 0.0, rows["time_ms"].sum(), float(rows["bound_ms"].iloc[0])
    for kind, runs_by, width in ordered(rows):
        style = {"color": COLOURS.get(kind, REST_COLOUR), "edgecolor": INK, "linewidth": 0.6}
        hatch = HATCH if is_own(kind, runs_by) else None
        axes.barh(y, width, 0.62, left, hatch=hatch, gid=f"{kind} {runs_by}", **style)
        if width > 0:
            free = free_part(left, left + width, bound)
            shares.append((write_share(axes, sum(free) / 2, y, f"{100 * width / total:.0f} %", kind), *free))
        left += width
    return left


def free_part(left: float, right: float, bound: float) -> tuple[float, float]:
    """Ends of the larger part of a segment that the bound's tick leaves free."""
    if not left < bound < right:
        return left, right
    return (left, bound) if bound - left > right - bound else (bound, right)


def drop_shares_without_room(figure: LabFigure, shares: Sequence[Share]) -> None:
    """Remove those that are wider than their part of the segment; the layout decides how wide that is."""
    figure.draw_without_rendering()
    margin = SHARE_MARGIN_PT * figure.dpi / 72
    for text, left, right in shares:
        ends = text.axes.transData.transform([(left, 0), (right, 0)])[:, 0]
        if text.get_window_extent().width + 2 * margin > ends[1] - ends[0]:
            text.remove()


def write_share(axes: Axes, x: float, y: float, text: str, kind: str) -> Text:
    """The share, dark on a patch of the segment's own colour (over its hatch), or white on a dark segment."""
    box = {"facecolor": COLOURS.get(kind, REST_COLOUR), "edgecolor": "none", "pad": 1}
    ink = "white" if kind in _DARK else INK
    return axes.text(x, y, text, ha="center", va="center", fontsize=SMALL_PT, color=ink, bbox=box)


def is_own(kind: str, runs_by: str) -> bool:
    """Whether LiteRT's own kernel runs it; time between operators belongs to nobody's kernel."""
    return runs_by == LITERT and kind != BETWEEN


def draw_bound(axes: Axes, y: float, about: Mapping[str, Any]) -> None:
    bound = number(about, "bound_ms")
    if bound == bound:
        style = {"color": "white", "linewidth": 5.5, "solid_capstyle": "butt"}
        axes.plot([bound, bound], [y - 0.45, y + 0.45], **style)
        axes.plot([bound, bound], [y - 0.45, y + 0.45], **style | {"color": INK, "linewidth": 3}, gid="bound")


def add_legend(figure: LabFigure, frames: Sequence[pd.DataFrame]) -> None:
    parts = {part[:2] for frame in frames for part in ordered(frame)}
    order = [*(kind for kind in ALL_KINDS if kind != BETWEEN), REST, BETWEEN]
    kinds = sorted({kind for kind, _ in parts}, key=order.index)
    handles: list[Any] = [
        Patch(facecolor=COLOURS.get(kind, REST_COLOUR), edgecolor=INK, linewidth=0.6, label=kind)
        for kind in kinds
    ]
    if any(is_own(*part) for part in parts):
        label = "LiteRT's own kernel, not XNNPACK"
        handles.append(Patch(facecolor="white", edgecolor=INK, linewidth=0.6, hatch=HATCH, label=label))
    handles.append(Line2D([], [], color=INK, linewidth=3, marker="", label="bound of this machine"))
    figure.legend(handles=handles, loc="outside upper left", ncols=2)
