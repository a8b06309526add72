"""What every energy meter offers: open a window, close it, get a reading."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol

from helpers.lab.intervals import Absent, Interval
from helpers.lab.records import Number

Grade = Literal["A", "B", "C", "D"]

GRADES: Mapping[str, str] = MappingProxyType(
    {"A": "hardware counter", "B": "accelerator counter", "C": "estimate", "D": "absent"}
)

STEPS_PER_WINDOW = 100
SHORTEST_COUNTED_S = 1.0


def counted_window_s(step_s: float) -> float:
    """Shortest window of a counter that moves every ``step_s``: 100 steps (1 % at an end), at least 1 s."""
    return max(SHORTEST_COUNTED_S, STEPS_PER_WINDOW * step_s)


Quantity = Interval | Absent


def bounded(value: float, low: float, high: float) -> Interval:
    """A value with the meter's own hard bounds (level 1), in J."""
    return Interval(value, low, high, level=1.0)


def summed(parts: list[Quantity]) -> Quantity:
    """Sum of values, bounds added; absent if any part is: a sum without a part is not a total."""
    missing = [part for part in parts if isinstance(part, Absent)]
    if missing or not parts:
        return missing[0] if missing else Absent("the meter has no domain")
    return bounded(*(sum(getattr(part, bound) for part in parts) for bound in ("value", "low", "high")))


@dataclass(frozen=True)
class Reading:
    """What a meter saw in one window.

    Attributes:
        duration_s: length of the window in seconds.
        energy_j: domain ("package-0", "dram-0", "cpu") -> energy in J within the meter's own bounds, or
            absent.
    """

    duration_s: Number
    energy_j: Mapping[str, Quantity]

    @property
    def total_j(self) -> Quantity:
        return summed(list(self.energy_j.values()))


class Window(Protocol):
    """A measurement in progress."""

    def close(self) -> Reading: ...


class Meter(Protocol):
    """One way of measuring energy.

    Attributes:
        name: how tables call it.
        grade: A hardware counter, B accelerator counter, C estimate, D absent.
        domains: the parts of the machine whose energy a reading holds.
        resolution_s: time between updates of what it reads.
        shortest_window_s: windows shorter than this tell too little; measurements lengthen theirs to it.
        sees_idle: whether it sees the power of an idle machine, so that net energy can be computed.
        shared_range: whether its bounds come from one unknown factor that is the same in every window
            (and so cancels in a ratio of two windows), not from an error of each window.
    """

    name: str
    grade: Grade
    domains: tuple[str, ...]
    resolution_s: float
    shortest_window_s: float
    sees_idle: bool
    shared_range: bool

    def describe(self) -> str:
        """What was measured and how, in words for the report."""
        ...

    def open(self) -> Window: ...


@dataclass(frozen=True)
class MeterFacts:
    """What a record keeps of a ``Meter``.

    Attributes:
        grade_meaning: as ``GRADES`` has it.
        description: what was measured and how, in words for the report.
    """

    name: str
    grade: Grade
    grade_meaning: str
    domains: tuple[str, ...]
    resolution_s: Number
    shortest_window_s: Number
    sees_idle: bool
    shared_range: bool
    description: str


def meter_facts(meter: Meter) -> MeterFacts:
    return MeterFacts(
        name=meter.name,
        grade=meter.grade,
        grade_meaning=GRADES[meter.grade],
        domains=tuple(meter.domains),
        resolution_s=meter.resolution_s,
        shortest_window_s=meter.shortest_window_s,
        sees_idle=meter.sees_idle,
        shared_range=meter.shared_range,
        description=meter.describe(),
    )
