"""What a self-test of measuring records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from helpers.energy.rounds.records import Settings
from helpers.lab.intervals import Interval
from helpers.meters.proof import Proof


@dataclass(frozen=True)
class SelfTestSettings(Settings):
    """Settings of every run: the control and the delays, each run's rounds, and its repeats in a visit.

    Each run adds its number to the seed.

    Attributes:
        busy: whether a second process burned a core at random moments.
    """

    rounds: int
    repeats: int
    busy: bool


@dataclass(frozen=True)
class SelfTestRun:
    """A measurement of its own, in fresh processes: variant -> ratio to the baseline."""

    ratios: Mapping[str, Interval]


@dataclass(frozen=True)
class SelfTestRuns:
    """All runs.

    Attributes:
        failures: always empty: a run that dies ends the self-test.
        rapl: the RAPL meter at a known power; None where it was not tried.
    """

    quantity: ClassVar[str] = "selftest"

    settings: SelfTestSettings
    rounds: tuple[SelfTestRun, ...]
    failures: Mapping[str, str]
    rapl: Proof | None
