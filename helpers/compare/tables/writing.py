"""The results as tables: CSV in full precision, Markdown, LaTeX and HTML for people."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from helpers.compare.figures.one_row_each import GRADES
from helpers.compare.noise import noise_floor
from helpers.compare.quantities import QUANTITIES
from helpers.compare.report.lacking import lacking_note
from helpers.compare.results import COLUMNS
from helpers.compare.tables.cells import (
    ACCURACY,
    DETAILS,
    DIFFERENCES,
    SUMMARY,
    VERDICT,
    WITHIN,
    grade_cell,
    within_title,
)
from helpers.compare.tables.latex import latex_table
from helpers.compare.tables.loss import NOTE, error_frame, with_totals
from helpers.compare.verdict_texts import is_judged, unjudged_note
from helpers.lab.errors import LabError
from helpers.lab.files import write_text
from helpers.lab.quantities import ABSENT
from helpers.run.variants import is_compared, is_control
from helpers.show.captions import has_several_runtimes, level_text, margin_points, of_the_runtime, points_text
from helpers.show.context import UNKNOWN, Context, known
from helpers.show.rows import by_model, records_of, require_columns
from helpers.show.values import failure_of

Cells = Mapping[str, Callable[[Mapping[str, Any]], str]]


def text_frame(results: pd.DataFrame, cells: Cells) -> pd.DataFrame:
    """Rounded texts, one row per row of the results: ``Model``, ``failed`` and a column for each cell."""
    rows = [
        {"Model": str(row["model"]), "failed": failure_of(row), **{n: make(row) for n, make in cells.items()}}
        for row in records_of(results)
    ]
    return pd.DataFrame(rows, columns=["Model", "failed", *cells])


def human_frame(
    results: pd.DataFrame, cells: Cells = SUMMARY, shown: Callable[[str], bool] = lambda variant: True
) -> pd.DataFrame:
    """Rounded texts for people, intervals in brackets; the margin's size in the name of its column.

    Args:
        shown: whether a variant gets a row.
    """
    require_columns(results, ["model", "variant"])
    texts = text_frame(results[results["variant"].map(shown).astype(bool)], asked(results, cells))
    return texts.drop(columns="failed").rename(columns={WITHIN: within_title(results)})


def asked(results: pd.DataFrame, cells: Cells) -> Cells:
    """The cells without the verdict and what it rests on, where no variant has one."""
    judged = is_judged(results)
    return {name: make for name, make in cells.items() if judged or name not in VERDICT}


def with_file(results: pd.DataFrame) -> pd.DataFrame:
    """Without variants that failed: the first table says why, and that is once enough."""
    return results[[not failure_of(row) for row in records_of(results)]]


def detail_frames(results: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Title -> texts, of the quantities that the first table leaves out."""
    whole = with_file(results)
    return {title: human_frame(whole, cells) for title, cells in DETAILS.items()} if len(whole) else {}


def accuracy_frame(results: pd.DataFrame) -> pd.DataFrame:
    """Verdicts, and what the order of equal scores leaves open, of each variant and the baseline."""
    return human_frame(results, ACCURACY, lambda variant: not is_control(variant))


def difference_frame(results: pd.DataFrame) -> pd.DataFrame:
    """Differences to float32 of the other accuracies, each with its own interval."""
    return human_frame(results, DIFFERENCES, is_compared)


def table_note(results: pd.DataFrame, context: Context = UNKNOWN) -> str:
    """What a reader must know beside the numbers: units, intervals, noise floor, energy grade."""
    parts = [f"AP in points (AP × 100), n = {image_count(results, context)} images. Brackets: "
             f"{level_text(context)} intervals. Ratio: variant / float32{of_runtime(results)}."]  # fmt: skip
    parts += [noise_text(model, frame) for model, frame in by_model(results) if not all_failed(frame)]
    grades = sorted({grade_cell(row) for row in records_of(results)} - {ABSENT})
    meter = context.meter_sentence
    said = [grade for grade in grades if meter.lower().startswith(GRADES.get(grade, "unknown"))]
    # The meter's own sentence may begin with what its grade means: that is said once.
    parts += [
        f"Energy grade {grade}: {GRADES.get(grade, 'unknown')}." for grade in grades if grade not in said
    ]
    return " ".join([*parts, *(f"Energy grade {grade}:" for grade in said), meter]).strip()


def of_runtime(results: pd.DataFrame) -> str:
    """To which float32, where the results are of several runtimes."""
    across = "; across runtimes: / float32 of the model's own runtime"
    return of_the_runtime(results) + across * has_several_runtimes(results)


def whole_note(results: pd.DataFrame, context: Context = UNKNOWN) -> str:
    """``table_note``, and what has no value, for a table that no list of failures goes with."""
    return f"{table_note(results, context)} {lacking_note(results)}".strip()


def accuracy_note(results: pd.DataFrame, context: Context = UNKNOWN) -> str:
    """What the verdicts rest on, or why there is none."""
    judged = (
        f"{within_title(results)}: whether the loss is smaller than that, by the bounds “all at once”, which "
        f"hold for all variants together ({level_text(context)}, Bonferroni). Resamples worse: share of the "
        f"{known(context, 'resamples')} paired resamples in which the variant is below float32."
    )
    asked_for = unjudged_note(results, points_text(margin_points(context))) or judged
    return (
        f"AP in points (AP × 100), n = {image_count(results, context)} images. {asked_for} "
        "AP by order of ties: lowest and highest AP over the orders of equal scores; AP and ΔAP take the "
        "order of pycocotools, by image."
    )


def image_count(results: pd.DataFrame, context: Context) -> str:
    counts = pd.to_numeric(results["images"], errors="coerce").dropna() if "images" in results else []
    return f"{int(max(counts))}" if len(counts) else known(context, "images")


