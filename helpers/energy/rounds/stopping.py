"""When rounds end: intervals as narrow as asked, the time budget spent, or the most rounds played.

A width that is looked at again and again until it is small is small by luck now and then, and such an
interval holds the truth less often than it says: naively, a 95 % interval held it in 90.5 to 95 of 100
simulated measurements, against 94 to 95 for a number of rounds fixed beforehand. So:

- no look before ``LEAST_ROUNDS`` rounds, and each next look only after a quarter more of them;
- the bootstrap's width rests on the few rounds next to the median and is noisy, so the width that the middle
  80 % of all rounds imply, which is steadier, must be as narrow too;
- where a width is asked for, bounds are drawn at 97 % (``summary.LEVEL_BY_WIDTH``);
- only widths are looked at, never whether the ratio differs from 1, so stopping favours no finding.

With these, the interval held the truth in 94.5 to 96.5 of 100 (4000 simulated measurements of one ratio for
each of six cases: rounds that vary by 2 or 3 %, normal, heavy-tailed or exponential). What remains: rounds
that are not alike, as when the machine changes its state once, are covered by no interval; and where the
largest number of rounds or the budget ends them, the interval is as wide as it is.
"""

import math
from statistics import NormalDist

import numpy as np

from helpers.energy.records import Latency, Parts
from helpers.energy.rounds.records import Plan, Stopping
from helpers.energy.summary import RESAMPLES, paired_ratios, ratio_interval
from helpers.run.variants import BASELINE

LEAST_ROUNDS = 20
GROWTH = 1.25
NARROW, BUDGET, MOST, FAILED = "narrow enough", "time budget", "most rounds", "every variant failed"
OUTER = 0.1  # on either side, of the rounds that the implied width leaves out


def is_look(rounds: int, least: int) -> bool:
    """Whether widths are looked at after ``rounds`` rounds: at ``least``, then after a quarter more each."""
    look = max(least, 2)
    while look < rounds:
        look = math.ceil(look * GROWTH)
    return look == rounds


def reached_width(ratios: np.ndarray, resamples: int = RESAMPLES, by_width: bool = True) -> float | None:
    """Full width of the interval of the median over its value; ``ratios`` ``[rounds]``; None if none."""
    if not len(ratios):
        return None
    interval = ratio_interval(ratios, resamples, 0, by_width)
    return (interval.high - interval.low) / interval.value


def implied_width(ratios: np.ndarray) -> float:
    """The width that normal rounds with the same middle 80 % would have, over the median.

    The median's standard error is sqrt(pi / 2) times the mean's (Kenney and Keeping 1962).
    """
    normal = NormalDist()
    low, high = np.quantile(ratios, [OUTER, 1 - OUTER])
    deviation = (high - low) / (2 * normal.inv_cdf(1 - OUTER))
    error = math.sqrt(math.pi / 2) * deviation / math.sqrt(len(ratios))
    return float(2 * normal.inv_cdf(0.975) * error / np.median(ratios))


def compared(raw: Latency) -> list[str]:
    """Variants that have a ratio: the control too, the baseline itself and failed ones not."""
    return [v for v in raw.settings.variants if v != BASELINE and v not in raw.failures]


def all_ratios(raw: Latency) -> dict[str, np.ndarray]:
    return {variant: paired_ratios(raw, variant) for variant in compared(raw)}


def narrow_enough(raw: Latency, width: float, resamples: int = RESAMPLES) -> bool:
    """Whether every ratio is known to ``width``; never where there is no ratio."""
    ratios = list(all_ratios(raw).values())
    if not ratios or not all(len(own) for own in ratios):
        return False
    implied = all(implied_width(own) <= width for own in ratios)
    return implied and all(reached_width(own, resamples) <= width for own in ratios)


def spent_s(raw: Latency | Parts) -> float:
    """Seconds that the rounds took."""
    return sum(played.wall_s for played in raw.rounds)


def why_stop(raw: Latency | Parts, plan: Plan, resamples: int = RESAMPLES) -> str | None:
    """Why no further round is to be played; None to go on. By ``raw`` alone, so a resumed run ends alike."""
    rounds = len(raw.rounds)
    if rounds and raw.failures.keys() >= set(raw.settings.variants):
        return FAILED
    looking = is_look(rounds, plan.least_rounds) or rounds >= plan.most_rounds
    if plan.width is not None and looking and narrow_enough(raw, plan.width, resamples):
        return NARROW
    if rounds >= plan.most_rounds:
        return MOST
    spent = plan.budget_s is not None and spent_s(raw) >= plan.budget_s
    return BUDGET if spent and rounds >= plan.least_rounds else None


def stopping_facts(raw: Latency | Parts, plan: Plan) -> Stopping:
    """For the record of a measurement that has ended."""
    by_width, ratios = plan.width is not None, all_ratios(raw) if isinstance(raw, Latency) else {}
    reached = {variant: reached_width(own, by_width=by_width) for variant, own in ratios.items()}
    return Stopping(plan, why_stop(raw, plan) or "", spent_s(raw), reached)
