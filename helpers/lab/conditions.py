"""The conditions of a measurement: cores of the processor, garbage collection, load."""

import contextlib
import gc
import os
import time
from collections.abc import Iterator
from typing import Any

from helpers.lab.errors import LabError


def available_cpus() -> list[int] | None:
    """Processor cores that this process may use; None where the system cannot say (macOS, Windows)."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


@contextlib.contextmanager
def pinned(threads: int) -> Iterator[list[int] | None]:
    """Keep this thread, and those that it starts, on ``threads`` cores; yields them, restores all at the end.

    The highest-numbered cores are taken, since systems serve most interrupts on the first. None is yielded,
    and nothing pinned, where the system has no affinity.
    """
    before = available_cpus()
    if before is None:
        yield None
        return
    chosen = before[-threads:]
    os.sched_setaffinity(0, chosen)
    try:
        yield chosen
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Python's cycle collector off, so that it does not run inside a timed part."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def load_average() -> float | None:
    """Runnable processes over the last minute; None where the system does not say."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def moment() -> dict[str, Any]:
    """What a round notes of its time: seconds since 1970, and the load."""
    return {"started_unix_s": time.time(), "load_average_1min": load_average()}


def conditions(threads: int, cpus: list[int] | None) -> dict[str, Any]:
    """What a record notes of the conditions; JSON-serializable."""
    return {
        "threads": threads,
        "pinned_to_cpus": cpus,
        "available_cpus": os.cpu_count(),
        "garbage_collection": "off while measuring",
        "clock": "time.perf_counter_ns",
        "clock_resolution_ns": time.get_clock_info("perf_counter").resolution * 1e9,
    }


def require_at_least(low: float, **numbers: float) -> None:
    """Raise ``LabError`` unless every named number is at least ``low``."""
    for name, number in numbers.items():
        if not number >= low:
            raise LabError(
                f"{name}={number!r}.", f"{name} of at least {low}", f"set {name} to {low} or more."
            )
