"""How cured forms were found, as 02 recorded it: their steps, what was tried, where their recipes lie."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from helpers.lab.errors import LabError
from helpers.lab.intervals import Interval
from helpers.lab.paths import display
from helpers.lab.units import how_many
from helpers.models.registry import Model
from helpers.quantize.cures.records import CureCourse, CureStep, steps_folder
from helpers.quantize.stage import read_variant
from helpers.run.experiment import Run
from helpers.run.variant_files import runtime_for, variant_file
from helpers.show.frames import neat, of_all

NONE = (
    "No variant of this run is cured. `--variant int8-cured` searches for cures, `--variant int8+equalize` "
    "applies one of your choice."
)
# A step in a word or two; ``run.cured_forms.CURES`` says it in full.
CURE_WORDS = MappingProxyType({
    "int8": "plain int8",
    "kernels": "more in 8 bits",
    "equalize": "equalization",
    "concatenations": "concatenations",
    "ranges": "ranges",
    "bias": "bias correction",
    "rounding": "learnt rounding",
    "mixed": "some in float",
    "tuning": "fine-tuning",
})  # fmt: skip
RECIPE_FILES = ("recipe.json", "float32-cured.*")
TRIALS = ("variant", "cure", "tried", "agreement", "gain [90 %]", "time", "kept", "why")


def cure_words(cure: str) -> str:
    """The cure as figures and sentences name it."""
    return CURE_WORDS.get(cure, cure)


def courses(run: Run, model: Model) -> dict[str, CureCourse]:
    """Variant -> how it was found, of the cured variants that 02 made."""
    made = {variant.id: read_variant(run, model, variant.id).values for variant in run.variants}
    return {variant: each.course for variant, each in made.items() if each is not None and each.course}


def step_names(course: CureCourse, variant: str) -> list[str]:
    """A name for each step, by which its runtime is known: ``0-int8``, ``1-equalize@openvino``."""
    at = "".join(variant.partition("@")[1:])
    return [f"{place}-{step.cure}{at}" for place, step in enumerate(course.steps)]


def step_files(run: Run, model: Model, variant: str, course: CureCourse) -> dict[str, Path]:
    """Name of each step -> its file."""
    folder = steps_folder(variant_file(run, model, variant))
    names = step_names(course, variant)
    return {name: folder / step.file for name, step in zip(names, course.steps, strict=True)}


def hashed_parts(run: Run, model: Model, variant: str, files: Mapping[str, Path]) -> dict[str, Path]:
    """All files of the steps' cores, by names, for a record's origin.

    Raises:
        LabError: one is absent.
    """
    runtime = runtime_for(model, variant)
    parts = {f"{name}{part.suffix}": part for name, file in files.items() for part in runtime.files(file)}
    absent = [part for part in parts.values() if not part.is_file()]
    if absent:
        raise LabError(
            f"{display(absent[0])} does not exist.", f"the steps to {variant}", "run 02_quantize.ipynb again."
        )
    return parts


def trials_table(run: Run, model: Model) -> pd.DataFrame:
    """One row for each candidate that the searches tried, below the plain form that each began with."""
    rows = []
    for variant, course in courses(run, model).items():
        rows.append(first_row(variant, course.steps[0]))
        rows += [trial_row(variant, trial) for trial in course.trials]
    return pd.DataFrame(rows, columns=list(TRIALS))


def first_row(variant: str, step: CureStep) -> dict[str, Any]:
    told = (variant, cure_words(step.cure), step.told, round(step.agreement, 1), "", "", "", "the beginning")
    return dict(zip(TRIALS, told, strict=True))


def trial_row(variant: str, trial: Any) -> dict[str, Any]:
    kept, tried = "yes" if trial.kept else "no", trial.agreement == trial.agreement
    time, agreement = (f"{trial.latency_ratio:.2f}×", round(trial.agreement, 1)) if tried else ("", "")
    told = (variant, cure_words(trial.cure), trial.told, agreement, points_text(trial.gain) if tried else "")
    return dict(zip(TRIALS, (*told, time, kept, trial.why), strict=True))


def points_text(points: Interval) -> str:
    """``+3.1 [+2.0, +4.4]``."""
    if points.value != points.value:
        return "n/a"
    text = f"{points.value:+.1f} [{points.low:+.1f}, {points.high:+.1f}]"
    return text.replace("-", "−")


def course_texts(run: Run, model: Model) -> list[str]:
    """For each cured variant: by how many photos, why the search ended, where its recipe lies."""
    texts = []
    for variant, course in courses(run, model).items():
        files = [display(file) for file in recipe_files(run, model, variant)]
        made_by = how_many(course.calibration_photos, "calibration photo")
        chosen = f", its steps chosen by {course.held_back_photos} others" if course.held_back_photos else ""
        notes = [note for note in read_variant(run, model, variant).values.notes if note != course.stopped]
        told = " ".join([f"made by {made_by}{chosen}.", course.stopped, *notes])
        texts.append(f"{model.id}, {variant}: {told}")
        texts += [f"  its recipe: {', '.join(files)}"] if files else []
    return texts


def recipe_files(run: Run, model: Model, variant: str) -> list[Path]:
    """What makes the cured file elsewhere: numbers for a quantizer, and the float32 file they are of."""
    folder = steps_folder(variant_file(run, model, variant))
    return [file for pattern in RECIPE_FILES for file in sorted(folder.glob(pattern))]


def show_courses(run: Run, models: tuple[Model, ...]) -> None:
    """In one cell: the trials of every model, and what is told of them; or a sentence that there are none."""
    from IPython.display import display as show

    able = [model for model in models if courses(run, model)]
    if not able:
        print(NONE)
        return
    show(neat(of_all(trials_table, run, able)))
    print("\n".join(text for model in able for text in course_texts(run, model)))
