"""Intervals: what a number is known to within."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A value with the bounds that hold the truth with probability ``level``."""

    value: float
    low: float
    high: float
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


def resample_weights(count: int, resamples: int, seed: int) -> np.ndarray:
    """How often each of ``count`` units is drawn in each bootstrap resample: int32 ``[resamples, count]``."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.int32)
