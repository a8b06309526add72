"""Is what 05 made whole?"""

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from helpers.compare.figures.catalogue import FIGURES
from helpers.compare.present import figure_times
from helpers.compare.tables.writing import COLUMNS, read_results
from helpers.run.experiment import Run
from helpers.run.standing import with_controls
from helpers.show.checks import require
from helpers.show.context import Context
from helpers.show.style import creation_time


def check_compare(run: Run, results: pd.DataFrame, context: Context) -> Styler:
    stored = read_results(run.paths.results("csv"))
    expected = [(m.id, v) for m in run.models for v in with_controls(run)]
    rows = list(zip(stored["model"], stored["variant"], strict=True))
    whole = stored[stored["failed"].fillna("") == ""]
    moment = creation_time(context).isoformat()
    return require(
        {
            "one row per model and variant, the control included": rows == expected,
            "all promised columns": set(COLUMNS) <= set(stored.columns),
            "the size of every variant that did not fail": bool(
                np.isfinite(whole["size_bytes"].astype(float)).all()
            ),
            "image counts are equal": whole["images"].nunique() <= 1,
            f"{len(FIGURES)} figures, all of this run's records": set(figure_times(run).values()) == {moment},
            "the report is written": run.paths.report.stat().st_size > 0,
        }
    )
