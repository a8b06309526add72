"""Grade D: no energy figure, and the reason. Never a zero."""

import time
from dataclasses import dataclass

from helpers.lab.intervals import Absent
from helpers.meters.base import Grade, Reading


@dataclass(frozen=True)
class AbsentWindow:
    reason: str
    started_s: float

    def close(self) -> Reading:
        return Reading(time.perf_counter() - self.started_s, {"cpu": Absent(self.reason)})


@dataclass(frozen=True)
class AbsentMeter:
    """Measures nothing and says why.

    Args:
        reason: why there is no energy figure, as a clause without a full stop.
    """

    reason: str
    name: str = "none"
    grade: Grade = "D"
    domains: tuple[str, ...] = ("cpu",)
    resolution_s: float = 0.0
    shortest_window_s: float = 0.0
    sees_idle: bool = False
    shared_range: bool = False

    def describe(self) -> str:
        return f"No energy was measured: {self.reason}."

    def open(self) -> AbsentWindow:
        return AbsentWindow(self.reason, time.perf_counter())
