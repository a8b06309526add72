"""What ``python -m helpers train --form`` does with its options."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    require_trainable(form)
    model = run.models[0]
    usual = course(model, form)
    given = {name: value for name, value in changes.items() if value is not None}
    schedule = dataclasses.replace(usual.schedule, **given)
    before = start_from or usual.started_from
    target = output or codes_file(model, form)
    return target, train_form(run, model, form, schedule, "" if before == BASELINE else before, target)
