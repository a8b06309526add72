"""The one-page report: findings, table, figures, method and provenance in one self-contained HTML file."""

import base64
import math
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from helpers.errors import LabError
from helpers.files import write_text
from helpers.show.captions import known, level_text, threads_text
from helpers.show.figures import FIGURES
from helpers.show.findings import Finding, Verdict, by_variant, failures, findings
from helpers.show.rows import by_model, failure_of, records_of
from helpers.show.style import creation_time
from helpers.show.tables import HUMAN, human_frame, table_note
from helpers.variants import BASELINE, CONTROL, VARIANTS

TITLE = "What quantization costs and saves"
FEW_IMAGES = 100
QUANTITIES = {"accuracy": "Accuracy", "latency": "Latency", "size": "File size", "energy": "Energy"}
# Words carry the verdict; the sign helps the eye, also without colour.
SIGNS = {Verdict.BETTER: "▲", Verdict.WORSE: "▼", Verdict.NONE_SHOWN: "○", Verdict.NOT_JUDGED: "?"}
CLASSES = {Verdict.BETTER: "better", Verdict.WORSE: "worse", Verdict.NONE_SHOWN: "none",
           Verdict.NOT_JUDGED: "unjudged"}  # fmt: skip
Figure = tuple[str, Path, str]


@dataclass(frozen=True)
class Section:
    """A passage of the caller's own: a heading and paragraphs of plain text."""

    title: str
    paragraphs: Sequence[str]


def render_report(
    results: pd.DataFrame,
    figures: Sequence[Figure],
    context: Mapping[str, Any],
    *,
    title: str = TITLE,
    sections: Sequence[Section] = (),
    provenance: Mapping[str, Any] | None = None,
    files: Sequence[tuple[str, str]] = (),
    beside: Path | None = None,
) -> str:
    """The report as HTML with everything embedded.

    Args:
        figures: (title, path of the PNG, how to read it).
        sections: passages to put before the limits, such as a publisher's stated accuracy.
        provenance: what to print beside the context: versions, hashes; values may be mappings.
        files: (relative path, what it is) of files that lie beside the report, to link to.
        beside: folder of the report; then each figure links to its PDF there.
    """
    page = {
        "title": title,
        "context": defaultdict(str, context),
        "when": when(context),
        "few_images": few_images(results),
        "variants": variant_rows(results),
        "quantities": QUANTITIES,
        "columns": list(HUMAN),
        "table": table_groups(results),
        "note": table_note(results, context),
        "figures": [figure_block(figure, beside) for figure in figures],
        "method": method(context),
        "sections": sections,
        "limits": limits(context),
        "meanings": meanings(results),
        "failures": failures(results),
        "provenance": provenance_rows({**context, **(provenance or {})}),
        "files": [(relative_link(path), text) for path, text in files],
    }
    return template().render(page)


def write_report(path: Path, html: str) -> Path:
    write_text(path, html)
    return path


def registry_figures(folder: Path) -> list[Figure]:
    """The figures of the registry that lie in ``folder``, in order, with how to read them."""
    entries = [
        (entry.title, Path(folder) / f"{entry.id}.png", entry.how_to_read) for entry in FIGURES.values()
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
    reasons = {(model, variant): reason for model, variant, reason in failures(results)}
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
    """CSS class, sign, verdict, and the text less what the verdict says already; intervals do not break."""
    text = finding.text.rpartition(" shown: ")[2]
    text = re.sub(r"\[[^]]*\]", lambda found: found.group().replace(" ", "\u00a0"), text)
    return CLASSES[finding.verdict], SIGNS[finding.verdict], str(finding.verdict), text


def table_groups(results: pd.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    """Per model its rows; each text apart from its interval, which the page puts below it."""
    groups = []
    for model, frame in by_model(results):
        texts = human_frame(frame).drop(columns="Model").to_numpy().tolist()
        reasons = list(map(failure_of, records_of(frame)))
        rows = [
            {"failed": reason, "name": line[0], "cells": [split_interval(text) for text in line]}
            for line, reason in zip(texts, reasons, strict=True)
        ]
        groups.append((model, rows))
    return groups


def split_interval(text: str) -> tuple[str, str]:
    """``61.2 [59.8, 62.7]`` -> (``61.2``, ``[59.8, 62.7]``)."""
    value, bracket, rest = text.partition(" [")
    return value, f"[{rest}" if bracket else ""


def when(context: Mapping[str, Any]) -> str:
    """Time of the run as people read it."""
    return f"{creation_time(context):%Y-%m-%d %H:%M} UTC" if context.get("created_utc") else "unknown time"


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
    texts = {"title": title, "how_to_read": how_to_read, "pdf": link, "id": png.stem}
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


def meanings(results: pd.DataFrame) -> list[tuple[str, str]]:
    """What each variant in the table is."""
    control = {CONTROL: "The file of float32, timed as if it were another variant: what it shows is noise."}
    known_variants = {**{v.id: v.meaning for v in VARIANTS.values()}, **control}
    present = dict.fromkeys(map(str, results["variant"]))
    return [(variant, known_variants[variant]) for variant in present if variant in known_variants]


def method(context: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(quantity, how it was measured)."""
    meter = context.get("meter_sentence") or f"Meter: {known(context, 'meter')}."
    return [
        (
            "Accuracy",
            "COCO average precision (AP): the mean over ten overlap thresholds, IoU 0.50 to 0.95, and all "
            "categories, of the area under the precision-recall curve. The 100 best detections of each image "
            "count, down to a score of 0.001 or less: a higher threshold would cut off the curve. Printed in "
            "points (AP × 100). Small, medium and large are COCO's areas: below 32² px, up to 96², above.",
        ),
        (
            "Accuracy differences",
            f"Paired bootstrap over images: {known(context, 'resamples')} resamples, the same for every "
            f"variant, {level_text(context)} percentile interval.",
        ),
        (
            "Latency",
            "Inference of the quantized core alone. Reading, decoding and resizing of images, box decoding "
            "and non-maximum suppression are outside. Variants take turns in random order over "
            f"{known(context, 'rounds')} rounds, {threads_text(context)}; warm-ups are left out.",
        ),
        (
            "Noise floor",
            f"The control is {BASELINE} measured a second time as if it were another variant. Its ratio to "
            "itself should be 1; how far its interval strays is the noise floor. A ratio counts as a "
            "difference only if its interval excludes 1 and lies wholly outside that floor.",
        ),
        (
            "Memory",
            "Peak resident memory of a fresh process per variant, less that of a process which only loads "
            "the runtime.",
        ),
        (
            "Energy",
            f"{meter} Grades: A, hardware counter of the CPU; B, counter of the accelerator; C, an estimate; "
            "D, none. Figures of different grades are not comparable.",
        ),
        (
            "Data types",
            "Storage: what the file holds. Computation: what the kernels multiply. Both are read from the "
            "file, not from the option that was asked for.",
        ),
    ]


def limits(context: Mapping[str, Any]) -> list[str]:
    """What must not be concluded."""
    return [
        f"Latency, memory and energy hold for this host ({known(context, 'host')}), this runtime and this "
        "number of threads. Another processor may order the variants differently.",
        "Accuracy holds for this model and these images. Another model may lose far more, or nothing, from "
        "the same recipe.",
        "The intervals cover the choice of images and the spread over rounds. They do not cover another "
        "training, another choice of calibration photos, or another day on this machine.",
        "“No difference shown” means that this experiment could not tell the two apart. It does not mean "
        "that they are equal.",
        "Several variants are compared with float32, each at the stated level by itself. Among twenty such "
        "comparisons, one can be expected to look like a difference by chance.",
    ]
