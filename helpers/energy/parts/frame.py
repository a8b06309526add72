"""Time per photo by part of the loop, from 04's records alone."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from helpers.energy.parts.summary import parts_rows
from helpers.lab.records import read_record
from helpers.models.registry import Model
from helpers.run.experiment import Run


def parts_frame(run: Run, models: Sequence[Model]) -> pd.DataFrame:
    """What ``show.figures_parts.time_by_part`` draws; columns as ``parts_rows`` has them."""
    paths = {model.id: run.paths.measurement_record(model.id, "parts") for model in models}
    raw = {
        model: read_record(path, Any, "run 04_energy.ipynb first.").values for model, path in paths.items()
    }
    profile = run.profile
    frames = [parts_rows(values, model, profile.resamples, profile.seed) for model, values in raw.items()]
    return pd.concat(frames, ignore_index=True)
