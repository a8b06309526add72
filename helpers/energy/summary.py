"""Summaries of raw latency and memory samples, computed on load; of energy in ``windows_summary``.

Intervals of latency hold for the next process: ``next_process`` says how. Of energy and of the loop in parts,
measured in one process, they come from resampling rounds (percentile bootstrap, Efron 1979); under some ten
rounds they are narrower than their level says.
"""

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np

from helpers.energy.next_process import LEVEL, over_processes, ratio_over_processes
from helpers.energy.records import Latency, LatencyRound, Memory
from helpers.energy.rounds.disturbance import UNWATCHED, disturbed_rounds
from helpers.energy.rounds.records import Measurement
from helpers.energy.rounds.schedule import bare_of
from helpers.energy.rounds.warmup import warmup_of
from helpers.lab.intervals import Absent, Interval, percentile_interval, resample_weights
from helpers.run.variants import BASELINE

RESAMPLES = 1000
# Where rounds may end on the interval's width, bounds drawn at 95 % hold the truth less often: see stopping.
LEVEL_BY_WIDTH = 0.96


@dataclass(frozen=True)
class LatencySummary:
    """Latency of one variant, warm-ups left out: the fixed ones, and those found in the samples.

    Attributes:
        processes, rounds, samples: how many fresh processes, rounds and timed invocations it rests on.
        p50_ms, p90_ms, p99_ms, mean_ms: over the samples of all rounds, in ms. The intervals of p50 and mean
            hold for the next process; a tail that only some processes have is not known from a few of them,
            so those of p90 and p99 hold less often than they say (simulated with 6 to 20 processes that
            vary by more than their rounds do: 70 to 85 of 100).
        ratio: to float32 of the same runtime, over processes, of (``undisturbed_ms`` of the variant / that
            of the baseline in the same round). Slow drift cancels in it and other work is not in it, so it is
            surer than p50 / p50, and may differ from it.
        across: the same to the model's own float32, in whatever runtime: what compares runtimes.
        warmups: invocations left out at the start of every visit.
        disturbed: how many rounds are marked as disturbed; they count in all of the above.
        undisturbed_ratio: ``ratio`` without those rounds.
    """

    variant: str
    processes: int
    rounds: int
    samples: int
    p50_ms: Interval
    p90_ms: Interval
    p99_ms: Interval
    mean_ms: Interval
    ratio: Interval | Absent
    across: Interval | Absent
    warmups: int = 0
    disturbed: int | Absent = UNWATCHED
    undisturbed_ratio: Interval | Absent = UNWATCHED


@dataclass(frozen=True)
class MemorySummary:
    """Peak memory of one variant.

    Attributes:
        probes: fresh processes that it rests on.
        peak_rss_bytes: median over probes of peak resident set size minus that of the bare runtime in the
            same round, with the lowest and highest as bounds (level 1).
        bare_rss_bytes: median peak of the bare runtime.
        arena_bytes: the runtime's own figure.
        source: where the kernel's figure was read.
    """

    variant: str
    probes: int
    peak_rss_bytes: Interval
    bare_rss_bytes: float
    arena_bytes: Interval | Absent
    source: str


@functools.lru_cache(maxsize=8)
def resampled_rounds(rounds: int, resamples: int, seed: int) -> np.ndarray:
    """Which rounds each bootstrap resample holds: int ``[resamples, rounds]``, read-only."""
    weights = resample_weights(rounds, resamples, seed)
    drawn = np.repeat(np.tile(np.arange(rounds), resamples), weights.ravel()).reshape(resamples, rounds)
    drawn.flags.writeable = False
    return drawn


def bootstrap(
    per_round: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    resamples: int,
    seed: int,
    level: float = LEVEL,
) -> Interval:
    """``statistic`` with its interval, drawn at ``level``.

    Args:
        per_round: ``[rounds, ...]``.
        statistic: from ``[B, rounds, ...]`` to ``[B]``.
    """
    drawn = per_round[resampled_rounds(len(per_round), resamples, seed)]
    return percentile_interval(float(statistic(per_round[None])[0]), statistic(drawn), level)


