"""Time by operator, taken in a process of its own: what is the same for every runtime."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.lab.conditions import require_at_least
from helpers.lab.errors import LabError
from helpers.lab.processes import probe_environment, why_dead
from helpers.runtimes.contract import Session
from helpers.runtimes.ends import image_for

TIMEOUT_S = 300
WARM_UPS = 5
UNEVEN = "the profiler's operators are not the same in every invocation"
Taken = dict[str, Any]


def profile_apart(module: str, path: Path, invocations: int, threads: int) -> Taken:
    """What the program ``python -m module FILE INVOCATIONS THREADS`` prints, or ``{"absent": reason}``."""
    require_at_least(1, invocations=invocations, threads=threads)
    command = [sys.executable, "-m", module, str(Path(path).resolve()), str(invocations), str(threads)]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, env=probe_environment(), timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return {"absent": f"the profiler did not end within {TIMEOUT_S} s"}
    if ended.returncode:
        return {"absent": why_dead(ended, "the profiler")}
    return json.loads(ended.stdout.splitlines()[-1])


def profile_told(raw: Mapping[str, Any], invocations: int, threads: int) -> Taken:
    """What was taken, with what it was taken with; ``{"absent": reason}`` as it is."""
    return dict(raw) if "absent" in raw else {"invocations": invocations, "threads": threads, **raw}


def mean_times(runs: Sequence[Sequence[Mapping[str, Any]]], wholes: Sequence[float]) -> Taken:
    """Means over the faster half of the invocations, the same half for every operator.

    Args:
        runs: the operators of each invocation, ``{"name", "kind", "runs_by", "node", "us"}`` each.
        wholes: time of each whole invocation in µs.

    Returns:
        ``{"whole_us", "operators", "whole_mean_us", "between_us"}``: the operators and what is between them
        add up to the whole exactly; or ``{"absent": reason}``.
    """
    names = [[(operator["name"], operator["node"]) for operator in run] for run in runs]
    if not names or any(run != names[0] for run in names):
        return {"absent": UNEVEN}
    faster = sorted(range(len(runs)), key=wholes.__getitem__)[: (len(runs) + 1) // 2]
    operators = [op | {"us": mean([runs[n][at]["us"] for n in faster])} for at, op in enumerate(runs[0])]
    whole = mean([wholes[n] for n in faster])
    between = whole - sum(op["us"] for op in operators)
    return {"whole_us": list(wholes), "operators": operators, "whole_mean_us": whole, "between_us": between}


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def alternately(
    profiled: Callable[[], Any], plain: Session, invocations: int
) -> tuple[list[Any], list[float]]:
    """Run a core with its profiler and without in turn, ``profiled`` twice for every kept invocation.

    Returns:
        What ``profiled`` gave in each kept one; the times of a core without profiler, one beside each, in µs.
    """
    plain.set_input(image_for(plain))
    for _ in range(WARM_UPS):
        profiled()
        plain.invoke()
    kept, plain_us = [], []
    for _ in range(invocations):
        kept.append(profiled())
        plain.invoke()  # the other core has just left the caches cold
        start_ns = time.perf_counter_ns()
        plain.invoke()
        plain_us.append((time.perf_counter_ns() - start_ns) / 1000)
        profiled()
    return kept, plain_us


def run_as_program(take: Callable[[Path, int, int], Taken], arguments: Sequence[str]) -> int:
    """Print what ``take`` gives as a line of JSON; exit status for the shell."""
    try:
        taken = take(Path(arguments[0]), int(arguments[1]), int(arguments[2]))
    except (LabError, OSError, RuntimeError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    print(json.dumps(taken))
    return 0
