"""What every measurement in rounds records: how the system was, why rounds ended, which were disturbed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from helpers.lab.records import Number


@dataclass(frozen=True)
class Settings:
    """What a measurement is taken under: rounds of other settings are not put together.

    Attributes:
        variants: what every round visits; the control is one of them.
        threads: of the runtime.
        seed: of the order in each round.
    """

    variants: tuple[str, ...]
    threads: int
    seed: int


class Measurement(Protocol):
    """A raw result that grows round by round, a frozen dataclass.

    Attributes:
        quantity: what is measured; the record's name.
        failures: variant -> why it could not be measured, or not to the end.
    """

    quantity: str
    settings: Settings
    rounds: tuple[Any, ...]
    failures: Mapping[str, str]


M = TypeVar("M", bound=Measurement)


def why_nothing(raw: Measurement) -> str:
    """Why nothing at all could be measured; empty where a round was played."""
    return "" if raw.rounds else next(iter(raw.failures.values()), "")


@dataclass(frozen=True)
class Observed:
    """What the system told of a stretch of a round; None for what is not readable.

    Attributes:
        watched_s: length of the stretch.
        steal_share: of the cores' time that other virtual machines took: 0..1, in steps of 10 ms.
        voluntary_switches, involuntary_switches: of all threads of this process.
        frequency_mhz: mean of the cores, at the end.
        temperature_c: the highest of all sensors, at the end.
    """

    watched_s: Number
    steal_share: float | None
    voluntary_switches: int | None
    involuntary_switches: int | None
    frequency_mhz: float | None
    temperature_c: float | None


@dataclass(frozen=True)
class Marked:
    """A disturbed round: its number, and the names of the rules that mark it."""

    round: int
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Disturbed:
    """Which rounds were disturbed, by what the system told.

    Attributes:
        rules: name -> meaning.
        unreadable: names of the rules that nothing could be read for.
    """

    rules: Mapping[str, str]
    unreadable: tuple[str, ...]
    rounds: tuple[Marked, ...]


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Attributes:
        most_rounds: never more.
        least_rounds: never fewer, even past the budget: with fewer an interval does not hold what it says.
        width: wanted full width of every ratio's 95 % interval, relative to the ratio; None: not looked at.
        budget_s: no round starts after so many seconds of rounds, those of a resumed measurement included;
            None: no budget.
    """

    most_rounds: int
    least_rounds: int
    width: float | None
    budget_s: float | None


@dataclass(frozen=True)
class Stopping:
    """Why rounds ended.

    Attributes:
        why: in words.
        spent_s: seconds that the rounds took.
        reached_widths: variant -> full width of its ratio's interval, relative to the ratio; None without
            a ratio. Empty where rounds do not end on widths.
    """

    plan: Plan
    why: str
    spent_s: Number
    reached_widths: Mapping[str, float | None]
