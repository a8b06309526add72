"""Peak memory of each variant, in a fresh process of its own, above that of the bare runtime."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from helpers.energy.records import Memory, MemoryRound, Probe
from helpers.energy.rounds.playing import RoundCallback, begin, run_rounds
from helpers.energy.rounds.records import Settings
from helpers.energy.rounds.schedule import BARE, round_order
from helpers.lab.conditions import moment, require_at_least
from helpers.lab.errors import LabError
from helpers.lab.processes import probe_environment, why_dead
from helpers.lab.records import structured

REPEATS = 3
TIMEOUT_S = 300


def measure_memory(
    files: Mapping[str, Path],
    rounds: int = REPEATS,
    threads: int = 1,
    seed: int = 0,
    progress: bool = True,
    on_round: RoundCallback | None = None,
    done: Memory | None = None,
) -> Memory:
    """Raw peak memory of every variant and of the bare runtime.

    Each probe is a fresh Python process that loads one file, runs it a few times and reports its peak
    resident set size; pages of the file that the runtime maps into memory count. The bare runtime is a probe
    that loads nothing.

    Args:
        files, threads, on_round, done: as for ``latency.measure_latency``.
        rounds: probes per variant.

    Raises:
        LabError: the bare probe died: nothing can be measured.
    """
    require_at_least(1, rounds=rounds, threads=threads)
    begun = begin(Memory.begun(Settings(tuple(files), threads, seed)), done)
    targets = {BARE: "-", **{variant: str(Path(path).resolve()) for variant, path in files.items()}}
    failures: dict[str, str] = {}

    def play(number: int) -> MemoryRound:
        order = round_order([name for name in targets if name not in failures], number, seed)
        return MemoryRound(order, moment(), probe_all(order, targets, threads, failures))

    return run_rounds(begun, rounds, play, failures, progress, on_round)


def probe_all(
    order: Sequence[str], targets: Mapping[str, str], threads: int, failures: dict[str, str]
) -> dict[str, Probe]:
    """Probe in this order; a variant whose probe dies goes into ``failures``."""
    probes = {}
    for name in order:
        result = probe(targets[name], threads)
        if isinstance(result, str):
            failures[name] = result
        else:
            probes[name] = result
    if BARE in failures:
        raise LabError(
            f"the memory probe of the bare runtime died: {failures[BARE]}.",
            "a Python process that imports LiteRT",
            "run `python -m helpers doctor`.",
        )
    return probes


def probe(target: str, threads: int) -> Probe | str:
    """A fresh process, or why there is none."""
    command = [sys.executable, "-m", "helpers.runtimes.litert.memory_probe", target, str(threads)]
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
