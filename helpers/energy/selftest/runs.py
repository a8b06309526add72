"""Does measuring work on this machine? Known differences, and none, measured as variants are.

The same file is measured under several names: as the baseline, as the control, and with a known delay
after every invocation. What the control shows is a false alarm; which delays are found says what size of
effect this machine can see. Every run is a process of its own, since processes differ by more than the
rounds of one do.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.energy.latency import latency_round
from helpers.energy.records import Latency, LatencySettings
from helpers.energy.rounds.playing import Cores, RoundCallback, begin, run_rounds
from helpers.energy.rounds.schedule import WARMUPS
from helpers.energy.selftest.records import SelfTestRun, SelfTestRuns, SelfTestSettings
from helpers.energy.selftest.summary import DELAYS, delay_name
from helpers.lab.conditions import no_garbage_collection, pinned, require_at_least
from helpers.lab.errors import LabError
from helpers.lab.processes import probe_environment, why_dead
from helpers.lab.records import structured
from helpers.run.variants import BASELINE, CONTROL
from helpers.runtimes.litert.core import Core

RUNS = 20
ROUNDS, REPEATS = 12, 10
TIMEOUT_S = 600


class DelayedCore:
    """A core whose every invocation takes a known share longer: it is followed by a busy wait."""

    def __init__(self, core: Core, delay: float):
        self._core, self._delay = core, delay
        self.set_input = core.set_input

    def invoke(self) -> None:
        started_ns = time.perf_counter_ns()
        self._core.invoke()
        ended_ns = time.perf_counter_ns()
        deadline_ns = ended_ns + self._delay * (ended_ns - started_ns)
        while time.perf_counter_ns() < deadline_ns:
            pass


class DelayedCores(Cores):
    """Cores of one file, each with the delay that its name stands for."""

    def __init__(self, file: Path, delays: Mapping[str, float], threads: int):
        super().__init__(dict.fromkeys(delays, file), threads)
        self._delays = delays

    def visit(self, variant: str, measure: Callable[[Core], Any]) -> Any:
        delay = self._delays[variant]
        return super().visit(variant, lambda core: measure(DelayedCore(core, delay) if delay else core))


def measure_delays(
    file: Path, inputs: Sequence[np.ndarray], rounds: int, repeats: int, threads: int, seed: int
) -> Latency:
    """Raw latency, as ``latency.measure_latency`` gives it, of the baseline, the control and the delays."""
    delays = {BASELINE: 0.0, CONTROL: 0.0, **{delay_name(delay): delay for delay in DELAYS}}
    settings = LatencySettings(tuple(delays), threads, seed, repeats, WARMUPS)
    with pinned(threads) as cpus, no_garbage_collection():
        cores = DelayedCores(file, delays, threads)
        play = latency_round(cores, inputs, settings, cpus)
        return run_rounds(Latency.begun(settings), rounds, play, cores.failures, False, None)


def measure_selftest(
    file: Path,
    inputs: Path,
    runs: int = RUNS,
    rounds: int = ROUNDS,
    repeats: int = REPEATS,
    threads: int = 1,
    seed: int = 0,
    progress: bool = True,
    on_round: RoundCallback | None = None,
    done: SelfTestRuns | None = None,
) -> SelfTestRuns:
    """Repeat the measurement of no difference and of known ones.

    Args:
        file: a ``.tflite``, the baseline's.
        inputs: ``.npy`` with photos as the core takes them, ``[n, 1, H, W, 3]``.
        runs: fresh processes, each a measurement of its own.
        rounds, repeats, threads: as for ``latency.measure_latency``.
        on_round: called with the raw result so far after every run, to save it.
        done: an earlier, unfinished raw result of the same settings, to go on from.

    Raises:
        LabError: a run's process died.
    """
    require_at_least(1, runs=runs, rounds=rounds, repeats=repeats, threads=threads)
    names = (CONTROL, *map(delay_name, DELAYS))
    settings = SelfTestSettings(names, threads, seed, rounds, repeats)

    def play(number: int) -> SelfTestRun:
        arguments = [file, inputs, rounds, repeats, threads, seed + number]
        return in_fresh_process([str(argument) for argument in arguments])

    return run_rounds(begin(SelfTestRuns(settings, (), {}, None), done), runs, play, {}, progress, on_round)


def in_fresh_process(arguments: Sequence[str]) -> SelfTestRun:
    command = [sys.executable, "-m", "helpers.energy.selftest.probe", *arguments]
    ended = subprocess.run(
        command, capture_output=True, text=True, env=probe_environment(), timeout=TIMEOUT_S
    )
    if ended.returncode != 0:
        raise LabError(
            f"{why_dead(ended, 'a run of the self-test')}.",
            "a process that measures float32 against itself",
            "run `python -m helpers doctor`.",
        )
    return structured(SelfTestRun, json.loads(ended.stdout.splitlines()[-1]))
