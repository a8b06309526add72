"""What is timed in a visit: warm-ups and repeats of ``Core.invoke``, nothing else between the two clocks.

Imports little: a process that times cores starts with it.
"""

import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Invoked(Protocol):
    """What a visit needs of a core."""

    def set_input(self, image: np.ndarray) -> None: ...

    def invoke(self) -> None: ...


class DelayedCore:
    """A core whose every invocation takes a known share longer: it is followed by a busy wait."""

    def __init__(self, core: Invoked, delay: float):
        self._core, self._delay = core, delay
        self.set_input = core.set_input

    def invoke(self) -> None:
        started_ns = time.perf_counter_ns()
        self._core.invoke()
        ended_ns = time.perf_counter_ns()
        deadline_ns = ended_ns + self._delay * (ended_ns - started_ns)
        while time.perf_counter_ns() < deadline_ns:
            pass


def time_visit(core: Invoked, images: Sequence[np.ndarray], warmups: int) -> tuple[list[int], list[int]]:
    """Nanoseconds of each warm-up, all on the first image, and of one invocation per image."""
    warmup_ns = [time_invoke(core, images[0]) for _ in range(warmups)]
    return warmup_ns, [time_invoke(core, image) for image in images]


def time_invoke(core: Invoked, image: np.ndarray) -> int:
    core.set_input(image)
    started_ns = time.perf_counter_ns()
    core.invoke()
    return time.perf_counter_ns() - started_ns


def context_switches() -> tuple[int, int] | None:
    """``(voluntary, involuntary)`` switches of all threads of this process since its start.

    None on Windows, and where both are 0: a kernel that does not count them (gVisor) says so.
    """
    try:
        import resource
    except ImportError:
        return None
    usage = resource.getrusage(resource.RUSAGE_SELF)
    counts = (usage.ru_nvcsw, usage.ru_nivcsw)
    return counts if any(counts) else None


def since(before: Sequence[int] | None, after: Sequence[int] | None) -> tuple[int, int] | None:
    return (after[0] - before[0], after[1] - before[1]) if before and after else None
