"""Latency at several thread counts: one measurement of ``latency`` each, from one budget."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.measure.conditions import available_cpus, require_at_least
from helpers.measure.latency import measure_latency
from helpers.measure.rounds import RoundCallback
from helpers.measure.stopping import spent_s


def thread_counts(cores: int | None = None) -> list[int]:
    """1, 2, 4, ... and ``cores``: all that this process may use, unless given."""
    most = cores or len(available_cpus() or range(os.cpu_count() or 1))
    return sorted({2**power for power in range(most.bit_length()) if 2**power <= most} | {most})


def measure_latency_by_threads(
    files: Mapping[str, Path],
    inputs: Sequence[np.ndarray],
    rounds: int,
    repeats: int,
    counts: Sequence[int] | None = None,
    budget_s: float | None = None,
    on_round: RoundCallback | None = None,
    done: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Raw latency samples at each thread count.

    Counts follow one another, so ratios compare variants at one count, where rounds interleave; latencies at
    two counts are apart in time, and drift lies between them.

    Args:
        files, inputs, rounds, repeats, options: as for ``latency.measure_latency``, at every count.
        counts: thread counts; ``thread_counts()`` unless given.
        budget_s: seconds for all counts: each may use an equal part of what is left when it starts, so what
            one leaves goes to those after it.
        on_round, done: as for ``latency.measure_latency``, of the whole.

    Returns:
        ``{"quantity": "latency by threads", "threads": {str(count): raw latency}}``; JSON-serializable.
    """
    counts = thread_counts() if counts is None else list(counts)
    require_at_least(1, **{f"counts[{place}]": count for place, count in enumerate(counts)})
    whole = {"quantity": "latency by threads", "threads": dict(done["threads"]) if done else {}}

    def save(raw: dict[str, Any], count: int) -> None:
        whole["threads"][str(count)] = raw
        if on_round:
            on_round(whole)

    for place, count in enumerate(counts):
        earlier = whole["threads"].get(str(count))
        if earlier and earlier["stopping"]["why"]:
            continue
        whole["threads"][str(count)] = measure_latency(
            files,
            inputs,
            rounds,
            repeats,
            threads=count,
            budget_s=share_s(budget_s, whole["threads"], counts[place:]),
            on_round=lambda raw, count=count: save(raw, count),
            done=earlier,
            **options,
        )
    return whole


def share_s(budget_s: float | None, measured: Mapping[str, Any], left: Sequence[int]) -> float | None:
    """Budget of the first of the ``left`` counts: an equal part of what the finished ones did not use."""
    if budget_s is None:
        return None
    waiting = {str(count) for count in left}
    used_s = sum(spent_s(raw) for count, raw in measured.items() if count not in waiting)
    return max(budget_s - used_s, 0.0) / len(left)
