"""Peak memory of each variant, in a fresh process of its own, above that of its bare runtime."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from helpers.energy.records import Memory, MemoryRound, Probe
from helpers.energy.rounds.playing import RoundCallback, begin, run_rounds
from helpers.energy.rounds.records import Settings
from helpers.energy.rounds.schedule import bare_of, round_order
from helpers.lab.conditions import moment, require_at_least
from helpers.lab.errors import LabError
from helpers.lab.processes import probe_environment, why_dead
from helpers.lab.records import structured
from helpers.runtimes.catalogue import runtime_of

REPEATS = 3
TIMEOUT_S = 300
NOTHING = "-"  # as the probe's file: its runtime alone
Target = tuple[str, str]  # a runtime's id, and a file or ``NOTHING``


def measure_memory(
    files: Mapping[str, Path],
    rounds: int = REPEATS,
    threads: int = 1,
    seed: int = 0,
    progress: bool = True,
    on_round: RoundCallback | None = None,
    done: Memory | None = None,
) -> Memory:
    """Raw peak memory of every variant, and of the bare runtime of each.

    Each probe is a fresh Python process that loads one file, runs it a few times and reports its peak
    resident set size; pages of the file that the runtime maps into memory count. The bare runtime is a probe
    that loads nothing.

    Args:
        files, threads, on_round, done: as for ``latency.measure_latency``.
        rounds: probes per variant.

    Raises:
        LabError: the probe of every bare runtime died: nothing can be measured.
    """
    require_at_least(1, rounds=rounds, threads=threads)
    begun = begin(Memory.begun(Settings(tuple(files), threads, seed)), done)
    targets = targets_of({variant: Path(path) for variant, path in files.items()})
    failures: dict[str, str] = {}

    def play(number: int) -> MemoryRound:
        order = round_order([name for name in targets if name not in failures], number, seed)
        return MemoryRound(order, moment(), probe_all(order, targets, threads, failures))

    return run_rounds(begun, rounds, play, failures, progress, on_round)


def targets_of(files: Mapping[str, Path]) -> dict[str, Target]:
    """What is probed: the bare runtimes, then every variant."""
    runtimes = {variant: runtime_of(path) for variant, path in files.items()}
    bare = {bare_of(runtime): (runtime, NOTHING) for runtime in runtimes.values()}
    return bare | {variant: (runtimes[variant], str(path.resolve())) for variant, path in files.items()}


def probe_all(
    order: Sequence[str], targets: Mapping[str, Target], threads: int, failures: dict[str, str]
) -> dict[str, Probe]:
    """Probe in this order; what dies goes into ``failures``, and with a bare runtime all that it runs."""
    probes = {}
    for name in order:
        result = probe(targets[name], threads)
        if isinstance(result, str):
            failures[name] = result
        else:
            probes[name] = result
    died = {targets[name][0]: failures[name] for name in order if is_dead_bare(targets[name], name, failures)}
    for name, (runtime, _) in targets.items():
        if runtime in died:
            failures[name] = f"the memory probe of the bare runtime died: {died[runtime]}"
    if died and not alive(targets, failures):
        reason = next(iter(died.values()))
        raise LabError(
            f"the memory probe of the bare runtime died: {reason}.",
            "a Python process that imports a runtime",
            "run `python -m helpers doctor`.",
        )
    return {name: found for name, found in probes.items() if name not in failures}


def is_dead_bare(target: Target, name: str, failures: Mapping[str, str]) -> bool:
    return target[1] == NOTHING and name in failures


def alive(targets: Mapping[str, Target], failures: Mapping[str, str]) -> set[str]:
    """The runtimes whose bare probe did not die."""
    return {runtime for runtime, _ in targets.values() if bare_of(runtime) not in failures}


def probe(target: Target, threads: int) -> Probe | str:
    """A fresh process, or why there is none."""
    command = [sys.executable, "-m", "helpers.runtimes.memory_probe", *target, str(threads)]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, env=probe_environment(), timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return f"the memory probe did not end within {TIMEOUT_S} s"
    except OSError as error:
        return f"the memory probe could not be started: {error}"
    if ended.returncode:
        return why_dead(ended)
    return structured(Probe, json.loads(ended.stdout.splitlines()[-1]))
