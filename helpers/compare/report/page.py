"""The one-page report: findings, table, figures, method and provenance in one self-contained HTML file."""

import base64
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from helpers.compare.answer import About, Sentence, answers, setting
from helpers.compare.figures.catalogue import FIGURES
from helpers.compare.findings import Finding, Judgement, by_variant, failures, findings
from helpers.compare.report.accuracy import accuracy_page, table_groups, table_page
from helpers.compare.report.lacking import lacking
from helpers.compare.report.texts import limits, meanings, method
from helpers.compare.tables.writing import detail_frames, human_frame, table_note, with_file
from helpers.compare.verdict_texts import unjudged, unjudged_note
from helpers.lab.errors import LabError, found_of
from helpers.lab.files import write_text
from helpers.quantize.layers.frame import lossy_layers_texts
from helpers.show.captions import margin_points, points_text
from helpers.show.context import Context
from helpers.show.rows import records_of
from helpers.show.style import caption_of, creation_time

TITLE = "What quantization costs and saves"
FEW_IMAGES = 100
ACCURACY_FIGURES = ("ap_difference", "ap_by_size", "ap_by_class", "ap_loss", "layer_error")
QUANTITIES = {"accuracy": "Accuracy", "latency": "Latency", "size": "File size", "energy": "Energy"}
# Words carry the judgement; the sign helps the eye, also without colour.
SIGNS = {Judgement.BETTER: "▲", Judgement.WORSE: "▼", Judgement.NONE_SHOWN: "○", Judgement.NOT_JUDGED: "?"}
CLASSES = {Judgement.BETTER: "better", Judgement.WORSE: "worse", Judgement.NONE_SHOWN: "none",
           Judgement.NOT_JUDGED: "unjudged"}  # fmt: skip
Figure = tuple[str, Path, str]


@dataclass(frozen=True)
class Section:
    """A passage of the caller's own: a heading, a table that ``table_page`` made, if any, text, figures."""

    title: str
    paragraphs: Sequence[str]
    table: Mapping[str, Any] | None = None
    figures: Sequence[Figure] = ()


def render_report(
    results: pd.DataFrame,
    figures: Sequence[Figure],
    context: Context,
    *,
    losses: pd.DataFrame | None = None,
    layers: pd.DataFrame | None = None,
    pictures: Sequence[Figure] = (),
    title: str = TITLE,
    sections: Sequence[Section] = (),
    provenance: Mapping[str, Any] | None = None,
    files: Sequence[tuple[str, str]] = (),
    beside: Path | None = None,
) -> str:
    """The report as HTML with everything embedded.

    Args:
        figures: (title, path of the PNG, how to read it). Those of accuracy stand in its section.
        losses: where each variant's difference in AP lies; None leaves that out.
        layers: error of every layer; None leaves out which layers stand behind a large loss.
        pictures: as ``figures``: photos with boxes, on which a variant lost most.
        sections: passages to put before the limits, such as a publisher's stated accuracy.
        provenance: what to print beside the context: versions, hashes; values may be mappings.
        files: (relative path, what it is) of files that lie beside the report, to link to.
        beside: folder of the report; then each figure links to its PDF there.
    """
    found = answers(results, context)
    page = {
        "title": title,
        "context": context,
        "when": when(context),
        "few_images": few_images(results),
        "setting": setting(context),
        "decided": any(sentence.forms for sentences in found.values() for sentence in sentences),
        "answers": {model: by_question(sentences) for model, sentences in found.items()},
        "variants": variant_rows(results),
        "quantities": QUANTITIES,
        "columns": list(human_frame(results).columns[1:]),
        "table": table_groups(results, human_frame(results)),
        "details": {
            title: table_page(with_file(results), frame) for title, frame in detail_frames(results).items()
        },
        "accuracy": accuracy_page(results, losses, context),
        "unjudged": unjudged_note(results, points_text(margin_points(context))),
        "lossy": [] if layers is None else lossy_layers_texts(judged_rows(results), layers),
        "note": table_note(results, context),
        "figures": {name: figure_block(figure, beside) for name, figure in named(figures).items()},
        "accuracy_figures": ACCURACY_FIGURES,
        "pictures": [figure_block(figure, beside) for figure in pictures],
        "method": method(context),
        "sections": [(each, [figure_block(f, beside) for f in each.figures]) for each in sections],
        "limits": limits(context),
        "meanings": meanings(results),
        "lacking": lacking(results),
        "provenance": provenance_rows({**vars(context), **(provenance or {})}),
        "files": [(relative_link(path), text) for path, text in files],
    }
    return template().render(page)


