"""What each step to a cured variant finds in the evaluation photos, which its search has never seen.

The files of the steps are run here as 07 runs its forms, without FiftyOne. All of them, and float32 of the
same runtime, see the same photos and the same resamples of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.download.stage import data_folders
from helpers.evaluate.detect import CorePool, ShardResult, decode, detect, split
from helpers.evaluate.labelled import LabelledPhotos, read_labelled
from helpers.evaluate.stage import read_evidence, read_score
from helpers.lab.errors import found_of, reason_of
from helpers.lab.files import atomic_file
from helpers.lab.intervals import NAN, Interval, interval_of
from helpers.lab.progress import progress
from helpers.lab.records import Number, Origin, Record, current_record, read_record
from helpers.models.interface import Interface
from helpers.models.registry import Model
from helpers.quantize.courses import NONE, courses, cure_words, hashed_parts, step_files
from helpers.quantize.cures.records import CureCourse
from helpers.quantize.stage import interface_file, load_interface
from helpers.run.experiment import Run, keep, keep_failure, origin
from helpers.run.variant_files import variant_file
from helpers.run.variants import baseline_of
from helpers.show.frames import neat, of_all
from helpers.tasks.detection.evidence import Evidence
from helpers.tasks.detection.resample import average_precision, paired_resamples
from helpers.tasks.detection.score import tie_bounds

NOTEBOOK = "03_evaluate.ipynb"
FOLDER = "cures"
CODE = ("helpers.evaluate.detect", "helpers.models.interface", "helpers.tasks.detection.resample")


@dataclass(frozen=True)
class StepScore:
    """One file on the way, or float32 of its runtime.

    Attributes:
        name: of the step, as ``courses.step_names`` has it, or of the baseline.
        ap: COCO's, 0..1; NaN where it failed, or where there is nothing to find.
        worst, best: AP under the worst and the best order among equal scores.
        distinct_scores: how many values its scores take.
        failure: why it could not be run; empty where it was.
    """

    name: str
    ap: Number = NAN
    worst: Number = NAN
    best: Number = NAN
    distinct_scores: int = 0
    detections: int = 0
    failure: str = ""


@dataclass(frozen=True)
class StepScores:
    """All steps to one cured variant.

    Attributes:
        photos: how many they were run on; ``resamples``: of these photos.
        steps: float32 of the variant's runtime first, then the steps in order.
    """

    photos: int
    resamples: int
    steps: tuple[StepScore, ...]


def steps_record(run: Run, model: Model, variant: str) -> Path:
    return run.paths.folder / FOLDER / model.id / f"{variant}.json"


def draws_file(run: Run, model: Model, variant: str) -> Path:
    """AP of float32 and of each step on the photos and on each resample: ``[1 + steps, 1 + B]``, 0..1."""
    return steps_record(run, model, variant).with_suffix(".npy")


def score_cures(run: Run, models: Sequence[Model]) -> None:
    """Run and score the steps of every cured variant; what is current is kept, and none stops another."""
    for model in models:
        for variant, course in courses(run, model).items():
            score_steps(run, model, variant, course)


def score_steps(run: Run, model: Model, variant: str, course: CureCourse) -> Record[StepScores]:
    path, source = steps_record(run, model, variant), origin({}, {"variant": variant}, *CODE)
    try:
        files = {baseline_of(variant): variant_file(run, model, baseline_of(variant))}
        files |= step_files(run, model, variant, course)
        source = steps_origin(run, model, variant, files)
        record = current_record(path, StepScores, source)
        if record is not None and not any(step.failure for step in record.values.steps):
            return record
        return scored_steps(run, model, variant, files, source)
    except Exception as error:  # labels that do not fit, files that are gone: the rest of 03 stands
        return keep_failure(path, "cures", source, reason_of(error))


def steps_origin(run: Run, model: Model, variant: str, files: Mapping[str, Path]) -> Origin:
    inputs = hashed_parts(run, model, variant, files)
    inputs |= {
        "labels": data_folders(run).validation / "labels.json",
        "interface": interface_file(run, model),
    }
    profile = run.profile
    parameters = {"photos": profile.ladder_images, "resamples": profile.resamples, "seed": profile.seed}
    return origin(inputs, parameters | {"categories": list(model.categories)}, *CODE)


def scored_steps(
    run: Run, model: Model, variant: str, files: Mapping[str, Path], source: Origin
) -> Record[StepScores]:
    labelled = read_labelled(data_folders(run).validation, model.categories, run.profile.ladder_images)
    weights = paired_resamples(len(labelled.photos), run.profile.resamples, run.profile.seed)
    found = find_all(files, load_interface(run, model), labelled, f"steps to {variant}")
    steps, draws = [], np.full((len(files), len(weights)), NAN)
    for place, name in enumerate(files):
        if isinstance(found[name], str):
            steps.append(StepScore(name, failure=found[name]))
            continue
        evidence = labelled.evidence(labelled.columns(found[name]))
        draws[place] = average_precision(evidence, weights).mean(1)
        steps.append(step_score(name, evidence, float(draws[place, 0])))
    with atomic_file(draws_file(run, model, variant)) as temporary, temporary.open("wb") as stream:
        np.save(stream, draws)
    values = StepScores(len(labelled.photos), len(weights) - 1, tuple(steps))
    record = steps_record(run, model, variant)
    return keep(record, "cures", source, values, [draws_file(run, model, variant)])


def step_score(name: str, evidence: Evidence, ap: float) -> StepScore:
    worst, best = (NAN if bound < 0 else bound for bound in tie_bounds(evidence))
    return StepScore(name, ap, worst, best, evidence.distinct_scores(), len(evidence.score))


def find_all(
    files: Mapping[str, Path], interface: Interface, labelled: LabelledPhotos, told: str
) -> dict[str, list[ShardResult] | str]:
    """What each core finds, or why it could not be run; each photo is decoded once for all."""
    found: dict[str, list[ShardResult] | str] = {name: [] for name in files}
    pools: dict[str, CorePool] = {}
    bar = progress(None, told, "photo", total=len(labelled.photos) * len(files))
    for photos in split(labelled.photos):
        shard = decode(photos, interface.preprocessing)
        for name, file in files.items():
            bar.update(len(photos))
            if isinstance(found[name], str):
                continue
            try:
                pools[name] = pools.get(name) or CorePool(file)
                found[name].append(detect(pools[name], interface.tail, shard, labelled.of_class))
            except Exception as error:  # a runtime, or numbers that are none
                found[name] = reason_of(error)
    bar.close()
    return found


def read_steps(run: Run, model: Model, variant: str) -> Record[StepScores]:
    return read_record(steps_record(run, model, variant), StepScores, f"run {NOTEBOOK} first.")


def read_draws(run: Run, model: Model, variant: str) -> np.ndarray:
    """``[1 + steps, 1 + B]``, as ``draws_file`` holds it."""
    return np.load(draws_file(run, model, variant))


def steps_table(run: Run, model: Model) -> pd.DataFrame:
    """One row per step of every cured variant, float32 first; AP and differences in points."""
    rows = []
    for variant, course in courses(run, model).items():
        record = read_steps(run, model, variant)
        if record.failure:
            rows.append({"variant": variant, "failed": found_of(record.failure)})
            continue
        draws = 100 * read_draws(run, model, variant)
        cures = [baseline_of(variant), *(cure_words(step.cure) for step in course.steps)]
        for place, (step, cure) in enumerate(zip(record.values.steps, cures, strict=True)):
            rows.append({"variant": variant, "step": cure, **step_row(step, draws, place)})
    return pd.DataFrame(rows).fillna("")


def step_row(step: StepScore, draws: np.ndarray, place: int) -> dict[str, object]:
    """``draws`` in points."""
    if step.failure:
        return {"failed": found_of(step.failure)}
    return {
        "AP": round(float(draws[place, 0]), 2),
        "to float32 [95 %]": difference_text(draws[place] - draws[0]) if place else "",
        "to the step before [95 %]": difference_text(draws[place] - draws[place - 1]) if place > 1 else "",
        "AP by order of ties": f"{100 * step.worst:.2f} to {100 * step.best:.2f}",
        "score levels": step.distinct_scores,
    }


def difference_text(draws: np.ndarray) -> str:
    """``−4.21 [−5.02, −3.40]`` of ``[1 + B]``, in points."""
    found: Interval = interval_of(draws)
    if not np.isfinite(found.value):
        return "n/a"
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]".replace("-", "−")


def show_steps(run: Run, models: Sequence[Model]) -> None:
    """In one cell: the steps of every cured variant, scored now unless they are; or that there are none."""
    from IPython.display import display

    score_cures(run, models)
    able = [model for model in models if courses(run, model)]
    if able:
        display(neat(of_all(steps_table, run, able)))
    else:
        print(NONE)


def last_step_checks(run: Run, model: Model) -> dict[str, bool]:
    """For each cured variant: whether its last step has the AP that 03 found of the variant itself.

    Where steps are run on fewer photos than the variant, its AP is taken of the same photos.
    """
    checks = {}
    for variant in courses(run, model):
        record, own = read_steps(run, model, variant), read_score(run, model, variant)
        last = record.values and record.values.steps[-1]
        if own.failure or not last or last.failure:
            continue
        evidence = read_evidence(run, model, variant)
        chosen = (np.arange(evidence.images) < record.values.photos).astype(np.int32)[None]
        ap = float(average_precision(evidence, chosen).mean())
        same = abs(ap - last.ap) < 1e-12 or (np.isnan(ap) and np.isnan(last.ap))
        checks[f"{model.id}, {variant}: its last step has the same AP to 1e-12"] = bool(same)
    return checks
