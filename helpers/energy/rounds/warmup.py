"""Warm-up, found in the samples: the first invocations of a visit that are slower than its steady state.

The fixed warm-ups are the least; what is found beyond them is left out of summaries, and no sample is lost.
Which places of a visit are left out is decided by their medians over all rounds, the same for every round, so
no sample is chosen by its own value.
"""

import numpy as np

from helpers.energy.records import Latency, WarmUp

FEWEST_TIMED = 4  # under these a visit has no steady half to compare with
SMALLEST = 0.005  # slower by less than half a percent is no warm-up, however small the spread


def slowness(samples: np.ndarray, given: int) -> tuple[np.ndarray, float]:
    """Median over rounds of every place's latency over its visit's steady state ``[places]``, and the spread.

    The steady state is the median of the second half of a visit's timed samples; the spread is one standard
    deviation of single samples in those halves, by their median absolute deviation.

    Args:
        samples: ``[rounds, places]``, warm-ups first; any unit of time.
    """
    second_half = given + (samples.shape[1] - given) // 2
    relative = samples / np.median(samples[:, second_half:], axis=1, keepdims=True)
    spread = 1.4826 * float(np.median(np.abs(relative[:, second_half:] - 1)))
    return np.median(relative, axis=0), spread


def find_warmup(samples: np.ndarray, given: int) -> WarmUp:
    """``samples``: ``[rounds, places]``, the ``given`` warm-ups first; any unit of time."""
    timed = samples.shape[1] - given
    if timed < FEWEST_TIMED:
        return WarmUp(given, None, given, over=True)
    places, spread = slowness(samples, given)
    steady = np.flatnonzero(places <= 1 + max(spread, SMALLEST))
    found, most = int(steady[0]), given + timed // 2
    return WarmUp(given, found, left_out=min(max(given, found), most), over=found <= most)


def warmup_of(raw: Latency, variant: str) -> WarmUp:
    """Warm-up of a variant; none found where it finished no round."""
    visits = [played.visits[variant] for played in raw.rounds if variant in played.visits]
    if not visits:
        return WarmUp(raw.settings.warmups, None, raw.settings.warmups, over=True)
    samples = np.array([visit.warmup_ns + visit.timed_ns for visit in visits], float)
    return find_warmup(samples, len(visits[0].warmup_ns))


def warmup_facts(raw: Latency) -> dict[str, WarmUp]:
    """For the record: by variant."""
    return {variant: warmup_of(raw, variant) for variant in raw.settings.variants}
