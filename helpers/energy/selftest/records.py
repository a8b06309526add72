"""What a self-test of measuring records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from helpers.lab.intervals import Interval
from helpers.meters.proof import Proof


@dataclass(frozen=True)
class SelfTestSettings:
    """Settings of every run.

    Attributes:
        variants: the control and the delays: what is held against the baseline.
        rounds, repeats, threads, seed: as of latency; each run adds its number to the seed.
    """

    variants: tuple[str, ...]
    rounds: int
    repeats: int
    threads: int
    seed: int


@dataclass(frozen=True)
class SelfTestRun:
    """A process of its own: variant -> ratio to the baseline."""

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
