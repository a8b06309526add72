"""Tables of the trainings with quantized gradients."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.training.gradients.curves import by_form, held_out, looks
from helpers.training.gradients.records import Trained

NONE_YET = "none is trained yet: `python -m helpers train --gradients` trains them"


def trained_table(trained: Sequence[Trained]) -> pd.DataFrame:
    """One row per form: held-out loss at the end, and what rounding did; brackets hold the extreme seeds."""
    if not trained:
        return pd.DataFrame({"gradients": [NONE_YET]})
    return pd.DataFrame([row(each) for each in by_form(trained).values()])


def row(trained: Sequence[Trained]) -> dict[str, object]:
    form, last = trained[0], held_out(trained)[1][:, -1]
    rounded = bool(form.rounding)
    return {
        "gradients": next(iter(by_form(trained))).title,
        "seeds": len(trained),
        "final held-out loss": "none: overflowed" if np.isnan(last).any() else extremes(last, "{:.3f}"),
        "vanished (%)": extremes(100 * looks(trained, "vanished"), "{:.1f}") if rounded else "none",
        "bias (%)": extremes(100 * looks(trained, "bias"), "{:+.1f}") if rounded else "none",
        "error (%)": extremes(100 * looks(trained, "error"), "{:.0f}") if rounded else "none",
    }


def extremes(values: np.ndarray, form: str) -> str:
    """``0.51 [0.49, 0.54]``: mean, least and largest."""
    mean, low, high = (form.format(value) for value in (values.mean(), values.min(), values.max()))
    return f"{mean} [{low}, {high}]".replace("-", "−")
