"""Grade C: an estimate of CPU energy, from CPU time and a stated range of power per busy core.

Where the default range comes from. Both ends are what one busy core takes, everything around it included:

* 2 W: a hardware thread of a fully loaded many-core server. Cloud Carbon Footprint's coefficients, derived
  from SPECpower results, give 1.9 W (AMD EPYC Milan) to 6.0 W (Intel Haswell) per hardware thread at full
  load (https://www.cloudcarbonfootprint.org/docs/methodology/).
* 20 W: the only busy core of a desktop processor at its highest clock. Rated power divided by cores is 4.4 W
  (EPYC 7763: 280 W, 64 cores), 6.8 W (Xeon 8380: 270 W, 40) and 10.8 W (Ryzen 5 5600X: 65 W, 6), and a single
  core that is allowed to boost takes up to twice the last.

The value between is the geometric mean (6.3 W), since the range is one of factors. Where the processor is
known by name, ``cpu_power`` has a range for it. Whoever has a wall meter should state a narrower range.
"""

import math
import time
from dataclasses import dataclass, field

from helpers.lab.errors import LabError
from helpers.lab.intervals import Interval
from helpers.meters.base import STEPS_PER_WINDOW, Grade, Reading, bounded

POWER_W = (2.0, 20.0)


@dataclass(frozen=True)
class EstimateWindow:
    power_w: tuple[float, float]
    started_s: float
    started_cpu_s: float

    def close(self) -> Reading:
        cpu_s = time.process_time() - self.started_cpu_s
        duration_s = time.perf_counter() - self.started_s
        return Reading(duration_s, {"cpu": estimated_energy_j(cpu_s, self.power_w)})


def estimated_energy_j(cpu_s: float, power_w: tuple[float, float]) -> Interval:
    """CPU seconds of all threads x watts per busy core: an interval in J, its value the geometric mean."""
    low_w, high_w = power_w
    return bounded(cpu_s * math.sqrt(low_w * high_w), cpu_s * low_w, cpu_s * high_w)


def require_power(power_w: tuple[float, float]) -> tuple[float, float]:
    """``(low, high)`` as floats. Raises ``LabError`` unless 0 < low <= high, both finite."""
    try:
        low_w, high_w = (float(watts) for watts in power_w)
        valid = 0 < low_w <= high_w < math.inf
    except (TypeError, ValueError):
        valid = False
    if valid:
        return low_w, high_w
    raise LabError(
        f"power_w={power_w!r}.",
        "two numbers (low, high) in watts per busy core, 0 < low <= high",
        "set power_w=(2.0, 20.0), or the range that you know for your processor.",
    )


@dataclass(frozen=True)
class EstimateMeter:
    """CPU time of this process, all threads, times a stated power range.

    Args:
        power_w: lowest and highest power of one busy core in W.
        reason: why no hardware counter is used, as a clause without a full stop.
        source: where the range comes from, as a clause without a full stop.
    """

    power_w: tuple[float, float] = POWER_W
    reason: str = ""
    name: str = "estimate"
    grade: Grade = "C"
    domains: tuple[str, ...] = ("cpu",)
    resolution_s: float = field(default_factory=lambda: time.get_clock_info("process_time").resolution)
    shortest_window_s: float = field(init=False)
    sees_idle: bool = False
    shared_range: bool = True
    source: str = ""

    def __post_init__(self):
        object.__setattr__(self, "shortest_window_s", STEPS_PER_WINDOW * self.resolution_s)
        object.__setattr__(self, "power_w", require_power(self.power_w))

    def describe(self) -> str:
        low_w, high_w = self.power_w
        source = f" The range: {self.source}." if self.source else ""
        because = f" No hardware counter was used: {self.reason}." if self.reason else ""
        return (
            f"Estimate, not a measurement: CPU time of this process x {low_w:g} to {high_w:g} W per busy"
            " core. It follows CPU time by construction, so it tells nothing about energy that CPU time does"
            f" not tell.{source}{because}"
        )

    def open(self) -> EstimateWindow:
        return EstimateWindow(self.power_w, time.perf_counter(), time.process_time())
