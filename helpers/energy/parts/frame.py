"""Time per photo by part of the loop, from 04's records alone."""

from collections.abc import Sequence

import pandas as pd

from helpers.energy.parts.summary import parts_rows
from helpers.energy.records import Parts, read_measurement
from helpers.models.registry import Model
from helpers.run.experiment import Run


def parts_frame(run: Run, models: Sequence[Model]) -> pd.DataFrame:
    """What ``show.figures_parts.time_by_part`` draws; columns as ``parts_rows`` has them."""
    raw = {model.id: read_measurement(run, model, Parts).values for model in models}
    profile = run.profile
    frames = [parts_rows(values, model, profile.resamples, profile.seed) for model, values in raw.items()]
    return pd.concat(frames, ignore_index=True)
