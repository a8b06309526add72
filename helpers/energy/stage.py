"""04: raw latency, memory and energy samples of every variant, and of the control."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from helpers.energy.latency import measure_latency
from helpers.energy.memory import measure_memory
from helpers.energy.rounds.partial import PartialRounds
from helpers.energy.rounds.stopping import LEAST_ROUNDS
from helpers.energy.threads import other_counts, record_name
from helpers.energy.windows import measure_energy
from helpers.lab import host
from helpers.lab.errors import reason_of
from helpers.lab.records import Record, current_record, jsonable, read_record
from helpers.meters.base import meter_facts
from helpers.meters.choose import choose_meter
from helpers.models.registry import Model
from helpers.photos.decoding import core_input
from helpers.quantize.stage import check_photos, load_interface, working_files
from helpers.run.experiment import Run, keep, origin
from helpers.run.variants import BASELINE, CONTROL

NOTEBOOK = "04_energy.ipynb"
MEMORY_ROUNDS = 3
# Other thread counts take a part of the time. Two thirds of the rounds are 20 in ``quick``: the fewest for
# which intervals hold what they say (measure.stopping).
ROUNDS_SHARE, BUDGET_SHARE = 2 / 3, 1 / 4


def measured_files(run: Run, model: Model) -> dict[str, Path]:
    """Files of the working variants and of the control: float32 once more, as if it were a variant."""
    files = working_files(run, model)
    return {**files, CONTROL: files[BASELINE]}


def sample_inputs(run: Run, model: Model) -> dict[Path, list[np.ndarray]]:
    """Real photos as inputs of the core in each file."""
    photos, files = check_photos(run), working_files(run, model)
    ready = {variant: load_interface(run, model, variant).preprocessing for variant in files}
    made = {how: [core_input(photo, how) for photo in photos] for how in set(ready.values())}
    return {path: made[ready[variant]] for variant, path in files.items()}


def latency(run: Run, model: Model) -> Record:
    """Raw latency samples; those already taken of the same files under the same settings are kept."""
    profile = run.profile
    settings = latency_settings(run, run.threads, profile.latency_rounds, profile.latency_budget_s)
    return sampled_latency(run, model, "latency", settings)


def latency_by_threads(run: Run, model: Model) -> dict[int, Record]:
    """Thread count -> raw latency samples at every count but the run's own, which ``latency`` measures.

    The process is kept on as many cores as there are threads. Each count has its own rounds and control.
    """
    return {
        threads: sampled_latency(
            run, model, record_name(run.threads, threads), threads_settings(run, threads)
        )
        for threads in other_counts(run, host.usable_cores())
    }


def threads_settings(run: Run, threads: int) -> dict[str, Any]:
    """For ``measure_latency``: fewer rounds than the main measurement, a part of its budget, its width."""
    rounds = run.profile.latency_rounds
    least = min(rounds, max(LEAST_ROUNDS, math.ceil(rounds * ROUNDS_SHARE)))
    return latency_settings(run, threads, least, run.profile.latency_budget_s * BUDGET_SHARE)


def latency_settings(run: Run, threads: int, least_rounds: int, budget_s: float) -> dict[str, Any]:
    """For ``measure_latency``; rounds end early only where the profile has more than the least of them."""
    profile = run.profile
    settings = {"rounds": profile.latency_most_rounds, "repeats": profile.latency_repeats}
    settings |= {"threads": threads, "seed": profile.seed, "least_rounds": least_rounds}
    if profile.latency_most_rounds > least_rounds:
        settings |= {"width": run.width_percent / 100, "budget_s": budget_s}
    return settings


def sampled_latency(run: Run, model: Model, quantity: str, settings: Mapping[str, Any]) -> Record:
    """The record ``quantity`` of latency under these settings."""

    def measure(files: Mapping[str, Path], **resume) -> dict:
        return measure_latency(files, sample_inputs(run, model), **settings, **resume)

    return measured(run, model, quantity, settings, measure, "helpers.energy.latency")


def memory(run: Run, model: Model) -> Record:
    """Peak memory of a fresh process per variant."""
    settings = {"rounds": MEMORY_ROUNDS, "threads": run.threads, "seed": run.profile.seed}

    def measure(files: Mapping[str, Path], **resume) -> dict:
        return measure_memory(files, **settings, **resume)

    return measured(run, model, "memory", settings, measure, "helpers.energy.memory")


def energy(run: Run, model: Model) -> Record:
    """Raw energy windows of every variant and of the idle machine."""
    profile, meter = run.profile, choose_meter(run.meter, run.power_w)
    settings = {"rounds": profile.energy_rounds, "window_s": profile.energy_window_s}
    settings["threads"] = run.threads
    settings["seed"] = profile.seed

    def measure(files: Mapping[str, Path], **resume) -> dict:
        return measure_energy(files, sample_inputs(run, model), meter, **settings, **resume)

    described = {**settings, "meter": meter_facts(meter)}
    return measured(run, model, "energy", described, measure, "helpers.energy.windows")


def measured(
    run: Run, model: Model, quantity: str, settings: Mapping[str, Any], measure: Callable, module: str
) -> Record:
    """The record of a measurement, taken now unless it is there; an interrupted one goes on."""
    path = run.paths.measurement_record(model.id, quantity)
    files = measured_files(run, model)
    source = origin(files, jsonable(settings), module, "helpers.photos.decoding")
    record = current_record(path, Any, source)
    if record and record.values["rounds"]:
        return record
    partial = PartialRounds(path.with_suffix(".partial"), source)
    try:
        raw = measure(files, done=partial.earlier(), on_round=partial.keep)
    except Exception as error:  # a meter, a kernel or a process of any kind; other measurements go on
        raw = without_rounds(quantity, settings, files, reason_of(error))
    # The same failure once more stays as it is, so that what follows from it stays current.
    if record is None or record.values != jsonable(raw):
        record = keep(path, quantity, source, raw)
    partial.forget()
    return record


def without_rounds(quantity: str, settings: Mapping[str, Any], files: Mapping, reason: str) -> dict[str, Any]:
    """The raw result of a measurement that could not be taken of anything: a reason for every variant."""
    described = {"warmups": 0, "photos": [], **jsonable(settings), "variants": list(files)}
    return {
        "quantity": quantity,
        "settings": described,
        "rounds": [],
        "failures": dict.fromkeys(files, reason),
        "stopping": {"why": reason, "reached_widths": {}, "width": None},
        "store_absent": reason,
        "disturbed": {"rules": {}, "unreadable": [], "rounds": []},
    }


def read_measurement(run: Run, model: Model, quantity: str) -> Record:
    return read_record(run.paths.measurement_record(model.id, quantity), Any, f"run {NOTEBOOK} first.")
