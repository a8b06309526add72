"""Latency of inference alone: ``Core.invoke``, in interleaved rounds, every repeat kept."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.measure.conditions import conditions, moment, no_garbage_collection, pinned, require_at_least
from helpers.measure.rounds import Cores, RoundCallback, begin, require_inputs, run_rounds
from helpers.measure.schedule import WARMUPS, round_order
from helpers.runtime import Core


def measure_latency(
    files: Mapping[str, Path],
    inputs: Sequence[np.ndarray],
    rounds: int,
    repeats: int,
    threads: int = 1,
    seed: int = 0,
    warmups: int = WARMUPS,
    progress: bool = True,
    on_round: RoundCallback | None = None,
    done: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Raw latency samples of every variant.

    Each round visits each variant once, in a random order of its own; a visit loads the core
    afresh, then come ``warmups`` invocations, since loading and switching leave caches cold, then ``repeats``
    timed ones. The image is set outside the timed part, and is the same for all variants at the same place
    of a round.

    Args:
        files: variant -> ``.tflite``; the control is the baseline's file under ``variants.CONTROL``.
        inputs: real photos as the cores take them, each ``[1, H, W, 3]``; one array
            ``[n, 1, H, W, 3]`` will do.
        rounds: rounds in all, those in ``done`` included.
        repeats: timed invocations per visit.
        threads: threads of the runtime; the process is pinned to as many processor cores.
        warmups: untimed invocations at the start of a visit; kept, and marked.
        progress: whether to show a progress bar.
        on_round: called with the raw result so far after every round, to save it.
        done: an earlier, unfinished raw result of the same settings, to go on from.

    Returns:
        ``{"quantity": "latency", "settings", "conditions", "rounds": [{"order", "started_unix_s",
        "load_average_1min", "visits": {variant: {"warmup_ns": [..], "timed_ns": [..]}}}], "failures":
        {variant: reason}}``; JSON-serializable.
    """
    require_at_least(1, rounds=rounds, repeats=repeats, threads=threads)
    require_at_least(0, warmups=warmups)
    settings = {
        "variants": list(files),
        "repeats": repeats,
        "warmups": warmups,
        "threads": threads,
        "seed": seed,
    }
    raw = begin("latency", settings, done)
    with pinned(threads) as cpus, no_garbage_collection():
        cores = Cores(files, threads)
        raw |= {"conditions": conditions(threads, cpus), "failures": cores.failures}
        play = latency_round(cores, require_inputs(inputs), settings)
        run_rounds(raw, rounds, play, progress, on_round)
    return raw


def latency_round(
    cores: Cores, inputs: Sequence[np.ndarray], settings: Mapping[str, Any]
) -> Callable[[int], dict[str, Any]]:
    """The function that plays round ``number``."""
    warmups, repeats = settings["warmups"], settings["repeats"]

    def play(number: int) -> dict[str, Any]:
        order = round_order(settings["variants"], number, settings["seed"])
        images = [inputs[place % len(inputs)] for place in range(number * repeats, (number + 1) * repeats)]
        noted = moment()
        visits = cores.visit_all(order, lambda core: time_visit(core, images, warmups))
        return {"order": order, **noted, "visits": visits}

    return play


def time_visit(core: Core, images: Sequence[np.ndarray], warmups: int) -> dict[str, list[int]]:
    """Nanoseconds of each warm-up and of one invocation per image."""
    warmup_ns = [time_invoke(core, images[0]) for _ in range(warmups)]
    return {"warmup_ns": warmup_ns, "timed_ns": [time_invoke(core, image) for image in images]}


def time_invoke(core: Core, image: np.ndarray) -> int:
    core.set_input(image)
    started_ns = time.perf_counter_ns()
    core.invoke()
    return time.perf_counter_ns() - started_ns