def by_question(found: Sequence[Sentence]) -> list[tuple[str, list[Sentence]]]:
    """The answer's sentences by what they answer, in order: (heading, sentences)."""
    return [(about, each) for about in About if (each := [s for s in found if s.about is about])]


def judged_rows(results: pd.DataFrame) -> pd.DataFrame:
    """Without those of models of which nothing is judged."""
    return results[[not unjudged([row]) for row in records_of(results)]]


def write_report(path: Path, html: str) -> Path:
    write_text(path, html)
    return path


def registry_figures(folder: Path, absent: Mapping[str, str] | None = None) -> list[Figure]:
    """The figures of the registry that lie in ``folder``, in order, with how to read them.

    Args:
        absent: id -> why a figure has nothing to show; that stands in the place of how to read it.
    """
    reasons = {name: f"Nothing to show: {reason}." for name, reason in (absent or {}).items() if reason}
    entries = [
        (entry.title, Path(folder) / f"{entry.id}.png", reasons.get(entry.id, entry.how_to_read))
        for entry in FIGURES.values()
    ]
    return [entry for entry in entries if entry[1].is_file()]


def template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html.j2")


def few_images(results: pd.DataFrame) -> int:
    """Number of images where it is too small to conclude from, else 0."""
    most = results["images"].max()
    return int(most) if math.isfinite(most) and most < FEW_IMAGES else 0


def variant_rows(results: pd.DataFrame) -> list[dict[str, Any]]:
    """One entry per variant with its findings, ready for the template."""
    grouped = by_variant(findings(results))
    reasons = {(model, variant): found_of(reason) for model, variant, reason in failures(results)}
    return [
        {
            "model": model,
            "variant": variant,
            "failed": reasons.get((model, variant), ""),
            "cells": {f.quantity: finding_cell(f) for f in found},
        }
        for (model, variant), found in grouped.items()
    ]


def finding_cell(finding: Finding) -> tuple[str, str, str, str]:
    """CSS class, sign, judgement, and the text less what that says already; intervals do not break."""
    text = finding.text.rpartition(" shown: ")[2]
    text = re.sub(r"\[[^]]*\]", lambda found: found.group().replace(" ", "\u00a0"), text)
    return CLASSES[finding.judgement], SIGNS[finding.judgement], str(finding.judgement), text


def when(context: Context) -> str:
    """Time of the run as people read it."""
    return f"{creation_time(context):%Y-%m-%d %H:%M} UTC" if context.created_utc else "unknown time"


def named(figures: Sequence[Figure]) -> dict[str, Figure]:
    return {Path(path).stem: (title, path, how_to_read) for title, path, how_to_read in figures}


def figure_block(figure: Figure, beside: Path | None) -> dict[str, Any]:
    """Heading, embedded picture and text of one figure; pictures of photos need the page's whole width."""
    title, png, how_to_read = figure
    png = Path(png)
    if not png.is_file():
        raise LabError(
            f"the figure {png} does not exist.",
            "a PNG file for each figure of the report",
            "run 05_compare.ipynb, which draws them.",
        )
    pdf = png.with_suffix(".pdf")
    link = relative_link(os.path.relpath(pdf, beside)) if beside and pdf.is_file() else ""
    encoded = base64.b64encode(png.read_bytes()).decode()
    texts = {
        "title": title,
        "how_to_read": how_to_read,
        "caption": caption_of(png),
        "pdf": link,
        "id": png.stem,
    }
    return {**texts, "image": encoded, "wide": png.stem not in FIGURES}


def relative_link(path: str | Path) -> str:
    """A link that works wherever the folder is moved; anything else is refused."""
    text = Path(path).as_posix()
    if ":" in text or text.startswith(("/", "//")):
        raise LabError(f"the link {text!r} in the report.", "a path relative to the report", "pass one.")
    return text


def provenance_rows(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested mappings flattened to (name, text)."""
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            rows += provenance_rows(value, f"{name} / ")
        elif isinstance(value, list | tuple):
            rows.append((name, ", ".join(map(str, value))))
        else:
            rows.append((name, str(value)))
    return rows
