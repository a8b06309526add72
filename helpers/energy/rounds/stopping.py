"""When rounds end: intervals as narrow as asked, the time budget spent, or the most rounds played.

Processes are the units that repeat (``next_process``), so they are what is counted: a width is looked at
after whole processes. One that is looked at again and again until it is small is small by luck now and then,
and such an interval holds the truth less often than it says: drawn at 95 %, it held it in 92.7 to 96 of 100
simulated measurements. So:

- no look before ``LEAST_ROUNDS`` rounds, and each next look only after a quarter more processes;
- where a width is asked for, bounds are drawn at 96 % (``summary.LEVEL_BY_WIDTH``);
- only widths are looked at, never whether the ratio differs from 1, so stopping favours no finding.

With these, the interval held the truth in 94.5 to 97 of 100 (4000 simulated measurements of one ratio for
each of 24 cases: normal, Laplace, heavy-tailed and disturbed processes, their spread 0.8, 1.5 and 3 %, one
round in each from 20 on or three in each from 7 on, until 2 % wide), in 93.7 to 96.4 where log ratios are as
skewed as an exponential. Two states of 7 and 3 in 10 processes, 3 % apart, whose middle jumps between them,
are not held (80). What remains: processes that are not alike, as when the machine changes its state once, are
covered by no interval; and where the largest number of rounds or the budget ends them, the interval is as
wide as it is.
"""

import math

from helpers.energy.records import Latency, LatencyRound, Parts
from helpers.energy.rounds.records import Plan, Stopping
from helpers.energy.summary import Ratios, paired_ratios, processes_of, ratio_interval

LEAST_ROUNDS = 20
GROWTH = 1.25
NARROW, BUDGET, MOST, FAILED = "narrow enough", "time budget", "most rounds", "every variant failed"


def is_look(processes: int, least: int) -> bool:
    """Whether widths are looked at after so many processes: at ``least``, then after a quarter more each."""
    look = max(least, 2)
    while look < processes:
        look = math.ceil(look * GROWTH)
    return look == processes


def whole_processes(rounds: tuple[LatencyRound, ...], rounds_per_process: int) -> int:
    """How many processes have ended with the last round; 0 while one has rounds to come."""
    numbers = processes_of(rounds)
    ended = bool(numbers) and numbers.count(numbers[-1]) >= rounds_per_process
    return len(set(numbers)) if ended else 0


def reached_width(ratios: Ratios, by_width: bool = True) -> float | None:
    """Full width of a ratio's interval over its value; None if there is none, or one process alone."""
    if ratios.process_count < 2:
        return None
    interval = ratio_interval(ratios, by_width)
    return (interval.high - interval.low) / interval.value


def compared(raw: Latency) -> list[str]:
    """Variants that have a ratio: controls too, baselines themselves and failed ones not."""
    baselines = raw.settings.baselines
    return [v for v in raw.settings.variants if v != baselines[v] and v not in raw.failures]


def all_ratios(raw: Latency) -> dict[str, Ratios]:
    return {variant: paired_ratios(raw, variant) for variant in compared(raw)}


def narrow_enough(raw: Latency, width: float) -> bool:
    """Whether every ratio is known to ``width``; never where there is no ratio."""
    widths = [reached_width(own) for own in all_ratios(raw).values()]
    return bool(widths) and all(reached is not None and reached <= width for reached in widths)


def spent_s(raw: Latency | Parts) -> float:
    """Seconds that the rounds took."""
    return sum(played.wall_s for played in raw.rounds)


def is_time_to_look(raw: Latency, plan: Plan) -> bool:
    share = raw.settings.rounds_per_process
    whole = whole_processes(raw.rounds, share)
    return is_look(whole, math.ceil(plan.least_rounds / share)) or len(raw.rounds) >= plan.most_rounds


def why_stop(raw: Latency | Parts, plan: Plan) -> str | None:
    """Why no further round is to be played; None to go on. By ``raw`` alone, so a resumed run ends alike."""
    rounds = len(raw.rounds)
    if rounds and raw.failures.keys() >= set(raw.settings.variants):
        return FAILED
    if plan.width is not None and is_time_to_look(raw, plan) and narrow_enough(raw, plan.width):
        return NARROW
    if rounds >= plan.most_rounds:
        return MOST
    spent = plan.budget_s is not None and spent_s(raw) >= plan.budget_s
    return BUDGET if spent and rounds >= plan.least_rounds else None


def stopping_facts(raw: Latency | Parts, plan: Plan) -> Stopping:
    """For the record of a measurement that has ended."""
    by_width, ratios = plan.width is not None, all_ratios(raw) if isinstance(raw, Latency) else {}
    reached = {variant: reached_width(own, by_width) for variant, own in ratios.items()}
    return Stopping(plan, why_stop(raw, plan) or "", spent_s(raw), reached)
