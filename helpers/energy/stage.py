"""04: raw latency, memory and energy samples of every variant, and of the control."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from helpers.energy.latency import measure_latency
from helpers.energy.memory import measure_memory
from helpers.energy.records import Energy, Latency, LatencySettings, Memory
from helpers.energy.rounds.partial import PartialRounds
from helpers.energy.rounds.records import M, Settings
from helpers.energy.rounds.schedule import WARMUPS
from helpers.energy.rounds.stopping import LEAST_ROUNDS
from helpers.energy.rounds.team import rounds_in_process
from helpers.energy.threads import other_counts, record_name
from helpers.energy.windows import energy_settings, measure_energy
from helpers.lab import host
from helpers.lab.errors import reason_of
from helpers.lab.records import Record, current_record, jsonable
from helpers.meters.base import meter_facts
from helpers.meters.choose import choose_meter
from helpers.models.registry import Model
from helpers.photos.decoding import core_input
from helpers.quantize.stage import check_photos, load_interface, timed_files
from helpers.run.experiment import Run, keep, origin
from helpers.run.forms import why_unmeasured
from helpers.run.variants import control_of, is_baseline

MEMORY_ROUNDS = 3
# Other thread counts take a part of the time. Two thirds of the rounds are 20 in ``quick``: the fewest for
# which intervals hold what they say (measure.stopping).
ROUNDS_SHARE, BUDGET_SHARE = 2 / 3, 1 / 4


def measured_files(run: Run, model: Model) -> dict[str, Path]:
    """Files of the working variants and of each runtime's control: its float32 once more, as if it were a
    variant."""
    files = timed_files(run, model)
    controls = {control_of(name): file for name, file in files.items() if is_baseline(name)}
    return {**files, **controls}


def weighed_files(run: Run, model: Model) -> dict[str, Path]:
    """Those of them whose memory can be told from that of the runtime."""
    left_out = {variant.id for variant in run.variants if why_unmeasured(variant, Memory.quantity)}
    return {name: file for name, file in measured_files(run, model).items() if name not in left_out}


def sample_inputs(run: Run, model: Model) -> dict[Path, list[np.ndarray]]:
    """Real photos as inputs of the core in each file."""
    photos, files = check_photos(run), timed_files(run, model)
    ready = {variant: load_interface(run, model, variant).preprocessing for variant in files}
    made = {how: [core_input(photo, how) for photo in photos] for how in set(ready.values())}
    return {path: made[ready[variant]] for variant, path in files.items()}


def latency(run: Run, model: Model) -> Record[Latency]:
    """Raw latency samples; those already taken of the same files under the same settings are kept."""
    profile = run.profile
    settings = latency_settings(run, run.threads, profile.latency_rounds, profile.latency_budget_s)
    return sampled_latency(run, model, "latency", settings)


def latency_by_threads(run: Run, model: Model) -> dict[int, Record[Latency]]:
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
    """For ``measure_latency``; rounds end early only where the profile has more than the least of them.

    The budget is for each runtime: every round visits the forms of all.
    """
    profile, runtimes = run.profile, len({variant.runtime for variant in run.variants})
    settings = {"rounds": profile.latency_most_rounds, "repeats": profile.latency_repeats}
    settings |= {"threads": threads, "seed": profile.seed, "least_rounds": least_rounds}
    if profile.latency_most_rounds > least_rounds:
        settings |= {"width": run.width_percent / 100, "budget_s": budget_s * runtimes}
    return settings


def sampled_latency(run: Run, model: Model, name: str, options: Mapping[str, Any]) -> Record[Latency]:
    """The record ``name`` of latency, with these options of ``measure_latency``."""

    def measure(files: Mapping[str, Path], **resume) -> Latency:
        return measure_latency(files, sample_inputs(run, model), **options, **resume)

    def begun(variants: tuple[str, ...]) -> Latency:
        least = min(options["least_rounds"], options["rounds"])
        share = rounds_in_process(measured_files(run, model).values(), least)
        threads, seed, repeats = (options[option] for option in ("threads", "seed", "repeats"))
        return Latency.begun(LatencySettings.of(variants, threads, seed, repeats, WARMUPS, share))

    return measured(run, model, name, options, begun, measure, "helpers.energy.latency")


def memory(run: Run, model: Model) -> Record[Memory]:
    """Peak memory of a fresh process per variant."""
    options = {"rounds": MEMORY_ROUNDS, "threads": run.threads, "seed": run.profile.seed}

    def measure(files: Mapping[str, Path], **resume) -> Memory:
        return measure_memory(files, **options, **resume)

    def begun(variants: tuple[str, ...]) -> Memory:
        return Memory.begun(Settings(variants, run.threads, run.profile.seed))

    files = weighed_files(run, model)
    return measured(run, model, "memory", options, begun, measure, "helpers.energy.memory", files)


def energy(run: Run, model: Model) -> Record[Energy]:
    """Raw energy windows of every variant and of the idle machine."""
    profile, meter = run.profile, choose_meter(run.meter, run.power_w)
    taken = {"window_s": profile.energy_window_s, "threads": run.threads, "seed": profile.seed}
    options = {"rounds": profile.energy_rounds, **taken}

    def measure(files: Mapping[str, Path], **resume) -> Energy:
        return measure_energy(files, sample_inputs(run, model), meter, **options, **resume)

    def begun(variants: tuple[str, ...]) -> Energy:
        return Energy.begun(energy_settings(variants, meter, **taken))

    described = {**options, "meter": meter_facts(meter)}
    return measured(run, model, "energy", described, begun, measure, "helpers.energy.windows")


def measured(
    run: Run,
    model: Model,
    name: str,
    parameters: Mapping[str, Any],
    begun: Callable[[tuple[str, ...]], M],
    measure: Callable[..., M],
    module: str,
    files: Mapping[str, Path] | None = None,
) -> Record[M]:
    """The record of a measurement, taken now unless it is there; an interrupted one goes on.

    Args:
        begun: variants -> the raw result without rounds, for where nothing could be measured.
        files: what is measured; None for ``measured_files``.
    """
    path = run.paths.measurement_record(model.id, name)
    files = measured_files(run, model) if files is None else files
    source = origin(files, jsonable(parameters), module, "helpers.photos.decoding")
    nothing = begun(tuple(files))
    record = current_record(path, type(nothing), source)
    if record and record.values.rounds:
        return record
    partial = PartialRounds(path.with_suffix(".partial"), source, type(nothing))
    try:
        raw = measure(files, done=partial.earlier(), on_round=partial.keep)
    except Exception as error:  # a meter, a kernel or a process of any kind; other measurements go on
        raw = replace(nothing, failures=dict.fromkeys(files, reason_of(error)))
    # The same failure once more stays as it is, so that what follows from it stays current.
    if record is None or record.values != raw:
        record = keep(path, name, source, raw)
    partial.forget()
    return record
