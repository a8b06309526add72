"""All seven together: what they showed, kept with the run, and the checks at the notebook's end."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from pandas.io.formats.style import Styler

from helpers.lab.records import Record
from helpers.pitfalls.bench import Bench
from helpers.pitfalls.outcome import Outcome
from helpers.run.experiment import Run, keep, origin
from helpers.run.variants import BASELINE
from helpers.show.checks import require

ENTRIES = 7


def record_file(bench: Bench) -> Path:
    return bench.folder / "outcomes.json"


def keep_outcomes(bench: Bench, outcomes: Sequence[Outcome]) -> Record:
    """Write what was shown, with what it rests on, beside the files that the gallery made."""
    source = origin(
        {BASELINE: bench.variant(BASELINE)},
        {"photos": len(bench.photos), "resamples": len(bench.weights) - 1, "seed": bench.run.profile.seed},
        "helpers.pitfalls.checks",
    )
    values = [
        {"title": found.title, "failure": asdict(found.failure), "cure": asdict(found.cure)}
        | {"absent": found.absent, "table": found.table.to_dict("records")}
        for found in outcomes
    ]
    return keep(record_file(bench), "pitfalls", source, {"outcomes": values})


def summary_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """One row per failure."""
    return pd.DataFrame(
        {
            "what was done": [f"{number} {found.title}" for number, found in enumerate(outcomes, 1)],
            "what came of it": [found.absent or found.failure.told for found in outcomes],
            "the cure": ["" if found.absent else found.cure.told for found in outcomes],
        }
    )


def check_pitfalls(run: Run, bench: Bench, outcomes: Sequence[Outcome]) -> Styler:
    """Seven failures and their cures, each shown; where that is not demanded (``Bench.other``), measured.

    Raises:
        LabError: one did not show.
    """
    checks = {
        "seven failures": len(outcomes) == ENTRIES,
        "the record is written": record_file(bench).is_file(),
    }
    for number, found in enumerate(outcomes, 1):
        if bench.other:
            told = found.absent or ("shows" if found.failure.holds else "does not show here")
            checks[f"{number} {found.title}: {told}"] = True
        else:
            checks[f"{number} {found.title}: {found.failure.sentence}"] = found.failure.holds
            checks[f"{number} {found.title}: {found.cure.sentence}"] = found.cure.holds
    checks[f"all files lie below {run.paths.name}"] = bench.folder.is_relative_to(run.paths.folder)
    return require(checks)
