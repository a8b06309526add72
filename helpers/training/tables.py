"""Tables of 08: what was trained, and what it won back."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.lab.errors import found_of
from helpers.lab.intervals import Absent, Interval
from helpers.lab.units import format_duration
from helpers.ladder.tables import interval_text
from helpers.quantize.records import TrainedForm
from helpers.run.experiment import Run
from helpers.training.few_weights import FewWeights
from helpers.training.won_back import Pair

COLUMNS = ("form", "trained on", "photos", "epochs", "began with", "first loss", "last loss", "took")


def trained_table(run: Run, records: Mapping[tuple[str, str], TrainedForm | Absent]) -> pd.DataFrame:
    """One row per form that can be trained, with the model's id where there are several models."""
    rows = [{"model": model, **trained_row(form, each)} for (model, form), each in records.items()]
    table = pd.DataFrame(rows, columns=["model", *COLUMNS]).fillna("")
    return table if len(run.models) > 1 else table.drop(columns="model")


def trained_row(form: str, found: TrainedForm | Absent) -> dict[str, object]:
    if isinstance(found, Absent):
        return {"form": form, "trained on": found.reason}
    history = found.history
    return {
        "form": form,
        "trained on": found.trained_on,
        "photos": found.photos,
        "epochs": len(history),
        "began with": found.started_from or "float32",
        "first loss": history[0].loss if len(history) > 1 else "",
        "last loss": history[-1].loss if history else "",
        "took": format_duration(sum(epoch.seconds for epoch in history)),
    }


def won_back_table(run: Run, found: Sequence[Pair]) -> pd.DataFrame:
    """AP in points with 95 % intervals, before and after training; the reason where there is none."""
    rows = [
        {
            "model": pair.model,
            "form": pair.trained,
            "same bits, not trained": pair.untrained,
            "AP not trained": points(pair.before),
            "AP trained": points(pair.after),
            "float32": points(pair.float32),
            "won back [95 %]": "" if isinstance(pair.gain, Absent) else interval_text(pair.gain.scaled(100)),
        }
        for pair in found
    ]
    table = pd.DataFrame(rows)
    return table if len(run.models) > 1 else table.drop(columns="model")


def points(ap: Interval | Absent) -> str:
    """``48.9 [46.1, 51.8]``."""
    if isinstance(ap, Absent):
        return found_of(ap.reason)
    return f"{100 * ap.value:.1f} [{100 * ap.low:.1f}, {100 * ap.high:.1f}]"


def weights_table(
    few: FewWeights, codes: np.ndarray, rounded: np.ndarray, gradient: np.ndarray
) -> pd.DataFrame:
    """The box: one row per weight; all arguments ``[n]``."""
    return pd.DataFrame(
        {
            "weight": few.weights,
            "weight / step": few.weights / few.step,
            "code": codes.astype(int),
            "computed with": rounded + 0.0,  # no minus before a zero
            "gradient": gradient,
        }
    )
