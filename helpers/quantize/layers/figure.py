"""Where a variant's error comes from: the ratio of signal to error along the network."""

import itertools
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from helpers.lab.units import how_many
from helpers.quantize.layers.decibels import EXACT_DB
from helpers.quantize.layers.frame import COLUMNS
from helpers.show.captions import FOOTER_IN, add_caption
from helpers.show.context import Context
from helpers.show.placement import text_extent
from helpers.show.rows import by_model, missing_text, require_columns
from helpers.show.style import FAINT, INK, SHADE, SMALL_PT, LabFigure, look_of, new_figure, styled

NAMED_VARIANT, NAMED = "int8", 5
NAME_LENGTHS = (34, 26, 18, 12)
LONGEST_WORD, SHORTEST_WORD = 12, 3  # letters of a word in a name that is shortened
WORD = re.compile(r"[^\W\d_]+")
Boxes = list[tuple[float, float]]
Rows = tuple[int, ...]
HOW_TO_READ = (
    "Higher is closer to float32; 6 dB are one bit, and at 0 dB the error is as large as the values. Follow "
    "a line from left (image) to right (outputs): where it falls, a layer adds error of its own or enlarges "
    "what it is given; where it stays level, it passes that on. The five layers at which int8 falls most "
    "are named, with the fall from their input (from 40 dB at most). Pale dots: int8’s error of each layer "
    "alone, fed with float32’s values. The ratio is no accuracy: an error can be large where detections do "
    "not depend on it. The difference in AP decides; this figure says where to look for its cause. "
    "A cured file is held against float32 with the same scaled channels; variants of other runtimes have no "
    "line, since LiteRT’s files alone keep every tensor on the way."
)
_PANEL_IN, _LABEL_ROW_IN, _LEGEND_IN = 2.35, 0.2, 0.42


