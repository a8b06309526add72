"""Does measuring work on this machine? Known differences, and none, measured as variants are.

The same file is measured under several names: as the baseline, as the control, and with a known delay after
every invocation. What the control shows is a false alarm; which delays are found says what size of effect
this machine can see. Every run is a measurement of its own, as 04 takes it: in fresh processes.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers.energy.latency import measure_latency
from helpers.energy.records import Latency
from helpers.energy.rounds.playing import RoundCallback, begin, run_rounds
from helpers.energy.selftest import burner
from helpers.energy.selftest.records import SelfTestRun, SelfTestRuns, SelfTestSettings
from helpers.energy.selftest.summary import DELAYS, delay_name
from helpers.energy.summary import latency_ratio
from helpers.lab.conditions import require_at_least
from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent, Interval
from helpers.run.variants import BASELINE, CONTROL

RUNS = 20
ROUNDS, REPEATS = 20, 10  # the fewest rounds, and the repeats, of the profile ``quick``


def measure_delays(
    file: Path, inputs: Sequence[np.ndarray], rounds: int, repeats: int, threads: int, seed: int
) -> Latency:
    """Raw latency, as ``latency.measure_latency`` gives it, of the baseline, the control and the delays."""
    delays = {BASELINE: 0.0, CONTROL: 0.0, **{delay_name(delay): delay for delay in DELAYS}}
    files = dict.fromkeys(delays, file)
    return measure_latency(files, inputs, rounds, repeats, threads, seed, progress=False, delays=delays)


def measure_selftest(
    file: Path,
    inputs: Sequence[np.ndarray],
    runs: int = RUNS,
    rounds: int = ROUNDS,
    repeats: int = REPEATS,
    threads: int = 1,
    seed: int = 0,
    busy: bool = False,
    progress: bool = True,
    on_round: RoundCallback | None = None,
    done: SelfTestRuns | None = None,
) -> SelfTestRuns:
    """Repeat the measurement of no difference and of known ones.

    Args:
        file: a core's, the baseline's.
        inputs: photos as the core takes them, each ``[1, H, W, 3]``.
        runs: measurements; each adds its number to the seed.
        rounds, repeats, threads: as for ``latency.measure_latency``.
        busy: whether a second process burns one core at random moments meanwhile (``burner``).
        on_round: called with the raw result so far after every run, to save it.
        done: an earlier, unfinished raw result of the same settings, to go on from.

    Raises:
        LabError: a run could not be measured.
    """
    require_at_least(1, runs=runs, rounds=rounds, repeats=repeats, threads=threads)
    names = (CONTROL, *map(delay_name, DELAYS))
    settings = SelfTestSettings(names, threads, seed, rounds, repeats, busy)

    def play(number: int) -> SelfTestRun:
        with burner.burning(seed + number) if busy else contextlib.nullcontext():
            return ratios_of(measure_delays(file, inputs, rounds, repeats, threads, seed + number))

    return run_rounds(begin(SelfTestRuns(settings, (), {}, None), done), runs, play, {}, progress, on_round)


def ratios_of(raw: Latency) -> SelfTestRun:
    """Every name's ratio to the baseline."""
    names = [name for name in raw.settings.variants if name != BASELINE]
    found = {name: latency_ratio(raw, name) for name in names}
    return SelfTestRun({name: known(ratio, raw) for name, ratio in found.items()})


def known(ratio: Interval | Absent, raw: Latency) -> Interval:
    """Raises ``LabError`` where a process failed."""
    if raw.failures or isinstance(ratio, Absent):
        reason = next(iter(raw.failures.values()), "no round was finished")
        raise LabError(
            f"a run of the self-test failed: {reason}.",
            "processes that measure float32 against itself",
            "run `python -m helpers doctor`.",
        )
    return ratio
