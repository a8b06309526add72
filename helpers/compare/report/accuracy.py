"""The report's section on accuracy: verdicts, differences, and where each variant's loss is."""

from typing import Any

import pandas as pd

from helpers.compare.tables.latex import split_interval
from helpers.compare.tables.loss import NOTE, class_frame, error_frame, with_totals
from helpers.compare.tables.writing import accuracy_frame, accuracy_note, difference_frame
from helpers.run.variants import is_compared, is_control
from helpers.show.context import Context
from helpers.show.rows import records_of
from helpers.show.values import failure_of

Group = tuple[str, list[dict[str, Any]]]


def accuracy_page(results: pd.DataFrame, losses: pd.DataFrame | None, context: Context) -> dict[str, Any]:
    """What the template needs for the section."""
    compared = results[results["variant"].map(is_compared)]
    return {
        "verdicts": table_page(results[~results["variant"].map(is_control)], accuracy_frame(results)),
        "note": accuracy_note(results, context),
        "differences": table_page(compared, difference_frame(results)),
        "errors": [] if losses is None else error_pages(with_totals(losses, results)),
        "errors_note": NOTE,
        "classes": [] if losses is None else class_pages(losses),
    }


def table_page(results: pd.DataFrame, texts: pd.DataFrame) -> dict[str, Any]:
    return {"columns": list(texts.columns[1:]), "groups": table_groups(results, texts)}


def table_groups(results: pd.DataFrame, texts: pd.DataFrame) -> list[Group]:
    """Per model its rows; each text apart from its interval, which the page puts below it.

    Args:
        texts: one row per row of the results; its first column is the model.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for row, (model, *line) in zip(records_of(results), texts.to_numpy().tolist(), strict=True):
        cells = [split_interval(text) for text in line]
        rows.setdefault(model, []).append({"failed": failure_of(row), "name": line[0], "cells": cells})
    return list(rows.items())


def error_pages(losses: pd.DataFrame) -> list[dict[str, Any]]:
    """One table for each model and variant."""
    texts = error_frame(losses)
    pages = []
    for (model, variant), frame in texts.groupby(["Model", "Variant"], sort=False):
        lines = frame.drop(columns=["Model", "Variant"])
        pages.append({"model": model, "variant": variant, "columns": list(lines.columns),
                      "rows": lines.to_numpy().tolist()})  # fmt: skip
    return pages


def class_pages(losses: pd.DataFrame) -> list[dict[str, Any]]:
    """One table for each model: the classes that lose most, a column for each variant."""
    frames = {str(model): class_frame(losses, str(model)) for model in losses["model"].unique()}
    return [
        {"model": model, "columns": list(frame.columns), "rows": frame.to_numpy().tolist()}
        for model, frame in frames.items()
        if len(frame)
    ]