@styled
def layer_error(layers: pd.DataFrame, context: Context) -> LabFigure:
    """SQNR in dB by place in the network: a line per variant (median), a band (range over photos).

    Args:
        layers: what ``layers.frame.layers_frame`` returns: a row per model, variant and layer.
        context: as for every figure.
    """
    require_columns(layers, COLUMNS)
    text = caption_text(layers)
    frames = by_model(layers)
    heights = [_PANEL_IN + _LABEL_ROW_IN * len(named_layers(frame)) for _, frame in frames]
    figure = new_figure(sum(heights) + _LEGEND_IN + FOOTER_IN)
    axes = figure.subplots(len(frames), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, (model, frame) in zip(axes, frames, strict=True):
        draw_model(panel, frame)
        panel.set_title(model)
    add_legend(figure, layers)
    add_caption(figure, text, context)
    for panel, (_, frame) in zip(axes, frames, strict=True):
        name_layers(panel, named_layers(frame), sorted(set(frame["name"].dropna())))
    return figure


def caption_text(layers: pd.DataFrame) -> str:
    counts = sorted({int(n) for n in layers["photos"].dropna()})
    several = f"{' or '.join(map(str, counts)) or 'no'} photos"
    photos = how_many(counts[0], "photo") if len(counts) == 1 else several
    return (
        "Signal-to-quantization-noise ratio of every layer’s output, 10 log10(Σx²/Σ(x−y)²), whole "
        f"variant y against whole float32 model x. n = {photos}, not used for calibration. Line: "
        "median over photos; band: smallest to largest. Outputs without any difference are left out."
    )


def compared(frame: pd.DataFrame, variant: str) -> pd.DataFrame:
    """Rows of a variant's layers; none for one that failed."""
    return frame[(frame["variant"] == variant) & frame["sqnr_db"].notna()].astype({"place": int})


def named_layers(frame: pd.DataFrame) -> pd.DataFrame:
    """The layers of int8 at which the ratio falls most, from left to right."""
    rows = compared(frame, NAMED_VARIANT)
    rows = rows[rows["drop_db"].astype(float) > 0]
    return rows.sort_values("drop_db", ascending=False, kind="stable").head(NAMED).sort_values("place")


def draw_model(axes: Axes, frame: pd.DataFrame) -> None:
    variants = list(frame["variant"].unique())
    for variant in variants:
        draw_variant(axes, variant, compared(frame, variant))
    rows = frame[frame["sqnr_db"].notna()]
    inexact = rows[rows["sqnr_db"] < EXACT_DB]
    last = max(1.0, float(rows["place"].max()) if len(rows) else 1.0)
    axes.set_xlim(-0.02 * last, 1.02 * last)
    set_heights(axes, inexact, len(named_layers(frame)))
    axes.grid(visible=True, axis="y")
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("Place of the layer in the network")
    axes.set_ylabel("SQNR (dB)")
    write_failed(axes, frame.drop_duplicates("variant"))


def set_heights(axes: Axes, rows: pd.DataFrame, labels: int) -> None:
    """Limits of the y axis; below the lowest value there is room for the names."""
    low = min(0.0, float(rows["sqnr_low_db"].min())) if len(rows) else 0.0
    high = float(rows["sqnr_high_db"].clip(upper=EXACT_DB).max()) if len(rows) else 60.0
    high = min(high, float(rows["sqnr_db"].max()) + 6) if len(rows) else high
    room = (high - low) * _LABEL_ROW_IN * labels / (_PANEL_IN - 0.7)
    axes.set_ylim(low - room - 0.03 * (high - low), high + 0.05 * (high - low))
    axes.set_yticks([tick for tick in axes.get_yticks() if low <= tick <= high])


def draw_variant(axes: Axes, variant: str, rows: pd.DataFrame) -> None:
    look, places = look_of(variant), rows["place"].to_numpy()
    exact = rows["sqnr_db"] >= EXACT_DB
    middle, low, high = (
        rows[name].mask(exact).to_numpy(float) for name in ("sqnr_db", "sqnr_low_db", "sqnr_high_db")
    )
    axes.fill_between(
        places, low, high, color=look.colour, alpha=0.18, linewidth=0, gid=f"interval:{variant}", zorder=2
    )
    axes.plot(places, middle, color=look.colour, linewidth=1.3, zorder=4, gid=f"value:{variant}")
    if variant == NAMED_VARIANT:
        own = rows["own_sqnr_db"].where(rows["own_sqnr_db"] < EXACT_DB).to_numpy(float)
        style = {"marker": "o", "markersize": 2.6, "linestyle": "none", "markeredgewidth": 0}
        axes.plot(places, own, color=look.colour, alpha=0.38, zorder=3, gid=f"own:{variant}", **style)
    every = {"markevery": (0, max(1, len(rows) // 12)), **look.marker_style(5.5)}
    axes.plot(places, middle, zorder=5, gid=f"marks:{variant}", **every)


def write_failed(axes: Axes, variants: pd.DataFrame) -> None:
    """Say in the panel which variants have no line, and why."""
    lines = [
        textwrap.fill(f"{row['variant']}: {missing_text(row)}", 74, max_lines=2, placeholder=" …")
        for row in variants.to_dict("records")
        if row["failed"]
    ]
    if lines:
        box = {"facecolor": SHADE, "edgecolor": "none", "pad": 2}
        style = {"ha": "left", "va": "top", "fontsize": SMALL_PT, "style": "italic", "bbox": box, "zorder": 7}
        axes.text(0.01, 0.99, "\n".join(lines), transform=axes.transAxes, in_layout=False, **style)


def name_layers(axes: Axes, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """Names in rows below the lines, each hung on a thin line from its mark; call it last.

    Args:
        names: of all layers, from which each has to be told.
    """
    if rows.empty:
        return
    axes.figure.draw_without_rendering()
    points = [axes.transData.transform((p, s)) for p, s in zip(rows["place"], rows["sqnr_db"], strict=True)]
    texts, boxes, levels = placed(axes, [x for x, _ in points], rows.to_dict("records"), names)
    pitch = _LABEL_ROW_IN * axes.figure.dpi
    for point, text, box, level in zip(points, texts, boxes, levels, strict=True):
        hang(axes, point, text, box[0], axes.bbox.y0 + (0.5 + level) * pitch)


def placed(
    axes: Axes, xs: Sequence[float], rows: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> tuple[list[str], Boxes, Rows]:
    """Texts, and where they stand; names are cut only as far as it takes to keep lines and names apart."""
    gap, frame = 4 * axes.figure.dpi / 72, (axes.bbox.x0, axes.bbox.x1)
    for most in NAME_LENGTHS:
        texts = [f"{told_apart(row, most, names)}, −{row['drop_db']:.1f} dB" for row in rows]
        widths = [text_extent(axes, text)[0] for text in texts]
        found = arranged(xs, widths, frame, gap)
        if found:
            return texts, *found
    boxes = [inside((x + gap, x + gap + width), frame) for x, width in zip(xs, widths, strict=True)]
    return texts, boxes, tuple(range(len(xs)))


def told_apart(row: Mapping[str, Any], most: int, names: Sequence[str]) -> str:
    """A layer's name in at most so many letters, or its place on the axis where another would be the same."""
    short = shortened(row["name"], most)
    alone = all(shortened(name, most) != short for name in names if name != row["name"])
    return short if alone else f"place {row['place']}"


def shortened(name: str, most: int) -> str:
    """Long words give letters first: numbers, and what words begin with, tell layers apart."""
    if len(name) <= most:
        return name
    name = name.replace("convolution", "conv")
    for letters in range(LONGEST_WORD, SHORTEST_WORD - 1, -1):
        cut = WORD.sub(lambda word: word[0][:letters], name)  # noqa: B023 (called at once)
        if len(cut) <= most:
            return cut
    return f"…{cut[1 - most :]}"


def arranged(
    xs: Sequence[float], widths: Sequence[float], frame: tuple[float, float], gap: float
) -> tuple[Boxes, Rows] | None:
    """A row for each label (0 the lowest) such that no line from above passes through another label.

    Args:
        xs: where the lines hang, from left to right; ``widths`` of the labels, ``frame`` to stay in and
            ``gap`` between line and label: all in pixels.

    Returns:
        Left and right end of each label, and its row; None where there is no such arrangement. Labels to
        the right of their line are preferred.
    """
    choices = []
    for x, width in zip(xs, widths, strict=True):
        right, left = (x + gap, x + gap + width), (x - gap - width, x - gap)
        fitting = [box for box in (right, left) if box[0] >= frame[0] and box[1] <= frame[1]]
        choices.append(fitting or [inside(right, frame)])
    for boxes in itertools.product(*choices):
        rows = rows_without_crossing(xs, boxes, gap)
        if rows is not None:
            return list(boxes), rows
    return None


def inside(box: tuple[float, float], frame: tuple[float, float]) -> tuple[float, float]:
    left = max(frame[0], min(box[0], frame[1] - (box[1] - box[0])))
    return left, left + box[1] - box[0]


def rows_without_crossing(
    xs: Sequence[float], boxes: Sequence[tuple[float, float]], gap: float
) -> Rows | None:
    """A row for each label, from the top: next comes one that no line still to come passes through."""
    rows, waiting = {}, set(range(len(xs)))
    while waiting:
        free = [i for i in waiting if not any(hits(xs[j], boxes[i], gap) for j in waiting - {i})]
        if not free:
            return None
        chosen = max(free)
        rows[chosen] = len(waiting) - 1
        waiting.remove(chosen)
    return tuple(rows[i] for i in range(len(xs)))


def hits(x: float, box: tuple[float, float], gap: float) -> bool:
    return box[0] - gap / 2 < x < box[1] + gap / 2


def hang(axes: Axes, point: Sequence[float], text: str, left: float, y: float) -> None:
    """One label at a pixel, the line up to its mark, and a ring around the mark."""
    to_data = axes.transData.inverted().transform
    (x, top), (_, bottom), (start, _) = to_data(point), to_data((point[0], y)), to_data((left, y))
    axes.plot([x, x], [bottom, top], color=FAINT, linewidth=0.7, zorder=1, gid=f"leader:{text}")
    axes.plot([x], [top], "o", markersize=7, markerfacecolor="none", markeredgecolor=INK, zorder=6)
    label = axes.text(start, bottom, text, fontsize=SMALL_PT, va="center", gid=f"label:{text}", zorder=8)
    label.set_in_layout(False)


def add_legend(figure: LabFigure, layers: pd.DataFrame) -> None:
    variants = [v for v in layers["variant"].unique() if len(compared(layers, v))]
    handles = [Line2D([], [], color=look_of(v).colour, linewidth=1.3, label=v) for v in variants]
    for variant, handle in zip(variants, handles, strict=True):
        handle.set(**{k: w for k, w in look_of(variant).marker_style(5.5).items() if k != "linestyle"})
    if NAMED_VARIANT in variants:
        style = {"color": look_of(NAMED_VARIANT).colour, "alpha": 0.5, "markersize": 4, "linestyle": "none"}
        handles.append(
            Line2D([], [], marker="o", markeredgewidth=0, label=f"{NAMED_VARIANT}, layer alone", **style)
        )
    if handles:
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), columnspacing=1.2)
