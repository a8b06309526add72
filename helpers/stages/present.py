"""05's products: figures, tables and the report, written into the run's folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from helpers.experiment import Run
from helpers.paths import display
from helpers.show.figures import FIGURES, LabFigure, draw_all, save_all
from helpers.show.report import Section, registry_figures, render_report, write_report
from helpers.show.tables import write_results
from helpers.stages.compare import build_provenance

DISAGREEMENT_TITLE = "Where the variants disagree"
DISAGREEMENT_READING = (
    "The photos on which the number of objects found differs most from float32's: the worst cases, picked "
    "for that, not typical ones."
)
FILES = (
    ("results.csv", "results, one row per model and variant, full precision"),
    ("results.md", "the table in Markdown"),
    ("results.tex", "the table in LaTeX"),
    ("notebooks/", "the executed notebooks"),
    ("figures/", "figures as PNG and PDF"),
)


def save_figures(
    run: Run, results: pd.DataFrame, samples: pd.DataFrame, context: Mapping[str, Any]
) -> dict[str, LabFigure]:
    """Draw every figure of the registry and write it as PNG and PDF."""
    figures = draw_all(results, samples, context)
    save_all(figures, run.paths.figures, context)
    return figures


def save_tables(run: Run, results: pd.DataFrame, context: Mapping[str, Any]) -> list[Path]:
    return write_results(results, run.paths.folder, context)


def save_report(run: Run, results: pd.DataFrame, context: Mapping[str, Any]) -> Path:
    """Write the self-contained HTML report."""
    pictures = [
        (DISAGREEMENT_TITLE, path, DISAGREEMENT_READING) for path in sorted(run.paths.pictures.glob("*.png"))
    ]
    html = render_report(
        results,
        [*registry_figures(run.paths.figures), *pictures],
        context,
        sections=[model_section(run)],
        provenance=build_provenance(run),
        files=FILES,
        beside=run.paths.folder,
    )
    return write_report(run.paths.report, html)


def model_section(run: Run) -> Section:
    lines = []
    for model in run.models:
        stated = model.stated
        claim = f"{stated.metric} {stated.value} ({stated.source})" if stated else "none"
        lines.append(f"{model.title}. Licence {model.licence}. Accuracy stated by its publisher: {claim}.")
    return Section("The models", lines)


def figure_times(run: Run) -> dict[str, str]:
    """Figure id -> the creation time that its PNG carries."""
    return {
        name: Image.open(run.paths.figures / f"{name}.png").info.get("Creation Time", "") for name in FIGURES
    }


def made(path: Path) -> str:
    return f"written: {display(path)}"
