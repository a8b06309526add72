"""The results as tables: CSV in full precision, Markdown, LaTeX and HTML for people."""

import math
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from helpers.errors import LabError
from helpers.files import write_text
from helpers.show.captions import known, level_text
from helpers.show.figures_rows import AP_DIFFERENCE, GRADES, LATENCY_RATIO
from helpers.show.noise import noise_floor
from helpers.show.rows import Quantity, by_model, failure_of, number, records_of, require_columns
from helpers.units import format_bytes
from helpers.variants import BASELINE, CONTROL

COLUMNS = (
    "model", "variant", "storage_dtype", "compute_dtype", "size_bytes", "images", "ap", "ap_low", "ap_high",
    "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar100", "ap_diff", "ap_diff_low", "ap_diff_high",
    "latency_ms_p50", "latency_ms_p99", "latency_ratio", "latency_ratio_low", "latency_ratio_high",
    "peak_rss_bytes", "energy_j_per_image", "energy_low", "energy_high", "energy_grade", "failed",
)  # fmt: skip
ABSENT = "n/a"

AP = Quantity("ap", "ap_low", "ap_high", "AP", 100, 1)
LATENCY = Quantity("latency_ms_p50", "latency_ms_p50_low", "latency_ms_p50_high", "p50 (ms)", 1, 2)
# Its bounds are the lowest and the highest probe, no 95 % interval, so the table leaves them out.
MEMORY = Quantity("peak_rss_bytes", "", "", "Memory (MB)", 1e-6, 1)
P99 = Quantity("latency_ms_p99", "", "", "p99 (ms)", 1, 2)
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "×": r"$\times$",
    "Δ": r"$\Delta$", "…": r"\ldots{}", "²": r"$^2$", "µ": r"\textmu{}", "±": r"$\pm$", "<": r"\textless{}",
    ">": r"\textgreater{}",
}  # fmt: skip


def cell(quantity: Quantity) -> Callable[[Mapping[str, Any]], str]:
    def text(row: Mapping[str, Any]) -> str:
        interval = quantity.at(row)
        return quantity.text(interval) if interval else ABSENT

    return text


def accuracy_cell(row: Mapping[str, Any]) -> str:
    """AP with its interval, or why there is none."""
    reason = failure_of(row)
    return f"failed: {reason}" if reason else cell(AP)(row)


def difference_cell(row: Mapping[str, Any]) -> str:
    """Difference to float32; of float32 itself and of the same file there is none to measure."""
    fixed = {BASELINE: "reference", CONTROL: "0, same file"}.get(str(row["variant"]))
    return fixed if fixed and not failure_of(row) else cell(AP_DIFFERENCE)(row)


def ratio_cell(row: Mapping[str, Any]) -> str:
    is_reference = row["variant"] == BASELINE and not failure_of(row)
    return "reference" if is_reference else cell(LATENCY_RATIO)(row)


def energy_cell(row: Mapping[str, Any]) -> str:
    """In mJ, to a tenth; small figures to a hundredth."""
    digits = 1 if number(row, "energy_j_per_image") >= 0.01 else 2
    return cell(Quantity("energy_j_per_image", "energy_low", "energy_high", "mJ", 1e3, digits))(row)


def sizes_cell(row: Mapping[str, Any]) -> str:
    values = [number(row, f"ap_{area}") * 100 for area in ("small", "medium", "large")]
    if not any(math.isfinite(value) for value in values):
        return ABSENT
    return " / ".join(f"{value:.1f}" if math.isfinite(value) else ABSENT for value in values)


def grade_cell(row: Mapping[str, Any]) -> str:
    return ABSENT if failure_of(row) else str(row.get("energy_grade") or "D")


def dtypes_cell(row: Mapping[str, Any]) -> str:
    return f"{row.get('storage_dtype') or ABSENT} / {row.get('compute_dtype') or ABSENT}"


HUMAN = {
    "Variant": lambda row: str(row["variant"]),
    "Stored / computed": dtypes_cell,
    "Size": lambda row: format_bytes(number(row, "size_bytes")),
    "AP": accuracy_cell,
    "ΔAP": difference_cell,
    "AP small / medium / large": sizes_cell,
    "Latency p50 (ms)": cell(LATENCY),
    "p99 (ms)": cell(P99),
    "Latency ratio": ratio_cell,
    "Memory (MB)": cell(MEMORY),
    "Energy (mJ/image)": energy_cell,
    "Grade": grade_cell,
}
# What fits across a printed page.
LATEX_COLUMNS = ("Variant", "Stored / computed", "Size", "AP", "ΔAP", "Latency p50 (ms)", "Latency ratio",
                 "Energy (mJ/image)")  # fmt: skip


def human_frame(results: pd.DataFrame) -> pd.DataFrame:
    """Rounded texts, one row per model and variant, intervals in brackets."""
    require_columns(results, ["model", "variant"])
    rows = [
        {"Model": str(row["model"]), **{n: make(row) for n, make in HUMAN.items()}}
        for row in records_of(results)
    ]
    return pd.DataFrame(rows)


def table_note(results: pd.DataFrame, context: Mapping[str, Any] | None = None) -> str:
    """What a reader must know beside the numbers: units, intervals, noise floor, energy grade."""
    context = context or {}
    parts = [f"AP in points (AP × 100), n = {image_count(results, context)} images. Brackets: "
             f"{level_text(context)} intervals. Ratio: variant / float32."]  # fmt: skip
    parts += [noise_text(model, frame) for model, frame in by_model(results)]
    grades = sorted({grade_cell(row) for row in records_of(results)} - {ABSENT})
    parts += [f"Energy grade {grade}: {GRADES.get(grade, 'unknown')}." for grade in grades]
    return " ".join([*parts, str(context.get("meter_sentence") or "")]).strip()


