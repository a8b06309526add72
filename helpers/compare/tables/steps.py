"""The steps to a cured int8 as a table, and the operators that stay float."""

from typing import Any

import pandas as pd

from helpers.compare.cured import AP, CHANGE, LOSS, RATIO, TIME
from helpers.lab.quantities import ABSENT, number
from helpers.show.rows import records_of

NOTE = (
    "Each step's file on {photos} evaluation photos, which the search has not seen. AP in points; brackets: "
    "95 % intervals, of AP paired over photos, of time over processes. AP by order of ties: lowest and "
    "highest AP over the orders of equal scores: coarse scores are part of what int8 loses. Agreement: with "
    "float32's own detections on calibration photos held back, in points of 100: what the search went by. "
    "All steps are made by the photos not held back, so that the first is not quite the variant int8."
)
STEP_COLUMNS = (
    "Model", "Variant", "Step", "What was chosen", AP.title, LOSS.title, CHANGE.title, "AP by order of ties",
    "Score levels", TIME.title, RATIO.title, "Agreement",
)  # fmt: skip


def steps_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Texts, one row per step; ``frame``: ``cured.cured_frame``."""
    return pd.DataFrame([step_texts(row) for row in records_of(frame)], columns=list(STEP_COLUMNS))


def step_texts(row: dict[str, Any]) -> dict[str, str]:
    failed, first = str(row["failed"] or ""), row["place"] == 0
    told = row["told"] if isinstance(row["told"], str) else ""
    texts = {
        "Model": str(row["model"]),
        "Variant": str(row["variant"]),
        "Step": row["step"] if isinstance(row["step"], str) else ABSENT,
        "What was chosen": f"failed: {failed}" if failed else told,
        AP.title: AP.cell(row),
        LOSS.title: "reference" if first else LOSS.cell(row),
        CHANGE.title: "" if row["place"] < 2 else CHANGE.cell(row),
        "AP by order of ties": ties(row),
        "Score levels": whole(row, "distinct_scores"),
        TIME.title: TIME.cell(row),
        RATIO.title: "reference" if first else RATIO.cell(row),
        "Agreement": whole(row, "agreement"),
    }
    return texts


def ties(row: dict[str, Any]) -> str:
    worst, best = (100 * number(row, name) for name in ("ap_worst", "ap_best"))
    return f"{worst:.2f} to {best:.2f}" if worst == worst else ABSENT


def whole(row: dict[str, Any], column: str) -> str:
    value = number(row, column)
    return f"{value:,.0f}" if value == value else ""


def steps_note(frame: pd.DataFrame) -> str:
    photos = frame["photos"].dropna()
    return NOTE.format(photos=f"{int(photos.max()):,}" if len(photos) else "the")


def floats_table(floats: pd.DataFrame, most: int = 4) -> pd.DataFrame:
    """One row per kind of operator and reason: how many, and the first ``most`` by name."""
    rows = []
    for (model, variant, kind, why), own in floats.groupby(["model", "variant", "type", "why"], sort=False):
        names = [str(name).partition(";")[0] for name in own["operator"]]  # a converter joins several by it
        told = ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
        rows.append({"Model": model, "Variant": variant, "Operator": kind, "How many": str(len(names)),
                     "Why it stays float": why, "Which": told})  # fmt: skip
    columns = ["Model", "Variant", "Operator", "How many", "Why it stays float", "Which"]
    return pd.DataFrame(rows, columns=columns)
