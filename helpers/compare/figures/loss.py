"""Where the loss is: each variant's difference in AP, shared out to kinds of error and to object sizes."""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.patches import Patch

from helpers.compare.tables.loss import REMAINDER, TOTAL, with_totals
from helpers.lab.intervals import Interval
from helpers.lab.quantities import Quantity, has_bounds, number
from helpers.run.variants import is_compared
from helpers.show.captions import FOOTER_IN, add_caption, level_text
from helpers.show.context import Context, known
from helpers.show.rows import (
    by_model,
    missing_text,
    padded,
    records_of,
    reference_line,
    span_of,
    write_number,
)
from helpers.show.style import FAINT, INK, SHADE, SMALL_PT, LabFigure, look_of, new_figure, styled
from helpers.tasks.detection.attribution import PARTS, SIZES
from helpers.tasks.detection.error_kinds import KINDS
from helpers.tasks.detection.quantities import AP

# Tol's muted palette: none of the colours that variants have.
KIND_COLOURS = MappingProxyType(
    dict(zip(KINDS, ("#332288", "#44AA99", "#AA4499", "#DDCC77", "#117733"), strict=True))
)
SIZE_COLOUR, HATCH = "#9a9a9a", "//////"
HEADINGS = {"kind": "kind of error", "size": "object size"}
# From the top: (group, name); a name that is empty is the group's heading.
LINES = (
    ("kind", TOTAL),
    ("kind", ""), *(("kind", name) for name in KINDS),
    ("size", ""), *(("size", name) for name in SIZES),
    ("kind", REMAINDER),
)  # fmt: skip
POINTS = Quantity("points", "AP points", low="low", high="high")
_MOST_PANELS, _LINE_IN, _NAME_WIDTH = 3, 0.215, 15
# In lines: a bar's thickness, how far it is above the middle of its line, and the whisker below it.
_BAR, _BAR_UP, _WHISKER_DOWN = 0.46, 0.12, 0.28
Rows = Mapping[tuple[str, str], Mapping[str, Any]]


@styled
def ap_loss(results: pd.DataFrame, losses: pd.DataFrame, context: Context) -> LabFigure:
    """The contributions to each variant's difference in AP: kinds with their two parts, sizes, remainder."""
    text = (
        "Contributions to the difference of COCO AP to float32, in points. The five kinds and the remainder "
        "add up to the total, and so do the three sizes and the remainder. "
        f"n = {known(context, 'images')} images. Whiskers: {level_text(context)} bootstrap over images, "
        "for kinds and sizes from its standard deviation. One axis for all variants of a model."
    )
    losses = with_totals(losses, results)
    blocks = [(model, rows) for model, frame in by_model(results) for rows in shelves(compared(frame))]
    heights = [shelf_height_in(rows) for _, rows in blocks]
    figure = new_figure(sum(heights) + 0.3 + FOOTER_IN)
    figure.get_layout_engine().set(w_pad=0.04, wspace=0)
    parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=heights)[:, 0]
    spans = {model: span_of_model(compared(frame), losses, model) for model, frame in by_model(results)}
    for part, (model, rows) in zip(parts, blocks, strict=True):
        part.suptitle(model, x=0.012, ha="left", fontsize=10, fontweight="bold")
        draw_shelf(part, rows, losses, spans[model])
    add_key(figure)
    return add_caption(figure, text, context)


def compared(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Records of the variants that are compared with float32."""
    return [row for row in records_of(frame) if is_compared(str(row["variant"]))]


def shelves(rows: Sequence[dict]) -> list[list[dict | None]]:
    """Variants side by side, at most three, as evenly as can be; None fills a place that stays empty.

    There is at least one: for float32 alone ``figures.draw`` says that there is nothing to show.
    """
    count = math.ceil(len(rows) / _MOST_PANELS)
    width = math.ceil(len(rows) / count)
    padded_rows = [*rows, *[None] * (count * width - len(rows))]
    return [padded_rows[start : start + width] for start in range(0, count * width, width)]


def shelf_height_in(rows: Sequence[dict | None]) -> float:
    titles = [panel_title(row) for row in rows if row]
    return len(LINES) * _LINE_IN + 0.85 + 0.15 * max((t.count("\n") for t in titles), default=0)


def panel_title(row: Mapping[str, Any]) -> str:
    return textwrap.fill(str(row["variant"]), _NAME_WIDTH, break_on_hyphens=True)


def rows_of(row: Mapping[str, Any], losses: pd.DataFrame) -> Rows:
    """(group, name) -> record, for one variant."""
    chosen = losses[(losses["model"] == row["model"]) & (losses["variant"] == row["variant"])]
    return {(record["group"], record["name"]): record for record in records_of(chosen)}


def pieces(record: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """(part, start, length) of a kind's bar: parts of one sign follow one another from zero."""
    ends, found = {True: 0.0, False: 0.0}, []
    for part in PARTS:
        length = number(record, part)
        found.append((part, ends[length > 0], length))
        ends[length > 0] += length
    return found


def span_of_model(rows: Sequence[dict], losses: pd.DataFrame, model: str) -> tuple[float, float]:
    """Axis for all variants of a model: whatever is drawn, and zero."""
    known_rows = [record for row in rows for key, record in rows_of(row, losses).items() if key in LINES]
    ends = [start + length for r in known_rows if r["name"] in KINDS for _, start, length in pieces(r)]
    return padded(*span_of([i for r in known_rows if (i := POINTS.at(r))], [0, *ends]))


def draw_shelf(part: SubFigure, rows: Sequence[dict | None], losses: pd.DataFrame, span: tuple) -> None:
    axes = part.subplots(1, len(rows), squeeze=False, sharey=True)[0]
    digits = 3 if span[1] - span[0] < 1 else 2
    for panel, row in zip(axes, rows, strict=True):
        set_up_lines(panel, span)
        if row is None:
            panel.set_visible(False)
            continue
        panel.set_title(panel_title(row), fontsize=SMALL_PT)
        draw_variant(panel, row, rows_of(row, losses), digits)


def set_up_lines(axes: Axes, span: tuple[float, float]) -> None:
    names = [name or HEADINGS[group] for group, name in LINES]
    axes.set_yticks(range(len(LINES)), names, fontsize=SMALL_PT)
    for tick, (_, name) in zip(axes.yaxis.get_major_ticks(), LINES, strict=True):
        weight, style = "bold" if name == TOTAL else "normal", "normal" if name else "italic"
        tick.label1.set(style=style, weight=weight, color=INK if name else FAINT)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(LINES) - 0.4, -0.6)
    axes.set_xlim(*span)
    axes.set_xlabel(POINTS.axis, fontsize=SMALL_PT)
    axes.set_xticks(sorted({0.0, round_end(span)}))
    axes.xaxis.set_major_formatter("{x:g}")
    reference_line(axes, 0)


