"""What 04 records: raw samples as they were taken, what they were taken under, and what became of failures.

Everything is kept; what is left out of summaries is only marked. A result without rounds is one of which
nothing at all could be measured: every variant has the reason, and ``conditions`` and what follows from
rounds are None.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from helpers.energy.rounds.records import Disturbed, M, Observed, Settings, Stopping
from helpers.lab.conditions import Conditions, Moment
from helpers.lab.intervals import Absent
from helpers.lab.records import Number, Record, read_record
from helpers.meters.base import MeterFacts, Reading
from helpers.models.registry import Model
from helpers.run.experiment import Run
from helpers.run.variants import baseline_of

NOTEBOOK = "04_energy.ipynb"
NO_ARENA = "the runtime's Python interface does not tell the size of its tensor arena"


def read_measurement(run: Run, model: Model, kind: type[M]) -> Record[M]:
    """The record of ``kind.quantity``."""
    return read_record(run.paths.measurement_record(model.id, kind.quantity), kind, f"run {NOTEBOOK} first.")


@dataclass(frozen=True)
class LatencySettings(Settings):
    """Settings of latency.

    Attributes:
        repeats: timed invocations per visit.
        warmups: untimed ones before them.
        rounds_per_process: after so many rounds they go on in fresh processes.
        baselines: variant -> the variant that its ratio is to; a baseline's is itself.
    """

    repeats: int
    warmups: int
    rounds_per_process: int
    baselines: Mapping[str, str]

    @classmethod
    def of(
        cls, variants: Iterable[str], threads: int, seed: int, repeats: int, warmups: int, per_process: int
    ) -> "LatencySettings":
        """Every variant compared with float32 of its runtime."""
        names = tuple(variants)
        baselines = {variant: baseline_of(variant) for variant in names}
        return cls(names, threads, seed, repeats, warmups, per_process, baselines)


@dataclass(frozen=True)
class Visit:
    """Nanoseconds of each invocation, in order: the fixed warm-ups, then the timed ones."""

    warmup_ns: tuple[int, ...]
    timed_ns: tuple[int, ...]


@dataclass(frozen=True)
class LatencyRound:
    """Every variant visited once.

    Attributes:
        process: number of the processes that it was played in, one per runtime: rounds of one number share
            them, and in them the luck of where things lie in memory.
        order: in which they were visited.
        observed: what the system told meanwhile, once the processes had started.
        wall_s: length of the round, the start of its processes included.
        start_s, load_s, invoke_s: of it, spent on starting processes, on loading cores and on invoking them,
            warm-ups included.
        visits: variant -> samples, without those that failed.
    """

    process: int
    order: tuple[str, ...]
    moment: Moment
    observed: Observed
    wall_s: Number
    start_s: Number
    load_s: Number
    invoke_s: Number
    visits: Mapping[str, Visit]


@dataclass(frozen=True)
class WarmUp:
    """Warm-up of one variant, in invocations at the start of a visit.

    Attributes:
        given: the fixed ones.
        found: invocations before the first that is as fast as the steady state, by the samples; None where
            there are too few.
        left_out: of every visit, in summaries.
        over: whether the steady state was reached in the first half of the timed ones; if not, that half is
            left out, and the rest may be slow too.
    """

    given: int
    found: int | None
    left_out: int
    over: bool

    @property
    def extra(self) -> int:
        """Timed invocations that are warm-ups by the samples."""
        return self.left_out - self.given


@dataclass(frozen=True)
class Latency:
    """Latency of inference alone.

    Attributes:
        rounds: those of one process follow one another.
        failures: variant -> why it could not be loaded or run.
        stopping, warmup, disturbed: what the rounds say together; ``warmup`` is by variant.
    """

    quantity: ClassVar[str] = "latency"

    settings: LatencySettings
    conditions: Conditions | None
    rounds: tuple[LatencyRound, ...]
    failures: Mapping[str, str]
    stopping: Stopping | None
    warmup: Mapping[str, WarmUp]
    disturbed: Disturbed | None

    @classmethod
    def begun(cls, settings: LatencySettings, conditions: Conditions | None = None) -> "Latency":
        return cls(settings, conditions, (), {}, None, {}, None)

    @property
    def process_count(self) -> int:
        """In how many fresh processes the rounds were played; those of a round count as one."""
        return len({played.process for played in self.rounds})


@dataclass(frozen=True)
class Probe:
    """A fresh process.

    Attributes:
        peak_rss_bytes: its peak resident set size.
        source: where the system's figure was read: "VmHWM", "ru_maxrss".
        runtime: id of the one that it imported.
    """

    peak_rss_bytes: int
    source: str
    runtime: str = "litert"


@dataclass(frozen=True)
class MemoryRound:
    """Every variant and the bare runtimes probed once, in this order.

    Attributes:
        probes: variant, or ``schedule.bare_of`` a runtime -> its process, without those that died.
    """

    order: tuple[str, ...]
    moment: Moment
    probes: Mapping[str, Probe]


@dataclass(frozen=True)
class Memory:
    """Peak memory.

    Attributes:
        arena: why the runtime's own figure is not known.
        failures: variant -> why its process died.
    """

    quantity: ClassVar[str] = "memory"

    settings: Settings
    arena: Absent
    rounds: tuple[MemoryRound, ...]
    failures: Mapping[str, str]

    @classmethod
    def begun(cls, settings: Settings) -> "Memory":
        return cls(settings, Absent(NO_ARENA), (), {})


@dataclass(frozen=True)
class EnergySettings(Settings):
    """Settings of energy.

    Attributes:
        window_s: shortest length of a window, in seconds.
        asked_window_s: the length asked for, which the meter may have needed to be longer.
    """

    window_s: Number
    asked_window_s: Number
    meter: MeterFacts


@dataclass(frozen=True)
class BusyWindow:
    """Back-to-back invocations of one variant: how many, and what the meter saw."""

    inferences: int
    reading: Reading


@dataclass(frozen=True)
class EnergyRound:
    """An idle window, then one of every variant.

    Attributes:
        order: of the variants' windows.
        idle_before: the machine with this process asleep.
        observed: what the system told in the variants' windows.
        windows: variant -> its window, without those that failed.
    """

    order: tuple[str, ...]
    moment: Moment
    idle_before: Reading
    observed: Observed
    windows: Mapping[str, BusyWindow]


@dataclass(frozen=True)
class Energy:
    """Energy of inference alone.

    Attributes:
        idle_after: the idle machine after the last round; None where the measurement was stopped before.
        failures: variant -> why it could not be loaded or run.
    """

    quantity: ClassVar[str] = "energy"

    settings: EnergySettings
    conditions: Conditions | None
    rounds: tuple[EnergyRound, ...]
    idle_after: Reading | None
    failures: Mapping[str, str]
    disturbed: Disturbed | None

    @classmethod
    def begun(cls, settings: EnergySettings, conditions: Conditions | None = None) -> "Energy":
        return cls(settings, conditions, (), None, {}, None)


@dataclass(frozen=True)
class PartsSettings(Settings):
    """Settings of the loop in parts.

    Attributes:
        photos: names of the files that every visit takes, in this order.
        warmups: photos that go through the loop beforehand.
    """

    photos: tuple[str, ...]
    warmups: int


@dataclass(frozen=True)
class LoopTimes:
    """Nanoseconds of every part, for each photo; of the store one number for all, or None if not stored."""

    decode_ns: tuple[int, ...]
    resize_ns: tuple[int, ...]
    core_ns: tuple[int, ...]
    tail_ns: tuple[int, ...]
    store_ns: int | None


@dataclass(frozen=True)
class LoopVisit:
    """A loop over the first photos as warm-up, then one over all."""

    warmup: LoopTimes
    timed: LoopTimes


@dataclass(frozen=True)
class PartsRound:
    """As ``LatencyRound``; what the system told is of the time in which photos were worked on."""

    order: tuple[str, ...]
    moment: Moment
    observed: Observed
    wall_s: Number
    visits: Mapping[str, LoopVisit]


@dataclass(frozen=True)
class Parts:
    """Time of every part of a detector's loop.

    Attributes:
        failures: variant -> why it could not be loaded or run.
        store_absent: why nothing is stored; empty where all is.
    """

    quantity: ClassVar[str] = "parts"

    settings: PartsSettings
    conditions: Conditions | None
    rounds: tuple[PartsRound, ...]
    failures: Mapping[str, str]
    store_absent: str
    stopping: Stopping | None
    disturbed: Disturbed | None

    @classmethod
    def begun(cls, settings: PartsSettings, conditions: Conditions | None = None) -> "Parts":
        return cls(settings, conditions, (), {}, "", None, None)
