"""What 07 shows and writes: all forms, and the answers to the claims."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.lab.files import write_text
from helpers.lab.intervals import Interval, bias_corrected_interval, interval_of, spread
from helpers.ladder.claims import CLAIMS, Answer, answers, summary
from helpers.ladder.families import family_of, is_deployable
from helpers.ladder.stage import Ladder, chosen_forms, read_draws, read_rungs
from helpers.run.experiment import Run
from helpers.run.standing import scored_failure
from helpers.run.variants import BASELINE

COLUMNS = (
    "model", "variant", "kind", "deployable", "weight_bits", "activation_bits", "size_bytes", "coded_bytes",
    "download_bytes", "ap", "ap_low", "ap_high", "ap_diff", "ap_diff_low", "ap_diff_high", "sqnr_db",
    "failed",
)  # fmt: skip


def ladder_frame(run: Run, ladders: Sequence[Ladder]) -> pd.DataFrame:
    """``ladder.csv``: one row per model and form, columns ``COLUMNS``; AP as fractions 0..1.

    The forms of a model without an AP have a row each, with the reason.
    """
    by_model = {ladder.model.id: ladder for ladder in ladders}
    rows = []
    for model in run.models:
        if model.id in by_model:
            rows += rows_of(by_model[model.id])
        else:
            why = scored_failure(run, model)
            rows += [{**name_of(model.id, form.id), "failed": why} for form in chosen_forms(run, model)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def rows_of(ladder: Ladder) -> list[dict[str, Any]]:
    draws, rows = read_draws(ladder), []
    for form, record in read_rungs(ladder).items():
        row = {**name_of(ladder.model.id, form), "failed": record.failure}
        if record.values:
            known = {name: value for name, value in vars(record.values).items() if name in COLUMNS}
            row |= known | accuracy(draws[form], draws.get(BASELINE), form)
        rows.append(row)
    return rows


def name_of(model: str, form: str) -> dict[str, Any]:
    return {"model": model, "variant": form, "kind": family_of(form).id, "deployable": is_deployable(form)}


def accuracy(own: np.ndarray, base: np.ndarray | None, form: str) -> dict[str, float]:
    """AP and its difference to float32's, with 95 % intervals; draws ``[1 + B]``."""
    found = spread("ap", bias_corrected_interval(own))
    if base is None or form == BASELINE:
        return found
    return found | spread("ap_diff", interval_of(own - base))


def table_file(run: Run) -> Path:
    return run.paths.folder / "ladder.csv"


def save_frame(run: Run, frame: pd.DataFrame) -> Path:
    """Write ``ladder.csv`` of a run; return its path."""
    write_text(table_file(run), frame.to_csv(index=False))
    return table_file(run)


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """All forms for people, those of a model by bits: sizes in kB, AP in points."""
    ordered = frame.sort_values(["model", "weight_bits"], ascending=[True, False], kind="stable")
    table = pd.DataFrame(
        {
            "form": ordered["variant"],
            "kernels": np.where(ordered["deployable"], "yes", "no"),
            "weight bits": ordered["weight_bits"].map(lambda bits: number(bits, 2)),
            "activation bits": ordered["activation_bits"].map(lambda bits: number(bits, 0)),
            "size (kB)": ordered["coded_bytes"].map(lambda size: number(size / 1000, 0)),
            "SQNR (dB)": ordered["sqnr_db"].map(noise_text),
            "AP": (100 * ordered["ap"]).map(lambda points: number(points, 2)),
            "ΔAP [95 %]": [difference_text(row) for row in ordered.to_dict("records")],
            "failed": ordered["failed"],
        }
    )
    several = frame["model"].nunique() > 1
    table = table.assign(model=ordered["model"])[["model", *table.columns]] if several else table
    table = table.reset_index(drop=True)
    return table if frame["failed"].any() else table.drop(columns="failed")


def noise_text(noise_db: float) -> str:
    return "exact" if noise_db >= 140 else number(noise_db, 1)


def number(value: float, digits: int) -> str:
    return "" if pd.isna(value) else f"{value:,.{digits}f}"


def difference_text(row: dict[str, Any]) -> str:
    if pd.isna(row["ap_diff"]):
        return ""
    return interval_text(Interval(*(100 * row[f"ap_diff{end}"] for end in ("", "_low", "_high"))))


def interval_text(points: Interval) -> str:
    """``−0.31 [−0.52, −0.10]``."""
    text = f"{points.value:+.2f} [{points.low:+.2f}, {points.high:+.2f}]"
    return text.replace("-", "−")


def of_ladders(table: Callable[[Ladder], pd.DataFrame], ladders: Sequence[Ladder]) -> pd.DataFrame:
    """The table of every model, one below the other, with the model's id if there are several."""
    tables = {ladder.model.id: table(ladder) for ladder in ladders}
    if len(tables) == 1:
        return next(iter(tables.values()))
    named = [own.assign(model=model)[["model", *own.columns]] for model, own in tables.items()]
    return pd.concat(named, ignore_index=True)


def claims_table(ladder: Ladder) -> pd.DataFrame:
    """One row per claim."""
    found = answers_of_run(ladder)
    rows = []
    for claim in CLAIMS:
        own = [answer for answer in found if answer.claim is claim]
        text = summary(own) if own else "not asked: its forms are not in this run, or failed"
        rows.append({"claim": claim.sentence, "answer": text})
    return pd.DataFrame(rows)


def answers_of_run(ladder: Ladder) -> list[Answer]:
    return answers(read_draws(ladder), ladder.run.margin_points, ladder.run.profile.conclusive)


PAIRS = ("claim", "form", "against", "bits", "ΔAP (points) [95 %]", "answer")


def answers_table(ladder: Ladder) -> pd.DataFrame:
    """One row per pair of forms, with the bits of both."""
    bits = {form: record.values.weight_bits for form, record in read_rungs(ladder).items() if record.values}
    return pd.DataFrame(
        [
            {
                "claim": answer.claim.sentence,
                "form": answer.form,
                "against": answer.other,
                "bits": f"{bits[answer.form]:.2f} : {bits[answer.other]:.2f}",
                "ΔAP (points) [95 %]": interval_text(answer.difference),
                "answer": answer.answer,
            }
            for answer in answers_of_run(ladder)
        ],
        columns=list(PAIRS),
    )
