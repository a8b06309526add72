"""What 07 found of a trained form beside the form of the same bits that needs no training."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.lab.intervals import Absent, Interval, interval_of
from helpers.ladder.claims import TRAINING
from helpers.ladder.stage import draws_file
from helpers.models.registry import Model
from helpers.run.experiment import Run

LADDER_TABLE = "ladder.csv"
# Trained form -> the form of the same bits that needs no training.
UNTRAINED_PAIR = dict(TRAINING.pairs)


@dataclass(frozen=True)
class Pair:
    """AP of a trained form and of the one of the same bits without training, 0..1; or why there is none.

    Attributes:
        gain: the first less the second, paired: on the same photos, and the same resamples of them.
    """

    model: str
    trained: str
    untrained: str
    after: Interval | Absent
    before: Interval | Absent
    float32: Interval | Absent
    gain: Interval | Absent

    @property
    def known(self) -> bool:
        return isinstance(self.after, Interval) and isinstance(self.before, Interval)


def ladder_table(run: Run) -> pd.DataFrame:
    """07's table; one without rows where 07 has not been run."""
    path = run.paths.folder / LADDER_TABLE
    return pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=["model", "variant"])


def pairs(run: Run) -> list[Pair]:
    """Every form that can be trained beside its untrained one, of every model."""
    table = ladder_table(run)
    return [
        Pair(
            model.id,
            trained,
            untrained,
            *(ap_of(table, model.id, form) for form in (trained, untrained, "float32")),
            gain_of(run, model, trained, untrained),
        )
        for model in run.models
        for trained, untrained in UNTRAINED_PAIR.items()
    ]


def ap_of(table: pd.DataFrame, model: str, form: str) -> Interval | Absent:
    """AP with its interval from ``ladder.csv``."""
    rows = table[(table["model"] == model) & (table["variant"] == form)].to_dict("records")
    if not rows:
        return Absent(f"not compared by 07 in this run (--form {form})")
    row = rows[0]
    if pd.isna(row.get("ap")):
        why = row.get("failed")
        return Absent("it has no AP" if pd.isna(why) or not why else str(why))
    return Interval(row["ap"], row["ap_low"], row["ap_high"])


def gain_of(run: Run, model: Model, trained: str, untrained: str) -> Interval | Absent:
    """From what 07 keeps of every form."""
    files = [draws_file(run, model, form) for form in (trained, untrained)]
    if not all(file.is_file() for file in files):
        return Absent("")
    after, before = map(np.load, files)
    return interval_of(after - before)
