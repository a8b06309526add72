"""05's products: figures, tables and the report, written into the run's folder."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from PIL import Image

from helpers.compare import machines
from helpers.compare.answer import display_answers
from helpers.compare.figures.catalogue import FIGURES, LabFigure, draw_all, save_all, why_absent
from helpers.compare.measured_data import data_texts
from helpers.compare.report.cures import CSV, FLOATS_CSV, cures_sections, written_files
from helpers.compare.report.page import Section, registry_figures, render_report, write_report
from helpers.compare.stage import build_context, build_long, build_provenance, build_results
from helpers.compare.surprises import surprises
from helpers.compare.tables.writing import write_results
from helpers.evaluate.lost_pictures import HOW_TO_READ as LOST_READING
from helpers.lab.files import write_text
from helpers.lab.paths import display
from helpers.lab.records import read_record
from helpers.models.registry import Model
from helpers.quantize.originals import parity_texts
from helpers.quantize.records import MadeFile
from helpers.run.experiment import Run
from helpers.run.forms import is_simulated
from helpers.run.variants import Variant
from helpers.show.context import Context
from helpers.show.pictures import lost_name

Frames = Mapping[str, pd.DataFrame]
FILES = (
    ("results.csv", "results, one row per model and variant, full precision"),
    ("results_long.csv", "the same, one row per quantity, with the reason where there is no value"),
    ("results.md", "the tables in Markdown"),
    ("results.tex", "the tables in LaTeX, with booktabs"),
    ("context.json", "what lets another machine's run be laid beside this one, with results.csv"),
    ("losses.csv", "where each variant's difference in AP lies, full precision"),
    ("notebooks/", "the executed notebooks"),
    ("figures/", "figures as PNG and PDF, and their captions as text"),
)


def answer_first(run: Run) -> tuple[pd.DataFrame, Context]:
    """Results and context of a run, shown as the answer that they give; then which data they are of."""
    results, context = build_results(run), build_context(run)
    display_answers(results, context)
    print(*data_texts(run), sep="\n")
    return results, context


def save_figures(run: Run, results: pd.DataFrame, frames: Frames, context: Context) -> dict[str, LabFigure]:
    """Draw every figure of the registry and write it as PNG and PDF; ``frames`` from ``build_frames``."""
    figures = draw_all(results, frames, context)
    save_all(figures, run.paths.figures, context)
    captions = [f"**{name}.** {figure.caption}" for name, figure in figures.items() if figure.caption]
    write_text(run.paths.figures / "captions.md", "\n\n".join(captions) + "\n")
    return figures


def save_tables(run: Run, results: pd.DataFrame, frames: Frames, context: Context) -> list[Path]:
    """Write the results as CSV, Markdown and LaTeX, the losses as CSV, and the context as JSON."""
    written = write_results(results, run.paths.folder, context, frames["losses"], build_long(run))
    return [*written, *written_files(run), machines.save_context(run, context)]


def lost_pictures(run: Run) -> list[tuple[str, Path, str]]:
    """(title, path, how to read it) of the photos on which variants lost most, in the run's order."""
    several = len(run.models) > 1
    found = [
        (
            f"Photos on which {variant.id} lost most" + f" ({model.id})" * several,
            run.paths.pictures / f"{lost_name(model.id, variant.id)}.png",
            LOST_READING,
        )
        for model in run.models
        for variant in run.variants
    ]
    return [entry for entry in found if entry[1].is_file()]


def save_report(run: Run, results: pd.DataFrame, frames: Frames, context: Context) -> Path:
    """Write the self-contained HTML report."""
    beside = machines.lay_beside(run, results, context, run.runs)
    absent = {name: why_absent(entry, results, frames) for name, entry in FIGURES.items()}
    html = render_report(
        results,
        [*registry_figures(run.paths.figures, absent), *machines.report_figures(run, beside)],
        context,
        losses=frames["losses"],
        layers=frames["layers"],
        pictures=lost_pictures(run),
        sections=[*cures_sections(run, context), *own_sections(run), *machines.report_sections(beside)],
        provenance=build_provenance(run),
        files=[*FILES, *cure_files(run)],
        beside=run.paths.folder,
    )
    return write_report(run.paths.report, html)


def cure_files(run: Run) -> list[tuple[str, str]]:
    told = {
        CSV: "the steps to each cured variant, full precision",
        FLOATS_CSV: "operators that stay float there",
    }
    return [(path.name, told[path.name]) for path in written_files(run)]


def own_sections(run: Run) -> list[Section]:
    """What this run was measured on, and what is odd about it."""
    return [Section("The data", data_texts(run)), *surprise_section(run), model_section(run)]


def surprise_section(run: Run) -> list[Section]:
    found = surprises(run)
    return [Section("What surprises", found)] if found else []


def model_section(run: Run) -> Section:
    lines = []
    for model in run.models:
        stated = model.stated
        claim = f"{stated.metric} {stated.value} ({stated.source})" if stated else "none"
        lines.append(f"{model.title}. Licence {model.licence}. Accuracy stated by its publisher: {claim}.")
        lines += parity_texts(run, model)
        lines += [told for variant in run.variants if (told := own_text(run, model, variant))]
    return Section("The models", lines)


def own_text(run: Run, model: Model, variant: Variant) -> str:
    """What must be known of a file of the user's own, a simulated form, or float16 arithmetic; else empty."""
    path = run.paths.variant_record(model.id, variant.id)
    made = read_record(path, MadeFile, "run 02_quantize.ipynb first.").values
    if not (variant.own or is_simulated(variant) or (made and made.notes)):
        return ""
    told = " ".join([variant.meaning, *(made.notes if made else ())])
    return f"{variant.id}, beside {model.id}: {told}"


def figure_times(run: Run) -> dict[str, str]:
    """Figure id -> the creation time that its PNG carries."""
    return {
        name: Image.open(run.paths.figures / f"{name}.png").info.get("Creation Time", "") for name in FIGURES
    }


def made(path: Path) -> str:
    return f"written: {display(path)}"
