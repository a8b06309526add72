"""Peak memory of each variant, in a fresh process of its own, above that of the bare runtime."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.energy.rounds.playing import RoundCallback, begin, run_rounds
from helpers.energy.rounds.schedule import BARE, round_order
from helpers.lab.conditions import moment, require_at_least
from helpers.lab.errors import LabError
from helpers.lab.processes import probe_environment, why_dead

REPEATS = 3
TIMEOUT_S = 300
NO_ARENA = "LiteRT's Python interface does not tell the size of its tensor arena"


def measure_memory(
    files: Mapping[str, Path],
    rounds: int = REPEATS,
    threads: int = 1,
    seed: int = 0,
    progress: bool = True,
    on_round: RoundCallback | None = None,
    done: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Raw peak memory of every variant and of the bare runtime.

    Each probe is a fresh Python process that loads one file, runs it a few times and reports its peak
    resident set size; pages of the file that the runtime maps into memory count. The bare runtime is a probe
    that loads nothing.

    Args:
        files, threads, on_round, done: as for ``latency.measure_latency``.
        rounds: probes per variant.

    Returns:
        ``{"quantity": "memory", "settings", "arena": {"absent": reason}, "rounds": [{"order",
        "started_unix_s", "load_average_1min", "probes": {variant or "bare": {"peak_rss_bytes": n, "source":
        "VmHWM"}}}], "failures": {variant: reason}}``; JSON-serializable. Raises ``LabError`` if the bare
        probe dies: nothing can be measured.
    """
    require_at_least(1, rounds=rounds, threads=threads)
    raw = begin("memory", {"variants": list(files), "threads": threads, "seed": seed}, done)
    raw |= {"arena": {"absent": NO_ARENA}, "failures": {}}
    targets = {BARE: "-", **{variant: str(Path(path).resolve()) for variant, path in files.items()}}

    def play(number: int) -> dict[str, Any]:
        noted = moment()
        waiting = [name for name in targets if name not in raw["failures"]]
        order = round_order(waiting, number, seed)
        return {"order": order, **noted, "probes": probe_all(order, targets, threads, raw["failures"])}

    run_rounds(raw, rounds, play, progress, on_round)
    return raw


def probe_all(
    order: list[str], targets: Mapping[str, str], threads: int, failures: dict[str, str]
) -> dict[str, dict[str, Any]]:
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


def probe(target: str, threads: int) -> dict[str, Any] | str:
    """``{"peak_rss_bytes", "source"}`` of a fresh process, or why there is none."""
    command = [sys.executable, "-m", "helpers.runtimes.litert.memory_probe", target, str(threads)]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, env=probe_environment(), timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return f"the memory probe did not end within {TIMEOUT_S} s"
    except OSError as error:
        return f"the memory probe could not be started: {error}"
    return json.loads(ended.stdout.splitlines()[-1]) if ended.returncode == 0 else why_dead(ended)
