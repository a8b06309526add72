"""A quick look at how long files take, to choose by; what is reported is measured by 04."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers.runtimes.catalogue import load_core
from helpers.runtimes.contract import Session
from helpers.runtimes.ends import image_for

ROUNDS, VISIT_S, LEAST_REPEATS = 9, 0.03, 3


def fastest_ms(cores: Sequence[Path]) -> list[float]:
    """Of each core the median over interleaved visits of the fastest inference in them, on one thread."""
    sessions = [load_core(core, threads=1) for core in cores]
    for session in sessions:
        session.set_input(image_for(session))
        session.invoke()
    visits = [[visit_ms(session) for session in sessions] for _ in range(ROUNDS)]
    return [float(each) for each in np.median(visits, 0)]


def visit_ms(session: Session) -> float:
    """The fastest of a few inferences, in ms."""
    end, times = time.perf_counter() + VISIT_S, []
    session.invoke()
    while len(times) < LEAST_REPEATS or time.perf_counter() < end:
        start = time.perf_counter()
        session.invoke()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)
