"""Which models still stand at a stage: one whose float32 failed has nothing to compare its variants with."""

from typing import Any

from helpers.lab.errors import LabError
from helpers.lab.records import read_record
from helpers.models.registry import Model
from helpers.run.experiment import Run
from helpers.run.variants import BASELINE, baseline_of, control_of, is_baseline


def made_failure(run: Run, model: Model) -> str:
    """Why 02 has no float32 of a model; empty if it has one."""
    path = run.paths.variant_record(model.id, BASELINE)
    return read_record(path, Any, "run 02_quantize.ipynb first.").failure


def scored_failure(run: Run, model: Model) -> str:
    """Why 03 has no AP of a model's float32, or 02 no float32; empty if there is one."""
    failure = made_failure(run, model)
    if failure:
        return failure
    path = run.paths.score_record(model.id, BASELINE)
    return read_record(path, Any, "run 03_evaluate.ipynb first.").failure


def with_controls(run: Run) -> list[str]:
    """The run's variants, runtime by runtime, each runtime's control at its end."""
    names = [variant.id for variant in run.variants]
    bases = [name for name in names if is_baseline(name)]
    groups = [[*(name for name in names if baseline_of(name) == base), control_of(base)] for base in bases]
    return [name for group in groups for name in group]


def made_models(run: Run) -> tuple[Model, ...]:
    """Models with a float32 file.

    Raises:
        LabError: there is none.
    """
    return require_one({model: made_failure(run, model) for model in run.models})


def scored_models(run: Run) -> tuple[Model, ...]:
    """Models whose float32 was evaluated.

    Raises:
        LabError: there is none.
    """
    return require_one({model: scored_failure(run, model) for model in run.models})


def require_one(failures: dict[Model, str]) -> tuple[Model, ...]:
    standing = tuple(model for model, failure in failures.items() if not failure)
    if not standing:
        reasons = "\n".join(f"{model.id}: {failure}" for model, failure in failures.items())
        raise LabError(
            f"no model is left to go on with.\n{reasons}",
            "at least one model whose float32 works",
            "cure what stands above, or choose another model; then give the same command again.",
        )
    return standing
