"""How int8 was cured, in 05 and in the report: sentences, a waterfall for each variant, tables."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from helpers.compare.cured import by_variant, cured_frame, floats_frame, sentences
from helpers.compare.figures.waterfall import HOW_TO_READ, waterfall
from helpers.compare.report.accuracy import table_page
from helpers.compare.report.page import Figure, Section
from helpers.compare.tables.steps import floats_table, steps_frame, steps_note
from helpers.compare.tables.writing import csv_text, display_texts
from helpers.lab.files import write_text
from helpers.quantize.courses import NONE
from helpers.run.experiment import Run
from helpers.show.captions import margin_points
from helpers.show.context import Context
from helpers.show.style import LabFigure, save_figure

TITLE, STEPS_TITLE = "How int8 was cured", "The steps in numbers"
FLOATS_TITLE = "What stays in float in a cured file, and why"
CSV, FLOATS_CSV = "cures.csv", "cures_floats.csv"
PREFIX = "cures-"
NO_FLOATS = "Every operator of the cured files is computed in 8 bits."


def cures_frames(run: Run) -> dict[str, pd.DataFrame]:
    """``steps``: as ``cured.cured_frame``; ``floats``: as ``cured.floats_frame``."""
    return {"steps": cured_frame(run), "floats": floats_frame(run)}


def figure_name(model: str, variant: str) -> str:
    return f"{PREFIX}{model}-{variant}".replace("@", "-at-").replace("+", "-")


def save_cures(run: Run, frames: Mapping[str, pd.DataFrame], context: Context) -> dict[str, LabFigure]:
    """Draw and write a waterfall for each cured variant, and the tables as CSV; those of old go.

    Returns:
        The figures by the names of their files.
    """
    for old in run.paths.figures.glob(f"{PREFIX}*.*"):
        old.unlink()
    drawn = {}
    for model, variant, rows in scored(frames["steps"]):
        figure = waterfall(rows, margin_points(context), context)
        figure.how_to_read = HOW_TO_READ
        name = figure_name(model, variant)
        save_figure(figure, run.paths.figures, name, replace(context, images=int(rows["photos"].iloc[0])))
        drawn[name] = figure
    for name, frame in ((CSV, frames["steps"]), (FLOATS_CSV, frames["floats"])):
        write_text(run.paths.folder / name, csv_text(frame))
    return drawn


def cure_figures(run: Run) -> list[Path]:
    """Those that ``save_cures`` wrote, as PNG."""
    return sorted(run.paths.figures.glob(f"{PREFIX}*.png"))


def scored(steps: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """(model, variant, rows) of those whose steps have an AP."""
    return [each for each in by_variant(steps) if len(each[2]) > 1]


def written_files(run: Run) -> list[Path]:
    return [run.paths.folder / name for name in (CSV, FLOATS_CSV)]


def show_cures(run: Run, context: Context) -> Mapping[str, pd.DataFrame]:
    """In one cell: what was won back, figures and tables, which are saved too; or that nothing was cured."""
    from IPython.display import display

    frames = cures_frames(run)
    figures = save_cures(run, frames, context)
    if not len(frames["steps"]):
        print(NONE)
        return frames
    print("\n".join(sentences(frames["steps"])))
    display(*figures.values())
    display(display_texts(steps_frame(frames["steps"]), steps_note(frames["steps"]), "cures"))
    if len(frames["floats"]):
        display(display_texts(floats_table(frames["floats"]), FLOATS_TITLE, "cures-floats"))
    return frames


def cures_sections(run: Run, context: Context) -> list[Section]:
    """For the report; none where nothing was cured. The figures are those that ``save_cures`` wrote."""
    frames = cures_frames(run)
    steps, floats = frames["steps"], frames["floats"]
    if not len(steps):
        return []
    found = [
        Section(TITLE, sentences(steps), None, figures_of(run, steps)),
        Section(STEPS_TITLE, [steps_note(steps)], table_page(steps, steps_frame(steps))),
    ]
    if not len(floats):
        return [*found, Section(FLOATS_TITLE, [NO_FLOATS])]
    shown = floats_table(floats)
    return [*found, Section(FLOATS_TITLE, [], table_page(shown, shown))]


def figures_of(run: Run, steps: pd.DataFrame) -> Sequence[Figure]:
    entries = [
        (f"{variant}, {model}", run.paths.figures / f"{figure_name(model, variant)}.png", HOW_TO_READ)
        for model, variant, _ in scored(steps)
    ]
    return [entry for entry in entries if entry[1].is_file()]
