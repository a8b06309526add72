"""Summaries of raw latency and memory samples, computed on load; of energy in ``energy_summary``.

Intervals come from resampling rounds: samples of one round share its conditions, so rounds are the units that
repeat. They are percentile bootstrap intervals (Efron 1979); under some ten rounds they are narrower than
their level says.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.intervals import Interval, percentile_interval, resample_weights
from helpers.measure.schedule import BARE
from helpers.meters.base import Absent, quantity_from_json
from helpers.variants import BASELINE, CONTROL

RESAMPLES = 1000


@dataclass(frozen=True)
class LatencySummary:
    """Latency of one variant, warm-ups left out.

    Attributes:
        rounds, samples: how many rounds and timed invocations it rests on.
        p50_ms, p90_ms, p99_ms, mean_ms: over the samples of all rounds, in ms.
        ratio: to the baseline: median over rounds of (median of the variant / median of the baseline in the
            same round). Slow drift cancels in it, so it is surer than p50 / p50, and may differ from it.
    """

    variant: str
    rounds: int
    samples: int
    p50_ms: Interval
    p90_ms: Interval
    p99_ms: Interval
    mean_ms: Interval
    ratio: Interval | Absent


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


@dataclass(frozen=True)
class NoiseFloor:
    """What the control says about the measurement.

    Attributes:
        ratio: of the control to the baseline, which are the same file; the truth is 1.
        relative: largest distance of the interval from 1: differences below it are noise.
    """

    ratio: Interval
    relative: float


def resampled_rounds(rounds: int, resamples: int, seed: int) -> np.ndarray:
    """Which rounds each bootstrap resample holds: int ``[resamples, rounds]``."""
    weights = resample_weights(rounds, resamples, seed)
    return np.stack([np.repeat(np.arange(rounds), drawn) for drawn in weights])


def bootstrap(
    per_round: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], resamples: int, seed: int
) -> Interval:
    """``statistic`` with its interval.

    Args:
        per_round: ``[rounds, ...]``.
        statistic: from ``[B, rounds, ...]`` to ``[B]``.
    """
    drawn = per_round[resampled_rounds(len(per_round), resamples, seed)]
    return percentile_interval(float(statistic(per_round[None])[0]), statistic(drawn))


def percentile_over_samples(percent: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda samples: np.percentile(samples, percent, axis=(1, 2))


def median_over_rounds(values: np.ndarray) -> np.ndarray:
    return np.median(values, axis=1)


def timed_ms(raw: Mapping[str, Any], variant: str) -> dict[int, np.ndarray]:
    """Round number -> timed samples ``[repeats]`` in ms, of the rounds that the variant finished."""
    visits = {number: entry["visits"].get(variant) for number, entry in enumerate(raw["rounds"])}
    return {number: np.array(visit["timed_ns"]) * 1e-6 for number, visit in visits.items() if visit}


def latency_ratio(raw: Mapping[str, Any], variant: str, resamples: int, seed: int) -> Interval | Absent:
    """Ratio of a variant's latency to the baseline's, paired by round."""
    own, base = timed_ms(raw, variant), timed_ms(raw, BASELINE)
    shared = sorted(own.keys() & base.keys())
    if BASELINE in raw["failures"] or not shared:
        return Absent(f"no round has both {variant} and {BASELINE}")
    ratios = np.array([np.median(own[number]) / np.median(base[number]) for number in shared])
    return bootstrap(ratios, median_over_rounds, resamples, seed)


def why_missing(raw: Mapping[str, Any], variant: str) -> Absent:
    return Absent(raw["failures"].get(variant, "no round was finished"))


def summarize_latency(
    raw: Mapping[str, Any], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, LatencySummary | Absent]:
    """Variant -> summary, or why there is none; ``raw`` as ``latency.measure_latency`` returns it."""
    return {v: latency_summary(raw, v, resamples, seed) for v in raw["settings"]["variants"]}


def latency_summary(
    raw: Mapping[str, Any], variant: str, resamples: int, seed: int
) -> LatencySummary | Absent:
    finished = timed_ms(raw, variant)
    if variant in raw["failures"] or not finished:
        return why_missing(raw, variant)
    samples_ms = np.stack(list(finished.values()))
    p50_ms, p90_ms, p99_ms = (
        bootstrap(samples_ms, percentile_over_samples(percent), resamples, seed) for percent in (50, 90, 99)
    )
    return LatencySummary(
        variant,
        rounds=len(samples_ms),
        samples=samples_ms.size,
        p50_ms=p50_ms,
        p90_ms=p90_ms,
        p99_ms=p99_ms,
        mean_ms=bootstrap(samples_ms, lambda samples: samples.mean(axis=(1, 2)), resamples, seed),
        ratio=latency_ratio(raw, variant, resamples, seed),
    )


def summarize_memory(raw: Mapping[str, Any]) -> dict[str, MemorySummary | Absent]:
    """Variant -> summary, or why there is none; ``raw`` as ``memory.measure_memory`` returns it."""
    return {variant: memory_summary(raw, variant) for variant in raw["settings"]["variants"]}


def memory_summary(raw: Mapping[str, Any], variant: str) -> MemorySummary | Absent:
    rounds = [entry["probes"] for entry in raw["rounds"] if variant in entry["probes"]]
    if variant in raw["failures"] or not rounds:
        return why_missing(raw, variant)
    bare = np.array([probes[BARE]["peak_rss_bytes"] for probes in rounds], float)
    above = np.array([probes[variant]["peak_rss_bytes"] for probes in rounds]) - bare
    return MemorySummary(
        variant,
        probes=len(rounds),
        peak_rss_bytes=Interval(float(np.median(above)), float(above.min()), float(above.max()), level=1.0),
        bare_rss_bytes=float(np.median(bare)),
        arena_bytes=quantity_from_json(raw["arena"]),
        source=rounds[0][variant]["source"],
    )


def noise_floor(summaries: Mapping[str, Any]) -> NoiseFloor | Absent:
    """From the control's ratio, in summaries of latency or of energy."""
    control = summaries.get(CONTROL, Absent("the measurement had no control"))
    ratio = control if isinstance(control, Absent) else control.ratio
    if isinstance(ratio, Absent):
        return ratio
    return NoiseFloor(ratio, max(abs(ratio.low - 1), abs(ratio.high - 1)))
