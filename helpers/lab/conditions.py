"""The conditions of a measurement: cores of the processor, garbage collection, load."""

import contextlib
import gc
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from helpers.lab.errors import LabError
from helpers.lab.records import Number


@dataclass(frozen=True)
class Moment:
    """What a round notes of its time.

    Attributes:
        started_unix_s: seconds since 1970.
        load_average_1min: runnable processes over the last minute; None where the system does not say.
    """

    started_unix_s: Number
    load_average_1min: float | None


@dataclass(frozen=True)
class Conditions:
    """What a record notes of the conditions.

    Attributes:
        threads: of the runtime.
        pinned_to_cpus: processor cores that the process was kept on; None where the system has no affinity.
        available_cpus: how many processor cores there are; None where the system does not say.
        clock_resolution_ns: of the clock that times invocations.
    """

    threads: int
    pinned_to_cpus: tuple[int, ...] | None
    available_cpus: int | None
    garbage_collection: str
    clock: str
    clock_resolution_ns: Number


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


def moment() -> Moment:
    return Moment(time.time(), load_average())


def conditions(threads: int, cpus: Sequence[int] | None) -> Conditions:
    return Conditions(
        threads,
        pinned_to_cpus=None if cpus is None else tuple(cpus),
        available_cpus=os.cpu_count(),
        garbage_collection="off while measuring",
        clock="time.perf_counter_ns",
        clock_resolution_ns=time.get_clock_info("perf_counter").resolution * 1e9,
    )


def require_at_least(low: float, **numbers: float) -> None:
    """Raise ``LabError`` unless every named number is at least ``low``."""
    for name, number in numbers.items():
        if not number >= low:
            raise LabError(
                f"{name}={number!r}.", f"{name} of at least {low}", f"set {name} to {low} or more."
            )
