"""AP by class and form, as a heat map: in which classes a difference lies, and how few objects tell of it."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes

from helpers.compare.quantities import POINTS
from helpers.run.variants import BASELINE, is_control
from helpers.show.captions import FOOTER_IN, add_caption
from helpers.show.context import Context, known
from helpers.show.rows import by_model, missing_text, records_of, require_columns
from helpers.show.style import GRID, WIDTH_IN, LabFigure, new_figure, styled
from helpers.tasks.detection.quantities import AP

MOST_CLASSES, FEWEST_CLASSES = 30, 10  # of one model; of each of many
LEAST_SPAN = 5.0  # points at the ends of the colours: less would paint noise
HOW_TO_READ = (
    "The number is AP, the colour its difference to float32: red is loss, blue gain. In brackets the number "
    "of a class's objects: the fewer, the more of a difference is chance. There are no intervals here, so "
    "take a cell for a place to look at, never for a finding; a column of one colour says more than one "
    "dark cell."
)
_ROW_IN, _SIDE_IN, _LABEL_PT = 0.2, 2.3, 8
_NAME_WIDTH, _NOTE_WIDTH = 20, 56  # characters of a class's name, and below a panel
# Red and blue, which the colour-blind can tell apart, light in the middle.
_COLOURS = "RdBu"


@styled
def ap_by_class(results: pd.DataFrame, classes: pd.DataFrame, context: Context) -> LabFigure:
    """A row per class, most objects first; a column per form.

    Args:
        results: the results table: order of models and variants, and why one has no AP.
        classes: what ``helpers.evaluate.classes.classes_frame`` returns, of all models.
        context: as for every figure.
    """
    require_columns(classes, ["model", "variant", "class", "objects", "ap"])
    groups = [(model, frame[~frame["variant"].map(is_control)]) for model, frame in by_model(results)]
    most = max(MOST_CLASSES // len(groups), FEWEST_CLASSES)
    tables = [class_grid(frame, classes[classes["model"] == model]) for model, frame in groups]
    text = caption_text(tables, most, context)
    notes = [missing_notes(frame, table) for (_, frame), table in zip(groups, tables, strict=True)]
    heights = [
        _ROW_IN * min(len(table), most) + 1.1 + 0.16 * note.count("\n")
        for table, note in zip(tables, notes, strict=True)
    ]
    figure = new_figure(sum(heights) + FOOTER_IN)
    axes = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, (model, _), table, note in zip(axes, groups, tables, notes, strict=True):
        draw_grid(panel, table[:most], span_of_colours(tables))
        panel.set_title(model)
        panel.set_xlabel(note, fontsize=_LABEL_PT, style="italic", loc="left")
    return add_caption(figure, text, context)


def class_grid(frame: pd.DataFrame, classes: pd.DataFrame) -> pd.DataFrame:
    """AP in points: a row per class, named with its objects and most of them first; a column per variant.

    ``frame``: the model's rows of the results, which give the order of the columns.
    """
    named = classes.sort_values("objects", ascending=False, kind="stable")
    labels = {row["class"]: class_label(row) for row in records_of(named)}
    wide = named.pivot(index="class", columns="variant", values="ap")
    columns = [variant for variant in frame["variant"] if variant in wide.columns]
    return POINTS * wide.reindex(index=list(labels), columns=columns).rename(index=labels)


def class_label(row: Mapping[str, Any]) -> str:
    """``cup (34)``."""
    name = str(row["class"])
    short = name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…"
    return f"{short} ({row['objects']:,})"


def differences(table: pd.DataFrame) -> pd.DataFrame:
    """To float32, in points; zero where there is no float32."""
    base = table[BASELINE] if BASELINE in table else pd.Series(np.nan, table.index)
    return table.sub(base, axis=0).fillna(0)


def span_of_colours(tables: Sequence[pd.DataFrame]) -> float:
    """Points at the darkest colours, the same in all panels."""
    reach = [float(differences(table).abs().to_numpy().max()) for table in tables if table.size]
    return max([LEAST_SPAN, *reach])


def draw_grid(axes: Axes, table: pd.DataFrame, span: float) -> None:
    if table.empty:
        axes.set(xticks=[], yticks=[], frame_on=False)
        return
    seaborn.heatmap(
        differences(table), ax=axes, vmin=-span, vmax=span, cmap=_COLOURS, linewidths=0.8, linecolor=GRID,
        annot=table, fmt=".1f", annot_kws={"fontsize": _LABEL_PT}, mask=table.isna(),
        xticklabels=[column_name(str(v), len(table.columns)) for v in table], yticklabels=list(table.index),
        cbar=len(table.columns) > 1, cbar_kws={"shrink": 0.9, "aspect": 30},
    )  # fmt: skip
    if bar := axes.collections[0].colorbar:
        bar.set_label("difference to float32 (points)", fontsize=_LABEL_PT)
        bar.set_ticks([-span, 0, span], labels=[f"−{span:.1f}", "0", f"+{span:.1f}"], fontsize=_LABEL_PT)
    axes.tick_params(length=0, labelsize=_LABEL_PT)
    axes.tick_params(axis="x", labeltop=True, labelbottom=False, rotation=0)
    axes.tick_params(axis="y", rotation=0)
    axes.set_ylabel("")


def column_name(variant: str, columns: int) -> str:
    """Wrapped to the width of a column."""
    width_in = (WIDTH_IN - _SIDE_IN) / columns
    return textwrap.fill(variant, max(int(width_in * 72 / (0.62 * _LABEL_PT)), 4))


def missing_notes(frame: pd.DataFrame, table: pd.DataFrame) -> str:
    """Why a variant has no column, a line each."""
    lacking = [row for row in records_of(frame) if row["variant"] not in table]
    lines = (f"{row['variant']}: {missing_text(row, AP)}" for row in lacking)
    return "\n".join(textwrap.fill(line, _NOTE_WIDTH) for line in lines)


def caption_text(tables: Sequence[pd.DataFrame], most: int, context: Context) -> str:
    longest = max(len(table) for table in tables)
    shown = (
        f"The {most} classes with most objects, of {longest}" if longest > most else "All classes that occur"
    )
    return (
        f"COCO AP in points by class (number of objects) and form, n = {known(context, 'images')} images. "
        f"{shown}. Colour: difference to float32, white for none, darkest at ±{span_of_colours(tables):.1f} "
        "points. Without intervals."
    )
