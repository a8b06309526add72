"""Milliseconds of each step to a cured variant, beside float32 of its runtime in the same rounds.

As latency is measured, in fresh processes and random order, but shorter: rounds end with a quarter of the
time that the variants' have, and no interval is waited for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.energy.latency import measure_latency
from helpers.energy.records import NOTEBOOK, Latency, LatencySettings
from helpers.energy.rounds.records import why_nothing
from helpers.energy.rounds.schedule import WARMUPS
from helpers.energy.rounds.team import rounds_in_process
from helpers.energy.summary import LatencySummary, summarize_latency
from helpers.energy.tables import bracketed
from helpers.lab.errors import found_of, reason_of
from helpers.lab.intervals import Absent
from helpers.lab.records import Record, current_record, jsonable, read_record
from helpers.models.registry import Model
from helpers.photos.decoding import core_input
from helpers.quantize.courses import NONE, courses, cure_words, hashed_parts, step_files
from helpers.quantize.cures.records import CureCourse
from helpers.quantize.stage import check_photos, load_interface
from helpers.run.experiment import Run, keep, origin
from helpers.run.forms import is_simulated
from helpers.run.variant_files import variant_file
from helpers.run.variants import baseline_of
from helpers.show.frames import neat, of_all

LEAST_ROUNDS = 6  # the fewest from which ranks make an interval (next_process)
MOST_REPEATS = 10
BUDGET_SHARE = 1 / 4
NO_KERNELS = "its values are rounded to the grid and computed in float32: no runtime has kernels for it"


def times_record(run: Run, model: Model, variant: str) -> Path:
    return run.paths.measurement_record(model.id, f"cures-{variant}")


def time_cures(run: Run, models: Sequence[Model]) -> None:
    """Time the steps of every cured variant that a runtime has kernels for; what is current is kept."""
    for model in models:
        for variant, course in timed_courses(run, model).items():
            time_steps(run, model, variant, course)


def timed_courses(run: Run, model: Model) -> dict[str, CureCourse]:
    simulated = {variant.id for variant in run.variants if is_simulated(variant)}
    return {name: course for name, course in courses(run, model).items() if name not in simulated}


def settings_of(run: Run) -> dict[str, Any]:
    """For ``measure_latency``."""
    profile = run.profile
    return {
        "rounds": profile.latency_most_rounds,
        "least_rounds": min(LEAST_ROUNDS, profile.latency_rounds),
        "repeats": min(MOST_REPEATS, profile.latency_repeats),
        "budget_s": profile.latency_budget_s * BUDGET_SHARE,
        "threads": run.threads,
        "seed": profile.seed,
    }


def time_steps(run: Run, model: Model, variant: str, course: CureCourse) -> Record[Latency]:
    """The record of a variant's steps, measured now unless it is there."""
    files = {baseline_of(variant): variant_file(run, model, baseline_of(variant))}
    files |= step_files(run, model, variant, course)
    path, options = times_record(run, model, variant), settings_of(run)
    nothing = nothing_timed(files, options)
    source = origin({}, jsonable(options) | {"variant": variant}, "helpers.energy.latency")
    try:
        parts = hashed_parts(run, model, variant, files)
        source = origin(parts, jsonable(options), "helpers.energy.latency", "helpers.photos.decoding")
        record = current_record(path, Latency, source)
        if record is not None and record.values.rounds:
            return record
        raw = measure_latency(files, inputs_of(run, model), **options)
    except Exception as error:  # a kernel or a process of any kind; other measurements go on
        raw = replace(nothing, failures=dict.fromkeys(files, reason_of(error)))
    return keep(path, "cures", source, raw)


def nothing_timed(files: Mapping[str, Path], options: Mapping[str, Any]) -> Latency:
    share = rounds_in_process(files.values(), options["least_rounds"])
    threads, seed, repeats = (options[name] for name in ("threads", "seed", "repeats"))
    return Latency.begun(LatencySettings.of(files, threads, seed, repeats, WARMUPS, share))


def inputs_of(run: Run, model: Model) -> list[Any]:
    """Real photos as the model's cores take them, float32 each."""
    preprocessing = load_interface(run, model).preprocessing
    return [core_input(photo, preprocessing) for photo in check_photos(run)]


def read_times(run: Run, model: Model, variant: str) -> Record[Latency]:
    return read_record(times_record(run, model, variant), Latency, f"run {NOTEBOOK} first.")


def summarize_steps(run: Run, model: Model, variant: str) -> dict[str, LatencySummary | Absent]:
    """Name of float32 and of each step -> its latency, or why there is none."""
    raw = read_times(run, model, variant).values
    return summarize_latency(raw, run.profile.resamples, run.profile.seed)


def times_table(run: Run, model: Model) -> pd.DataFrame:
    """One row per step of every cured variant, float32 of its runtime first."""
    rows = []
    for variant, course in courses(run, model).items():
        if variant not in timed_courses(run, model):
            rows.append({"variant": variant, "failed": NO_KERNELS})
            continue
        found = summarize_steps(run, model, variant)
        cures = [baseline_of(variant), *(cure_words(step.cure) for step in course.steps)]
        for cure, summary in zip(cures, found.values(), strict=True):
            rows.append({"variant": variant, "step": cure, **time_row(summary)})
    return pd.DataFrame(rows).fillna("")


def time_row(summary: LatencySummary | Absent) -> dict[str, Any]:
    if isinstance(summary, Absent):
        return {"failed": found_of(summary.reason)}
    return {
        "p50 (ms)": bracketed(summary.p50_ms),
        "ratio to float32": bracketed(summary.ratio),
        "rounds": summary.rounds,
        "processes": summary.processes,
    }


def show_times(run: Run, models: Sequence[Model]) -> None:
    """In one cell: the steps of every cured variant, timed now unless they are; or that there are none."""
    from IPython.display import display

    time_cures(run, models)
    able = [model for model in models if courses(run, model)]
    if able:
        display(neat(of_all(times_table, run, able)))
    else:
        print(NONE)


def times_checks(run: Run, model: Model) -> dict[str, bool]:
    """For each cured variant: whether all its steps were timed, or say why not."""
    checks = {}
    for variant, course in timed_courses(run, model).items():
        raw = read_times(run, model, variant).values
        known = {name for played in raw.rounds for name in played.visits} | set(raw.failures)
        whole = known == set(raw.settings.variants) and len(raw.settings.variants) == 1 + len(course.steps)
        checks[f"the steps to {variant} were timed, or say why not"] = whole or bool(why_nothing(raw))
    return checks
