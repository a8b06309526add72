"""Energy of inference alone: windows of back-to-back invocations between idle windows, every window kept."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from helpers.energy.records import BusyWindow, Energy, EnergyRound, EnergySettings
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
from helpers.energy.rounds.schedule import WARMUPS, round_order
from helpers.lab.conditions import conditions, moment, no_garbage_collection, pinned, require_at_least
from helpers.lab.errors import LabError
from helpers.meters.base import Meter, Reading, meter_facts
from helpers.runtimes.contract import Session


def measure_energy(
    files: Mapping[str, Path],
    inputs: Inputs,
    meter: Meter,
    rounds: int,
    window_s: float,
    threads: int = 1,
    seed: int = 0,
    progress: bool = True,
    on_round: RoundCallback | None = None,
    done: Energy | None = None,
) -> Energy:
    """Raw energy windows of every variant, and of the idle machine before, between and after the rounds.

    Each round has one window per variant, in a random order of its own: the core is loaded and
    warmed up, the meter opened, the core invoked back to back for at least ``window_s``, the meter closed.
    All variants of a round see the same image. Takes about ``window_s * (rounds * (variants + 1) + 1)``,
    with the window that the meter needs where that is longer.

    Args:
        files, inputs, rounds, threads, on_round, done: as for ``latency.measure_latency``.
        meter: as ``meters.choose.choose_meter`` gives it.
        window_s: shortest length of a window in seconds; lengthened to ``meter.shortest_window_s``.
    """
    require_at_least(1, rounds=rounds, threads=threads)
    settings = energy_settings(files, meter, window_s, threads, seed)
    with pinned(threads) as cpus, no_garbage_collection():
        cores = Cores(files, threads)
        begun = begin(Energy.begun(settings, conditions(threads, cpus)), done)
        play = energy_round(cores, require_inputs(inputs), meter, settings, cpus)
        raw = run_rounds(begun, rounds, play, cores.failures, progress, on_round)
        idle_after = idle_window(meter, settings.window_s)
    return replace(raw, idle_after=idle_after, disturbed=disturbance_facts(raw))


def energy_settings(
    variants: Iterable[str], meter: Meter, window_s: float, threads: int, seed: int
) -> EnergySettings:
    taken_s = window_length_s(window_s, meter)
    return EnergySettings(tuple(variants), threads, seed, taken_s, window_s, meter_facts(meter))


def energy_round(
    cores: Cores, inputs: Inputs, meter: Meter, settings: EnergySettings, cpus: Sequence[int] | None
) -> Callable[[int], EnergyRound]:
    """The function that plays round ``number``."""
    window_s = settings.window_s

    def play(number: int) -> EnergyRound:
        order = round_order(settings.variants, number, settings.seed)
        noted, idle_before, watch = moment(), idle_window(meter, window_s), Watch(cpus)
        windows = cores.visit_all(
            order, lambda core: busy_window(core, in_turn(inputs_of(core, inputs), number), meter, window_s)
        )
        return EnergyRound(order, noted, idle_before, watch.observed(), windows)

    return play


def in_turn(photos: Sequence[np.ndarray], number: int) -> np.ndarray:
    return photos[number % len(photos)]


def idle_window(meter: Meter, window_s: float) -> Reading:
    """The machine with this process asleep."""
    window = meter.open()
    time.sleep(window_s)
    return window.close()


def busy_window(core: Session, image: np.ndarray, meter: Meter, window_s: float) -> BusyWindow:
    core.set_input(image)
    for _ in range(WARMUPS):
        core.invoke()
    window = meter.open()
    inferences = invoke_for(core, window_s)
    return BusyWindow(inferences, window.close())


def invoke_for(core: Session, window_s: float) -> int:
    """Invoke back to back until ``window_s`` have passed; how often (at least once)."""
    inferences, deadline_s = 0, time.perf_counter() + window_s
    while not inferences or time.perf_counter() < deadline_s:
        core.invoke()
        inferences += 1
    return inferences


def window_length_s(window_s: float, meter: Meter) -> float:
    """``window_s``, or the shortest window of the meter where that is longer."""
    require_window(window_s)
    return max(window_s, meter.shortest_window_s)


def require_window(window_s: float) -> None:
    """Raise ``LabError`` for a window that is none."""
    if not 0 < window_s < math.inf:
        raise LabError(f"window_s={window_s!r}.", "seconds, more than 0", "set energy_window_s to 1.0.")
