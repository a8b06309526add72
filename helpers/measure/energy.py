"""Energy of inference alone: windows of back-to-back invocations between idle windows, every window kept."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.errors import LabError
from helpers.measure.conditions import conditions, moment, no_garbage_collection, pinned, require_at_least
from helpers.measure.rounds import Cores, RoundCallback, begin, require_inputs, run_rounds
from helpers.measure.schedule import WARMUPS, round_order
from helpers.meters.base import Meter, meter_facts
from helpers.runtime import Core

STEPS_PER_WINDOW = 100


def measure_energy(
    files: Mapping[str, Path],
    inputs: Sequence[np.ndarray],
    meter: Meter,
    rounds: int,
    window_s: float,
    threads: int = 1,
    seed: int = 0,
    progress: bool = True,
    on_round: RoundCallback | None = None,
    done: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Raw energy windows of every variant, and of the idle machine before, between and after the rounds.

    Each round has one window per variant, in a random order of its own: the core is loaded and
    warmed up, the meter opened, the core invoked back to back for at least ``window_s``, the meter closed.
    All variants of a round see the same image. Takes about ``window_s * (rounds * (variants + 1) + 1)``.

    Args:
        files, inputs, rounds, threads, on_round, done: as for ``latency.measure_latency``.
        meter: as ``meters.choose.choose_meter`` gives it.
        window_s: shortest length of a window in seconds; at least 100 updates of the meter.

    Returns:
        ``{"quantity": "energy", "settings", "conditions", "rounds": [{"order", "started_unix_s",
        "load_average_1min", "idle_before": reading, "windows": {variant: {"inferences": n, **reading}}}],
        "idle_after": reading, "failures": {variant: reason}}``, where reading is
        ``meters.base.Reading.to_json()``; JSON-serializable.
    """
    require_at_least(1, rounds=rounds, threads=threads)
    require_window(window_s, meter)
    settings = {
        "variants": list(files),
        "window_s": window_s,
        "threads": threads,
        "seed": seed,
        "meter": meter_facts(meter),
    }
    raw = begin("energy", settings, done)
    with pinned(threads) as cpus, no_garbage_collection():
        cores = Cores(files, threads)
        raw |= {"conditions": conditions(threads, cpus), "failures": cores.failures}
        play = energy_round(cores, require_inputs(inputs), meter, settings)
        run_rounds(raw, rounds, play, progress, on_round)
        raw["idle_after"] = idle_window(meter, window_s)
    return raw


def energy_round(
    cores: Cores, inputs: Sequence[np.ndarray], meter: Meter, settings: Mapping[str, Any]
) -> Callable[[int], dict[str, Any]]:
    """The function that plays round ``number``."""
    window_s = settings["window_s"]

    def play(number: int) -> dict[str, Any]:
        order = round_order(settings["variants"], number, settings["seed"])
        image = inputs[number % len(inputs)]
        opening = {"order": order, **moment(), "idle_before": idle_window(meter, window_s)}
        windows = cores.visit_all(order, lambda core: busy_window(core, image, meter, window_s))
        return {**opening, "windows": windows}

    return play


def idle_window(meter: Meter, window_s: float) -> dict[str, Any]:
    """The machine with this process asleep."""
    window = meter.open()
    time.sleep(window_s)
    return window.close().to_json()


def busy_window(core: Core, image: np.ndarray, meter: Meter, window_s: float) -> dict[str, Any]:
    core.set_input(image)
    for _ in range(WARMUPS):
        core.invoke()
    window = meter.open()
    inferences = invoke_for(core, window_s)
    return {"inferences": inferences, **window.close().to_json()}


def invoke_for(core: Core, window_s: float) -> int:
    """Invoke back to back until ``window_s`` have passed; how often (at least once)."""
    inferences, deadline_s = 0, time.perf_counter() + window_s
    while not inferences or time.perf_counter() < deadline_s:
        core.invoke()
        inferences += 1
    return inferences


def require_window(window_s: float, meter: Meter) -> None:
    """Raise ``LabError`` for a window in which the meter's steps would show."""
    shortest_s = STEPS_PER_WINDOW * meter.resolution_s
    if not window_s > 0 or window_s < shortest_s:
        raise LabError(
            f"window_s={window_s!r}.",
            f"more than 0, and at least {shortest_s:g} s with the meter {meter.name}",
            f"set energy_window_s to {max(shortest_s, 1.0):g} or more.",
        )
