"""Which runtime a variant of a model is for, and where its file lies."""

from pathlib import Path

from helpers.models.registry import Model
from helpers.run.experiment import Run
from helpers.run.variants import BASELINE, runtime_named
from helpers.runtimes.catalogue import get_runtime
from helpers.runtimes.contract import Runtime


def runtime_for(model: Model, variant_id: str) -> Runtime:
    """What runs a variant: the runtime that its id names, else the model's home."""
    return get_runtime(runtime_named(variant_id) or model.runtime)


def variant_file(run: Run, model: Model, variant_id: str = BASELINE) -> Path:
    """The file of a variant, with its runtime's ending."""
    return run.paths.variant_file(model.id, variant_id, runtime_for(model, variant_id).ending)