def percentile_over_samples(percent: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda samples: np.percentile(samples, percent, axis=(1, 2))


def mean_over_samples(samples: np.ndarray) -> np.ndarray:
    return samples.mean(axis=(1, 2))


def median_over_rounds(values: np.ndarray) -> np.ndarray:
    return np.median(values, axis=1)


@dataclass(frozen=True)
class Ratios:
    """Ratios of a variant to its baseline, of the rounds that have both.

    Attributes:
        values: ``undisturbed_ms`` in the same round, one over the other: float64 ``[rounds]``.
        processes: number of the process of each.
    """

    values: np.ndarray
    processes: tuple[int, ...]

    @property
    def process_count(self) -> int:
        return len(set(self.processes))


def ratio_interval(ratios: Ratios, by_width: bool) -> Interval:
    """With the bounds that hold the truth with probability ``LEVEL``.

    ``by_width``: whether rounds could end on the width of this interval, which calls for wider bounds.
    """
    drawn = LEVEL_BY_WIDTH if by_width else LEVEL
    return replace(ratio_over_processes(ratios.values, ratios.processes, drawn), level=LEVEL)


def ended_by_width(raw: Latency) -> bool:
    """Whether a width was asked for, met or not."""
    return raw.stopping is not None and raw.stopping.plan.width is not None


def processes_of(rounds: Collection[LatencyRound]) -> tuple[int, ...]:
    """Number of the process of each round."""
    return tuple(played.process for played in rounds)


def timed_ms(raw: Latency, variant: str) -> dict[int, np.ndarray]:
    """Round number -> timed samples in ms, warm-ups left out, of the rounds that the variant finished."""
    extra = warmup_of(raw, variant).extra
    visits = {number: played.visits.get(variant) for number, played in enumerate(raw.rounds)}
    return {number: np.array(visit.timed_ns[extra:]) * 1e-6 for number, visit in visits.items() if visit}


def undisturbed_ms(samples_ms: np.ndarray) -> np.ndarray:
    """The fastest of each visit's samples ``[..., samples]``: what ratios are made of.

    Other work makes an invocation slower, never faster, so the fastest is the one that it disturbed least
    (Chen and Revels 2016, "Robust benchmarking in noisy environments"). Measured with the same file under
    five names, 50 rounds of 10 invocations of 2.6 ms each: where nothing disturbs, ratios of the fastest
    vary as those of medians do (1.2 and 1.3 %). On two cores with three to four processes at work, intervals
    of 20 processes reach 1.0 to 1.8 % to either side instead of 2.3 to 14 %, and find a slowdown of 2 % in 65
    to 99 of 100 measurements instead of 9 to 61.
    """
    return samples_ms.min(axis=-1)


def paired_ratios(raw: Latency, variant: str, without: Collection[int] = (), base: str = "") -> Ratios:
    """Ratio to the baseline in every round that has both, of which none is left out; none if that failed.

    ``base``: another variant to divide by.
    """
    baseline = base or raw.settings.baselines[variant]
    own, base = timed_ms(raw, variant), timed_ms(raw, baseline)
    shared = [] if baseline in raw.failures else sorted((own.keys() & base.keys()) - set(without))
    values = np.array([undisturbed_ms(own[number]) / undisturbed_ms(base[number]) for number in shared])
    return Ratios(values, processes_of([raw.rounds[number] for number in shared]))


def latency_ratio(
    raw: Latency, variant: str, without: Collection[int] = (), base: str = ""
) -> Interval | Absent:
    """Ratio of a variant's latency to its baseline's, paired by round; some rounds left out if asked.

    ``base``: another variant to divide by.
    """
    ratios, baseline = paired_ratios(raw, variant, without, base), base or raw.settings.baselines[variant]
    if not len(ratios.values):
        return Absent(f"no {'undisturbed ' if without else ''}round has both the variant and {baseline}")
    if variant == baseline:
        return Interval(1, 1, 1)
    return ratio_interval(ratios, ended_by_width(raw))


def why_missing(raw: Measurement, variant: str) -> Absent:
    return Absent(raw.failures.get(variant, "no round was finished"))


def summarize_latency(
    raw: Latency, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, LatencySummary | Absent]:
    """Variant -> summary, or why there is none."""
    return {variant: latency_summary(raw, variant, resamples, seed) for variant in raw.settings.variants}


def samples_of(raw: Latency, variant: str) -> np.ndarray | Absent:
    """Timed samples ``[rounds, samples]`` in ms, warm-ups left out; why there are none for a variant."""
    finished = timed_ms(raw, variant)
    if variant in raw.failures or not finished:
        return why_missing(raw, variant)
    return np.stack(list(finished.values()))


def sample_processes(raw: Latency, variant: str) -> tuple[int, ...]:
    """Number of the process of each round of ``samples_of``."""
    return processes_of([played for played in raw.rounds if variant in played.visits])


def latency_summary(raw: Latency, variant: str, resamples: int, seed: int) -> LatencySummary | Absent:
    samples_ms = samples_of(raw, variant)
    if isinstance(samples_ms, Absent):
        return samples_ms
    marked, processes = disturbed_rounds(raw), sample_processes(raw, variant)
    unwatched = isinstance(marked, Absent)
    p50_ms, p90_ms, p99_ms, mean_ms = (
        over_processes(samples_ms, processes, statistic, resamples, seed)
        for statistic in (*map(percentile_over_samples, (50, 90, 99)), mean_over_samples)
    )
    return LatencySummary(
        variant,
        processes=len(set(processes)),
        rounds=len(samples_ms),
        samples=samples_ms.size,
        p50_ms=p50_ms,
        p90_ms=p90_ms,
        p99_ms=p99_ms,
        mean_ms=mean_ms,
        ratio=latency_ratio(raw, variant),
        across=latency_ratio(raw, variant, base=BASELINE),
        warmups=warmup_of(raw, variant).left_out,
        disturbed=marked if unwatched else len(marked),
        undisturbed_ratio=marked if unwatched else latency_ratio(raw, variant, marked),
    )


def summarize_memory(raw: Memory) -> dict[str, MemorySummary | Absent]:
    """Variant -> summary, or why there is none."""
    return {variant: memory_summary(raw, variant) for variant in raw.settings.variants}


def memory_summary(raw: Memory, variant: str) -> MemorySummary | Absent:
    rounds = [played.probes for played in raw.rounds if variant in played.probes]
    if variant in raw.failures or not rounds:
        return why_missing(raw, variant)
    bare_runtime = bare_of(rounds[0][variant].runtime)
    bare = np.array([probes[bare_runtime].peak_rss_bytes for probes in rounds], float)
    above = np.array([probes[variant].peak_rss_bytes for probes in rounds]) - bare
    return MemorySummary(
        variant,
        probes=len(rounds),
        peak_rss_bytes=Interval(float(np.median(above)), float(above.min()), float(above.max()), level=1.0),
        bare_rss_bytes=float(np.median(bare)),
        arena_bytes=raw.arena,
        source=rounds[0][variant].source,
    )