def image_count(results: pd.DataFrame, context: Mapping[str, Any]) -> str:
    counts = pd.to_numeric(results["images"], errors="coerce").dropna() if "images" in results else []
    return f"{int(max(counts))}" if len(counts) else known(context, "images")


def noise_text(model: str, frame: pd.DataFrame) -> str:
    """Noise floors of one model, from its control."""
    floors = {quantity: noise_floor(frame, quantity) for quantity in ("latency", "energy")}
    texts = [f"{quantity} {floor.text() if floor else 'unknown'}" for quantity, floor in floors.items()]
    return f"Noise floor of the ratios of {model} (control): {', '.join(texts)}."


def ordered(results: pd.DataFrame) -> pd.DataFrame:
    """The documented columns first, then the others, in their order."""
    require_columns(results, COLUMNS)
    rest = [column for column in results.columns if column not in COLUMNS]
    return results[[*COLUMNS, *rest]]


def markdown(results: pd.DataFrame, context: Mapping[str, Any] | None = None) -> str:
    frame = human_frame(results)
    lines = [list(frame.columns), ["---"] * frame.shape[1], *frame.to_numpy().tolist()]
    rows = ["| " + " | ".join(escape_markdown(str(text)) for text in line) + " |" for line in lines]
    return "\n".join(rows) + f"\n\n{table_note(results, context)}\n"


def escape_markdown(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())


def escape_latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def latex(results: pd.DataFrame, context: Mapping[str, Any] | None = None) -> str:
    """A ``booktabs`` table with caption, label and note; needs no package but ``booktabs``."""
    run = known(context or {}, "run")
    lines = [
        r"\begin{table*}",
        r"\centering\small",
        rf"\caption{{{escape_latex(f'Quantized variants against float32, run {run}.')}}}",
        r"\label{tab:quantization-results}",
        rf"\begin{{tabular}}{{{'l' * len(LATEX_COLUMNS)}}}",
        r"\toprule",
        " & ".join(escape_latex(name) for name in LATEX_COLUMNS) + r" \\",
        *(latex_model(model, frame) for model, frame in by_model(results)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip",
        rf"\parbox{{\linewidth}}{{\footnotesize {escape_latex(table_note(results, context))}}}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def latex_model(model: str, frame: pd.DataFrame) -> str:
    """The rows of one model under its name; a failed variant's reason runs across its row."""
    lines = [
        r"\midrule",
        rf"\multicolumn{{{len(LATEX_COLUMNS)}}}{{l}}{{\textbf{{{escape_latex(model)}}}}} \\",
    ]
    for row, (_, texts) in zip(records_of(frame), human_frame(frame).iterrows(), strict=True):
        cells = [escape_latex(texts[name]) for name in LATEX_COLUMNS]
        if failure_of(row):
            width, reason = len(LATEX_COLUMNS) - 1, textwrap.shorten(texts["AP"], 100, placeholder=" …")
            cells = [cells[0], rf"\multicolumn{{{width}}}{{l}}{{\emph{{{escape_latex(reason)}}}}}"]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join(lines)


def write_results(
    results: pd.DataFrame, folder: Path, context: Mapping[str, Any] | None = None
) -> list[Path]:
    """Write ``results.csv`` (full precision), ``results.md`` and ``results.tex``; return the three paths."""
    texts = {
        "csv": ordered(results).to_csv(index=False, lineterminator="\n"),
        "md": markdown(results, context),
        "tex": latex(results, context),
    }
    for suffix, text in texts.items():
        write_text(Path(folder) / f"results.{suffix}", text)
    return [Path(folder) / f"results.{suffix}" for suffix in texts]


def read_results(path: Path) -> pd.DataFrame:
    """Read back ``results.csv``, numbers exact, texts as texts."""
    cure = "run 05_compare.ipynb, which writes it."
    try:
        frame = pd.read_csv(path, float_precision="round_trip")
    except FileNotFoundError:
        raise LabError(f"{path} does not exist.", "a results table", cure) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise LabError(f"{path} is not a results table ({error}).", "a whole CSV file", cure) from None
    require_columns(frame, COLUMNS)
    texts = [c for c in ("failed", "energy_reason", "storage_dtype", "compute_dtype") if c in frame]
    return frame.assign(**{column: frame[column].fillna("").astype(str) for column in texts})


def display_table(results: pd.DataFrame, context: Mapping[str, Any] | None = None) -> Styler:
    """The same texts as in Markdown, as a table that notebooks show, with the note below."""
    frame = human_frame(results)
    if results["model"].nunique() == 1:
        frame = frame.drop(columns="Model")
    styler = Styler(frame, uuid="results", escape="html").hide(axis="index")
    left = {"text-align": "left", "white-space": "nowrap"}
    rules = "; ".join(f"{key}: {value}" for key, value in left.items())
    styler.set_table_styles([
        {"selector": "th, td", "props": rules},
        {"selector": "caption", "props": "caption-side: bottom; text-align: left; max-width: 60em"},
    ])  # fmt: skip
    return styler.set_caption(table_note(results, context))
