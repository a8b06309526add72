"""What a self-test of measuring found, from its raw result."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from helpers.energy.selftest.records import SelfTestRuns
from helpers.lab.intervals import Interval
from helpers.run.variants import CONTROL

DELAYS = (0.01, 0.02, 0.05)  # of the time of the invocation itself
POWER = 0.8  # share of runs in which an effect must be found to count as one that can be seen
NORMAL_95 = 1.96


def delay_name(delay: float) -> str:
    """``delay-2%``."""
    return f"delay-{100 * delay:g}%"


@dataclass(frozen=True)
class SelfTest:
    """What the self-test found.

    Attributes:
        runs: how many there were.
        false_alarms: runs in which the control's 95 % interval excluded 1.
        false_alarm_rate: their share, with Wilson's 95 % interval.
        noise: largest distance of the control's ratio from 1, the farthest run in twenty left out:
            differences below it are noise.
        found: delay -> share of runs in which its interval excluded 1, on the right side.
        bias: delay -> mean over runs of (ratio found - true ratio).
        smallest_effect: the smallest delay found in at least 80 % of the runs; None if none was.
        rapl_error: relative error of the RAPL meter on made-up counters of known power; None if not tried.
    """

    runs: int
    false_alarms: int
    false_alarm_rate: Interval
    noise: float
    found: Mapping[float, float]
    bias: Mapping[float, float]
    smallest_effect: float | None
    rapl_error: float | None = None


def summarize_selftest(raw: SelfTestRuns) -> SelfTest:
    ratios = [played.ratios for played in raw.rounds]
    controls = [of[CONTROL] for of in ratios]
    alarms = sum(control.excludes(1) for control in controls)
    seen = {delay: [of[delay_name(delay)] for of in ratios] for delay in DELAYS}
    found = {delay: float(np.mean([ratio.low > 1 for ratio in own])) for delay, own in seen.items()}
    distances = sorted(abs(control.value - 1) for control in controls)
    return SelfTest(
        runs=len(ratios),
        false_alarms=alarms,
        false_alarm_rate=wilson(alarms, len(ratios)),
        noise=distances[math.ceil(0.95 * len(distances)) - 1],
        found=found,
        bias={d: float(np.mean([ratio.value for ratio in own])) - 1 - d for d, own in seen.items()},
        smallest_effect=next((delay for delay in DELAYS if found[delay] >= POWER), None),
        rapl_error=raw.rapl.relative_error if raw.rapl else None,
    )


def wilson(successes: int, trials: int) -> Interval:
    """A share with its 95 % interval (Wilson 1927), which also holds near 0 and 1."""
    share, z2 = successes / trials, NORMAL_95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    reach = NORMAL_95 * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return Interval(share, max(0.0, centre - reach), min(1.0, centre + reach))


def sentence(result: SelfTest) -> str:
    """What a report says of it."""
    rate, delay = result.false_alarm_rate, result.smallest_effect or DELAYS[-1]
    seen = "was found in" if result.smallest_effect else "was found in only"
    alarms = f"{result.false_alarms} false alarm{'' if result.false_alarms == 1 else 's'}"
    meter = (
        f" The meter pyRAPL, given made-up counters of a known power, was off by {result.rapl_error:.4%}."
        if result.rapl_error is not None
        else ""
    )
    return (
        f"On this machine, differences in latency under {100 * result.noise:.1f} % are noise. Self-test, "
        f"{result.runs} measurements in fresh processes: float32 against itself gave {alarms} "
        f"({rate.value:.0%}, 95 % interval {rate.low:.0%} to {rate.high:.0%}; 5 % are expected); "
        f"a slowdown of {100 * delay:g} % {seen} {result.found[delay]:.0%} of them.{meter}"
    )
