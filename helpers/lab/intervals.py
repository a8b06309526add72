"""Intervals: what a number is known to within."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from helpers.lab.records import Number

NAN = float("nan")


@dataclass(frozen=True)
class Interval:
    """A value with the bounds that hold the truth with probability ``level``."""

    value: Number
    low: Number
    high: Number
    level: float = 0.95

    def excludes(self, reference: float) -> bool:
        """Whether ``reference`` lies outside; never where the bounds are unknown (NaN)."""
        return reference < self.low or reference > self.high

    def scaled(self, factor: float) -> "Interval":
        low, high = sorted((self.low * factor, self.high * factor))
        return Interval(self.value * factor, low, high, self.level)


def percentile_interval(value: float, resampled: np.ndarray, level: float = 0.95) -> Interval:
    """Percentile bootstrap interval (Efron 1979) of ``value`` from its resampled values ``[B]``.

    Resamples without a value (NaN) are left out; if none has one, the bounds are NaN.
    """
    finite = resampled[np.isfinite(resampled)]
    if not finite.size:
        return Interval(value, float("nan"), float("nan"), level)
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high), level)


def interval_of(draws: np.ndarray, level: float = 0.95) -> Interval:
    """From ``[1 + B]``: the value on the data, and the percentile interval of the resamples that follow."""
    return percentile_interval(float(draws[0]), draws[1:], level)


def bias_corrected_interval(draws: np.ndarray, level: float = 0.95) -> Interval:
    """Bias-corrected percentile interval (Efron 1981), from ``[1 + B]``: the data's value, then resamples.

    AP is biased upwards, since precision is made monotone and so takes its luckiest values; resamples are
    biased once more. The share of them below the value tells by how much, and moves both bounds down.
    The bounds always hold the value. Those of differences need no such correction. Resamples show about
    half of the bias, so with few objects per class the interval still holds the truth less often than
    it says: tests/tasks/test_coverage.py has an example.
    """
    value, finite = float(draws[0]), draws[1:][np.isfinite(draws[1:])]
    if not finite.size or np.isnan(value):
        return Interval(value, float("nan"), float("nan"), level)
    normal, least = NormalDist(), 1 / (2 * finite.size)
    below = np.mean(finite < value) + np.mean(finite == value) / 2
    shift = 2 * normal.inv_cdf(float(np.clip(below, least, 1 - least)))
    ends = [normal.cdf(shift + normal.inv_cdf(share)) for share in ((1 - level) / 2, (1 + level) / 2)]
    low, high = np.quantile(finite, ends)
    return Interval(value, min(value, float(low)), max(value, float(high)), level)


def resample_weights(count: int, resamples: int, seed: int) -> np.ndarray:
    """How often each of ``count`` units is drawn in each bootstrap resample: int32 ``[resamples, count]``."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.int32)


@dataclass(frozen=True)
class Absent:
    """A quantity that there is no value for, and why. Unavailable is not zero."""

    reason: str


def spread(name: str, quantity: Interval | Absent) -> dict[str, float]:
    """``name``, ``name_low``, ``name_high``; NaN where there is no value."""
    if isinstance(quantity, Absent):
        return {name: NAN, f"{name}_low": NAN, f"{name}_high": NAN}
    return {name: quantity.value, f"{name}_low": quantity.low, f"{name}_high": quantity.high}
