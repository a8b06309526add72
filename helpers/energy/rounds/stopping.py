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
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from helpers.energy.summary import RESAMPLES, paired_ratios, ratio_interval
from helpers.run.variants import BASELINE

LEAST_ROUNDS = 20
GROWTH = 1.25
NARROW, BUDGET, MOST, FAILED = "narrow enough", "time budget", "most rounds", "every variant failed"
OUTER = 0.1  # on either side, of the rounds that the implied width leaves out


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Attributes:
        most_rounds: never more.
        least_rounds: never fewer, even past the budget: with fewer an interval does not hold what it says.
        width: wanted full width of every ratio's 95 % interval, relative to the ratio; None: not looked at.
        budget_s: no round starts after so many seconds of rounds, those of a resumed measurement included;
            None: no budget.
    """

    most_rounds: int
    least_rounds: int = LEAST_ROUNDS
    width: float | None = None
    budget_s: float | None = None


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


def compared(raw: Mapping[str, Any]) -> list[str]:
    """Variants that have a ratio: the control too, the baseline itself and failed ones not."""
    return [v for v in raw["settings"]["variants"] if v != BASELINE and v not in raw["failures"]]


def all_ratios(raw: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {variant: paired_ratios(raw, variant) for variant in compared(raw)}


def narrow_enough(raw: Mapping[str, Any], width: float, resamples: int = RESAMPLES) -> bool:
    """Whether every ratio is known to ``width``; never where there is no ratio."""
    ratios = list(all_ratios(raw).values())
    if not ratios or not all(len(own) for own in ratios):
        return False
    implied = all(implied_width(own) <= width for own in ratios)
    return implied and all(reached_width(own, resamples) <= width for own in ratios)


def spent_s(raw: Mapping[str, Any]) -> float:
    """Seconds that the rounds took."""
    return sum(entry.get("wall_s", 0.0) for entry in raw["rounds"])


def why_stop(raw: Mapping[str, Any], plan: Plan, resamples: int = RESAMPLES) -> str | None:
    """Why no further round is to be played; None to go on. By ``raw`` alone, so a resumed run ends alike."""
    rounds = len(raw["rounds"])
    if rounds and raw["failures"].keys() >= set(raw["settings"]["variants"]):
        return FAILED
    looking = is_look(rounds, plan.least_rounds) or rounds >= plan.most_rounds
    if plan.width is not None and looking and narrow_enough(raw, plan.width, resamples):
        return NARROW
    if rounds >= plan.most_rounds:
        return MOST
    spent = plan.budget_s is not None and spent_s(raw) >= plan.budget_s
    return BUDGET if spent and rounds >= plan.least_rounds else None


def stopping_facts(raw: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    """For the record: the plan, ``{"why", "spent_s", "reached_widths": {variant: width or None}}``."""
    by_width = plan.width is not None
    reached = {v: reached_width(own, by_width=by_width) for v, own in all_ratios(raw).items()}
    why = why_stop(raw, plan)
    return {**asdict(plan), "why": why, "spent_s": spent_s(raw), "reached_widths": reached}
