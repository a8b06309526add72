"""Time by kind of operator, from 04's records alone."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers.energy.why.answers import kinds_frame
from helpers.energy.why.records import Why
from helpers.lab.records import read_record
from helpers.models.registry import Model
from helpers.run.experiment import Run
from helpers.run.standing import made_models

INVOCATIONS = 50  # of every variant, while it is profiled


def operators_frame(run: Run) -> pd.DataFrame:
    """Time by kind of operator of all models, tidy: see ``kinds_frame``."""
    cure = "run 04_energy.ipynb first."
    models = made_models(run)
    found = {model: read_record(run.paths.why_record(model.id), Why, cure).values for model in models}
    frames = [kinds_frame(why, model.id) for model, why in found.items()]
    frames += [pd.DataFrame(failed_rows(run, model, why.failures)) for model, why in found.items()]
    return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)


def failed_rows(run: Run, model: Model, unexplained: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row for each variant that has no file, or could not be explained, with the reason."""
    cure = "run 02_quantize.ipynb first."
    paths = {v.id: run.paths.variant_record(model.id, v.id) for v in run.variants}
    failures = {variant: read_record(path, Any, cure).failure for variant, path in paths.items()}
    failures |= unexplained
    return [
        {"model": model.id, "variant": variant, "kind": "", "runs_by": "", "failed": reason}
        for variant, reason in failures.items()
        if reason
    ]