def round_end(span: tuple[float, float]) -> float:
    """The farther end of an axis, rounded towards zero to one digit: a tick that has room beside zero."""
    end = 0.96 * max(span, key=abs)
    unit = 10 ** math.floor(math.log10(abs(end)))
    return math.trunc(end / unit) * unit


def draw_variant(axes: Axes, row: Mapping[str, Any], found: Rows, digits: int) -> None:
    if not found:
        write_reason(axes, missing_text(row, AP))
        return
    for y, record in shown(found):
        draw_bar(axes, y, record, str(row["variant"]))
        value = Quantity("points", digits=digits, signed=True, bounds="")
        write_number(axes, y, value.text(value.at(record)), gap_pt=4)


def shown(found: Rows) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Height on the y axis and record of every line that has a value."""
    for y, key in enumerate(LINES):
        if key in found and POINTS.at(found[key]):
            yield y, found[key]


def draw_bar(axes: Axes, y: float, record: Mapping[str, Any], variant_id: str) -> None:
    """A bar from zero, in two parts for a kind, and the interval of its sum."""
    name, interval = str(record["name"]), POINTS.at(record)
    if name in KINDS:
        draw_parts(axes, y, record)
    else:
        style = bar_style(name, variant_id)
        axes.barh(y - _BAR_UP, interval.value, height=_BAR, gid=f"bar:{name}", **style)
    if has_bounds(interval):
        draw_bounds(axes, y + _WHISKER_DOWN, interval, name)


def bar_style(name: str, variant_id: str) -> dict[str, Any]:
    if name == REMAINDER:
        return {"facecolor": "white", "edgecolor": FAINT, "linewidth": 1}
    colour = look_of(variant_id).colour if name == TOTAL else SIZE_COLOUR
    return {"facecolor": colour, "edgecolor": colour, "linewidth": 1}


def draw_parts(axes: Axes, y: float, record: Mapping[str, Any]) -> None:
    name = str(record["name"])
    for part, start, length in pieces(record):
        style = part_style(part, KIND_COLOURS[name])
        axes.barh(y - _BAR_UP, length, left=start, height=_BAR, gid=f"{part}:{name}", **style)


def part_style(part: str, colour: str) -> dict[str, Any]:
    """Lost and found objects filled, false alarms hatched."""
    filled = part == PARTS[0]
    return {
        "facecolor": colour if filled else "white",
        "edgecolor": colour,
        "linewidth": 0.8,
        "hatch": "" if filled else HATCH,
    }


def draw_bounds(axes: Axes, y: float, interval: Interval, name: str) -> None:
    """The interval below its bar, whose parts it would hide; a dot marks the sum."""
    ends, style = [interval.low, interval.high], {"color": INK, "zorder": 5}
    axes.plot(ends, [y, y], linewidth=1, marker="|", markersize=4, gid=f"interval:{name}", **style)
    axes.plot([interval.value], [y], marker="o", markersize=2.6, gid=f"value:{name}", **style)


def write_reason(axes: Axes, reason: str) -> None:
    lines = textwrap.wrap(reason, 16, max_lines=6, placeholder=" …")
    axes.text(0.03, 0.5, "\n".join(lines), transform=axes.transAxes, va="center", style="italic",
              fontsize=SMALL_PT, gid="missing", in_layout=False, zorder=6,
              bbox={"facecolor": SHADE, "edgecolor": "none", "pad": 1.5})  # fmt: skip


def add_key(figure: LabFigure) -> None:
    """What filled and hatched mean; rows are labelled themselves."""
    texts = ("objects lost (−) or found (+)", "false alarms")
    patches = [Patch(label=text, **part_style(part, FAINT)) for part, text in zip(PARTS, texts, strict=True)]
    figure.legend(handles=patches, loc="outside upper right", ncols=2, handlelength=1.6, borderpad=0.1)