def all_failed(frame: pd.DataFrame) -> bool:
    return all(failure_of(row) for row in records_of(frame))


def noise_text(model: str, frame: pd.DataFrame) -> str:
    """Noise floors of one model."""
    floors = {quantity: noise_floor(frame, quantity) for quantity in ("latency", "energy")}
    texts = [f"{quantity} {floor.text() if floor else 'unknown'}" for quantity, floor in floors.items()]
    return f"Noise floor of the ratios of {model}: {', '.join(texts)}."


def markdown(results: pd.DataFrame, context: Context = UNKNOWN, losses: pd.DataFrame | None = None) -> str:
    """The results, the verdicts, the other differences and where the loss is, each with its note."""
    tables = {
        "": (human_frame(results), whole_note(results, context)),
        **{title: (frame, "") for title, frame in detail_frames(results).items()},
        "Accuracy": (accuracy_frame(results), accuracy_note(results, context)),
        "Differences to float32": (difference_frame(results), "In points; each interval by itself."),
    }
    if losses is not None:
        tables["Where the loss is"] = error_frame(with_totals(losses, results)), NOTE
    parts = [
        (f"## {title}\n\n" if title else "") + f"{markdown_table(frame)}\n" + (f"\n{note}\n" if note else "")
        for title, (frame, note) in tables.items()
        if len(frame)
    ]
    return "\n".join(parts)


def markdown_table(frame: pd.DataFrame) -> str:
    lines = [list(frame.columns), ["---"] * frame.shape[1], *frame.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(escape_markdown(str(text)) for text in line) + " |" for line in lines)


def escape_markdown(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())


def latex(results: pd.DataFrame, context: Context = UNKNOWN) -> str:
    """A table of what matters most, and narrower ones of the rest; each fits a page."""
    run = known(context or {}, "run")
    tables = {
        "Quantized variants against float32": (SUMMARY, whole_note(results, context)),
        "Accuracy against float32": (ACCURACY, accuracy_note(results, context)),
        **{title: (cells, "") for title, cells in DETAILS.items()},
    }
    return "\n".join(
        latex_table(
            text_frame(shown, asked(shown, cells)).rename(columns={WITHIN: within_title(results)}),
            f"{title}, run {run}.", f"tab:quantization-{slug(title)}", note,
        )
        for title, (cells, note) in tables.items()
        if len(shown := results if cells is SUMMARY else with_file(results))
    )  # fmt: skip


def slug(title: str) -> str:
    return title.split(" ")[0].lower()


def write_results(
    results: pd.DataFrame,
    folder: Path,
    context: Context = UNKNOWN,
    losses: pd.DataFrame | None = None,
    long: pd.DataFrame | None = None,
) -> list[Path]:
    """Write ``results.csv`` (full precision), ``results.md`` and ``results.tex``; return the paths.

    Where there are losses, ``losses.csv`` too; where there are results by quantity, ``results_long.csv``.
    """
    require_columns(results, COLUMNS)
    texts = {
        "results.csv": csv_text(results),
        "results.md": markdown(results, context, losses),
        "results.tex": latex(results, context),
    }
    texts |= {} if losses is None else {"losses.csv": csv_text(losses)}
    texts |= {} if long is None else {"results_long.csv": csv_text(long)}
    for name, text in texts.items():
        write_text(Path(folder) / name, text)
    return [Path(folder) / name for name in texts]


def csv_text(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, lineterminator="\n")


def read_results(path: Path) -> pd.DataFrame:
    """Read back ``results.csv``, numbers exact, texts as texts; what an older run did not measure is NaN."""
    cure = "run 05_compare.ipynb, which writes it."
    try:
        frame = pd.read_csv(path, float_precision="round_trip")
    except FileNotFoundError:
        raise LabError(f"{path} does not exist.", "a results table", cure) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise LabError(f"{path} is not a results table ({error}).", "a whole CSV file", cure) from None
    require_columns(frame, ["model", "variant", "failed"])
    frame = frame.reindex(columns=list(dict.fromkeys([*COLUMNS, *frame.columns])))
    texts = ("failed", *(q.reason for q in QUANTITIES.values() if q.reason), "storage_dtype", "compute_dtype")
    return frame.assign(**{column: frame[column].fillna("").astype(str) for column in texts})


def display_table(results: pd.DataFrame, context: Context = UNKNOWN) -> Styler:
    """The same texts as in Markdown, as a table that notebooks show, with the note below."""
    return display_texts(human_frame(results), whole_note(results, context), "results")


def display_accuracy(results: pd.DataFrame, context: Context = UNKNOWN) -> Styler:
    """The verdicts, with what they rest on below."""
    return display_texts(accuracy_frame(results), accuracy_note(results, context), "accuracy")


def display_details(results: pd.DataFrame) -> dict[str, Styler]:
    """Title -> table, of the quantities that the first table leaves out."""
    frames = detail_frames(results)
    return {title: display_texts(frame, "", slug(title)) for title, frame in frames.items()}


def display_texts(frame: pd.DataFrame, note: str, name: str) -> Styler:
    """A table that notebooks show; an interval stands below its value, so that columns stay narrow."""
    if frame["Model"].nunique() == 1:
        frame = frame.drop(columns="Model")
    lines = frame.map(lambda text: text.replace(" [", "\n["))
    styler = Styler(lines, uuid=name, escape="html").hide(axis="index")
    left = {"text-align": "left", "white-space": "pre"}
    rules = "; ".join(f"{key}: {value}" for key, value in left.items())
    styler.set_table_styles([
        {"selector": "th, td", "props": rules},
        {"selector": "caption", "props": "caption-side: bottom; text-align: left; max-width: 60em"},
    ])  # fmt: skip
    return styler.set_caption(note)
