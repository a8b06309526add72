"""What ``python -m helpers train`` does with its options."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.lab.paths import data_dir, datasets_dir
from helpers.models.registry import DEFAULT_MODEL, get_model
from helpers.quantize.records import TrainedForm
from helpers.quantize.trained.trained_codes import codes_file
from helpers.run.experiment import Run
from helpers.run.variants import BASELINE
from helpers.training.schedules import course
from helpers.training.trained_form import require_trainable, train_form


def train_asked(
    run: Run, form: str, start_from: str, changes: Mapping[str, Any], output: Path | None
) -> tuple[Path, TrainedForm]:
    """Train a form of the run's model; return the file of codes and the record.

    Args:
        start_from: a form, ``float32``, or empty for the usual one.
        changes: fields of the usual schedule to change; None for those to keep.
    """
    model = run.models[0]
    require_trainable(form, model)
    usual = course(model, form)
    given = {name: value for name, value in changes.items() if value is not None}
    schedule = dataclasses.replace(usual.schedule, **given)
    before = start_from or usual.started_from
    target = output or codes_file(model, form)
    return target, train_form(run, model, form, schedule, "" if before == BASELINE else before, target)


def train_embedded(epochs: int, photos: int, seed: int, output: Path | None) -> Path:
    """The embedded detector from scratch; returns the file of its weights, beside which the record is."""
    from helpers.models.embedded.training import Schedule, train

    schedule = Schedule(photos=photos, epochs=epochs, seed=seed)
    target = output or get_model(DEFAULT_MODEL).source.weights
    train(datasets_dir(), data_dir() / "training" / f"{photos}-{epochs}-{seed}", target, schedule)
    return target
