"""Latency of inference alone: ``Core.invoke``, in interleaved rounds, every repeat kept."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from helpers.energy.records import Latency, LatencyRound, LatencySettings, Visit
from helpers.energy.rounds.disturbance import Watch, disturbance_facts
from helpers.energy.rounds.playing import (
    Cores,
    Inputs,
    RoundCallback,
    begin,
    inputs_of,
    require_inputs,
    run_rounds,
)
from helpers.energy.rounds.records import Plan
from helpers.energy.rounds.schedule import WARMUPS, round_order
from helpers.energy.rounds.stopping import LEAST_ROUNDS, stopping_facts, why_stop
from helpers.energy.rounds.warmup import warmup_facts
from helpers.lab.conditions import conditions, moment, no_garbage_collection, pinned, require_at_least
from helpers.runtimes.litert.core import Core


def measure_latency(
    files: Mapping[str, Path],
    inputs: Inputs,
    rounds: int,
    repeats: int,
    threads: int = 1,
    seed: int = 0,
    warmups: int = WARMUPS,
    progress: bool = True,
    on_round: RoundCallback | None = None,
    done: Latency | None = None,
    width: float | None = None,
    budget_s: float | None = None,
    least_rounds: int = LEAST_ROUNDS,
) -> Latency:
    """Raw latency samples of every variant.

    Each round visits each variant once, in a random order of its own; a visit loads the core
    afresh, then come ``warmups`` invocations, since loading and switching leave caches cold, then ``repeats``
    timed ones. The image is set outside the timed part, and is the same for all variants at the same place
    of a round.

    Rounds end at ``rounds``, or earlier: as soon as the 95 % interval of every variant's ratio to the
    baseline is at most ``width`` wide, or the rounds have taken ``budget_s``. See ``stopping`` for what that
    does to the intervals.

    Args:
        files: variant -> ``.tflite``; the control is the baseline's file under ``variants.CONTROL``.
        inputs: real photos as the cores take them, each ``[1, H, W, 3]``; one array
            ``[n, 1, H, W, 3]`` will do.
        rounds: largest number of rounds in all, those in ``done`` included; their number where neither
            ``width`` nor ``budget_s`` is given.
        repeats: timed invocations per visit.
        threads: threads of the runtime; the process is pinned to as many processor cores.
        warmups: untimed invocations at the start of a visit; kept, and marked.
        progress: whether to show a progress bar.
        on_round: called with the raw result so far after every round, to save it.
        done: an earlier, unfinished raw result of the same settings, to go on from.
        width: wanted full width of the intervals, relative to the ratio: ``stopping.WIDTH`` is 2 %.
        budget_s: seconds of rounds, those in ``done`` included; exceeded by at most a round.
        least_rounds: rounds that are played even if the budget is spent.
    """
    require_at_least(1, rounds=rounds, repeats=repeats, threads=threads, least_rounds=least_rounds)
    require_at_least(0, warmups=warmups, width=width or 0, budget_s=budget_s or 0)
    plan = Plan(rounds, min(least_rounds, rounds), width, budget_s)
    settings = LatencySettings(tuple(files), threads, seed, repeats, warmups)
    with pinned(threads) as cpus, no_garbage_collection():
        cores = Cores(files, threads)
        begun = begin(Latency.begun(settings, conditions(threads, cpus)), done)
        play = latency_round(cores, require_inputs(inputs), settings, cpus)
        raw = run_rounds(
            begun, rounds, play, cores.failures, progress, on_round, lambda raw: bool(why_stop(raw, plan))
        )
    return found_out(raw, plan)


def found_out(raw: Latency, plan: Plan) -> Latency:
    """With what the rounds say together."""
    return replace(
        raw,
        stopping=stopping_facts(raw, plan),
        warmup=warmup_facts(raw),
        disturbed=disturbance_facts(raw),
    )


def latency_round(
    cores: Cores, inputs: Inputs, settings: LatencySettings, cpus: Sequence[int] | None
) -> Callable[[int], LatencyRound]:
    """The function that plays round ``number``."""

    def play(number: int) -> LatencyRound:
        order = round_order(settings.variants, number, settings.seed)
        places = range(number * settings.repeats, (number + 1) * settings.repeats)
        started_s, loaded_s, noted, watch = time.perf_counter(), cores.loading_s, moment(), Watch(cpus)
        visits = cores.visit_all(
            order, lambda core: time_visit(core, taken(inputs_of(core, inputs), places), settings.warmups)
        )
        observed, load_s = watch.observed(), cores.loading_s - loaded_s
        wall_s = time.perf_counter() - started_s
        return LatencyRound(order, noted, observed, wall_s, load_s, invoke_s(visits), visits)

    return play


def taken(photos: Sequence[np.ndarray], places: range) -> list[np.ndarray]:
    """Photos in turn, from the first again after the last."""
    return [photos[place % len(photos)] for place in places]


def invoke_s(visits: Mapping[str, Visit]) -> float:
    """Seconds of all invocations of a round, warm-ups included."""
    return sum(sum(visit.warmup_ns) + sum(visit.timed_ns) for visit in visits.values()) * 1e-9


def time_visit(core: Core, images: Sequence[np.ndarray], warmups: int) -> Visit:
    """Each warm-up, and one invocation per image."""
    warmup_ns = tuple(time_invoke(core, images[0]) for _ in range(warmups))
    return Visit(warmup_ns, tuple(time_invoke(core, image) for image in images))


def time_invoke(core: Core, image: np.ndarray) -> int:
    core.set_input(image)
    started_ns = time.perf_counter_ns()
    core.invoke()
    return time.perf_counter_ns() - started_ns
