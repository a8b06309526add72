"""Latency of inference alone: ``Core.invoke``, in interleaved rounds over fresh processes, all kept."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from helpers.energy.records import Latency, LatencyRound, LatencySettings, Visit
from helpers.energy.rounds.disturbance import Watch, disturbance_facts
from helpers.energy.rounds.playing import Inputs, RoundCallback, begin, require_inputs, run_rounds
from helpers.energy.rounds.records import Observed, Plan
from helpers.energy.rounds.schedule import WARMUPS, round_order
from helpers.energy.rounds.stopping import LEAST_ROUNDS, stopping_facts, why_stop
from helpers.energy.rounds.team import Team, Timed, photos_written, rounds_in_process
from helpers.energy.rounds.warmup import warmup_facts
from helpers.lab.conditions import conditions, moment, pinned, require_at_least


def measure_latency(
    files: Mapping[str, Path],
    inputs: Inputs,
    rounds: int,
    repeats: int,
    threads: int = 1,
    seed: int = 0,
    warmups: int = WARMUPS,
    progress: bool = True,
    on_round: RoundCallback | None = None,
    done: Latency | None = None,
    width: float | None = None,
    budget_s: float | None = None,
    least_rounds: int = LEAST_ROUNDS,
    rounds_per_process: int | None = None,
    delays: Mapping[str, float] | None = None,
) -> Latency:
    """Raw latency samples of every variant.

    Each round visits each variant once, in a random order of its own, those of all runtimes interleaved. A
    visit is ``warmups`` invocations, since switching leaves caches cold, then ``repeats`` timed ones. The
    image is set outside the timed part, and is the same for all variants at the same place of a round.

    After ``rounds_per_process`` rounds they go on in fresh processes, one per runtime, of which one works at
    a time: ``team`` says after how many, and why. A core is loaded at its first visit in a process. This
    process decides order and end, and times nothing itself.

    Rounds end at ``rounds``, or earlier: as soon as the 95 % interval of every variant's ratio to its
    baseline is at most ``width`` wide, or the rounds have taken ``budget_s``. See ``stopping`` for what that
    does to the intervals.

    Args:
        files: variant -> file of a core; the control is the baseline's file under ``variants.CONTROL``.
        inputs: real photos as the cores take them, each ``[1, H, W, 3]``; one array
            ``[n, 1, H, W, 3]`` will do.
        rounds: largest number of rounds in all, those in ``done`` included; their number where neither
            ``width`` nor ``budget_s`` is given.
        repeats: timed invocations per visit.
        threads: threads of the runtime; all processes are pinned to as many processor cores.
        warmups: untimed invocations at the start of a visit; kept, and marked.
        progress: whether to show a progress bar.
        on_round: called with the raw result so far after every round, to save it.
        done: an earlier, unfinished raw result of the same settings, to go on from, in fresh processes.
        width: wanted full width of the intervals, relative to the ratio: ``stopping.WIDTH`` is 2 %.
        budget_s: seconds of rounds, those in ``done`` and the start of processes included; exceeded by at
            most the rounds of one process.
        least_rounds: rounds that are played even if the budget is spent.
        rounds_per_process: rounds between two starts of processes; None for ``team.rounds_in_process``.
        delays: variant -> share by which each of its invocations is made longer, for a known difference.
    """
    require_at_least(1, rounds=rounds, repeats=repeats, threads=threads, least_rounds=least_rounds)
    least = min(least_rounds, rounds)
    share = rounds_per_process or rounds_in_process(files.values(), least)
    require_at_least(1, rounds_per_process=share)
    require_at_least(0, warmups=warmups, width=width or 0, budget_s=budget_s or 0)
    plan = Plan(rounds, least, width, budget_s)
    settings = LatencySettings.of(files, threads, seed, repeats, warmups, share)
    with (
        photos_written(files, require_inputs(inputs)) as photos,
        pinned(threads) as cpus,
        Team(files, photos, threads, delays, keep=share > 1) as team,
    ):
        begun = begin(Latency.begun(settings, conditions(threads, cpus)), done)
        play = Player(team, settings, cpus, begun.rounds)
        raw = run_rounds(
            begun, rounds, play, team.failures, progress, on_round, lambda raw: bool(why_stop(raw, plan))
        )
    return found_out(raw, plan)


def found_out(raw: Latency, plan: Plan) -> Latency:
    """With what the rounds say together."""
    return replace(
        raw,
        stopping=stopping_facts(raw, plan),
        warmup=warmup_facts(raw),
        disturbed=disturbance_facts(raw),
    )


class Player:
    """Plays round after round, in fresh processes when those at work have had their share.

    Args:
        team: the processes.
        cpus: processor cores to watch; None for all.
        earlier: rounds that were played before, in processes that are gone.
    """

    def __init__(
        self,
        team: Team,
        settings: LatencySettings,
        cpus: Sequence[int] | None,
        earlier: Sequence[LatencyRound] = (),
    ):
        self._team, self._settings, self._cpus = team, settings, cpus
        self._process = earlier[-1].process if earlier else -1
        self._left = 0

    def __call__(self, number: int) -> LatencyRound:
        """Round ``number``."""
        settings, noted, started_s = self._settings, moment(), time.perf_counter()
        self._use_process()
        start_s, watch = time.perf_counter() - started_s, Watch(self._cpus)
        order = round_order(settings.variants, number, settings.seed)
        timed = self._visits(order, range(number * settings.repeats, (number + 1) * settings.repeats))
        observed = with_switches(watch.observed(), list(timed.values()))
        visits = {variant: Visit(each.warmup_ns, each.timed_ns) for variant, each in timed.items()}
        return LatencyRound(
            self._process, order, noted, observed, time.perf_counter() - started_s, start_s,
            sum(each.load_s for each in timed.values()), invoke_s(visits), visits,
        )  # fmt: skip

    def _use_process(self) -> None:
        if not self._left:
            self._team.fresh()
            self._process += 1
            self._left = self._settings.rounds_per_process
        self._left -= 1

    def _visits(self, order: Sequence[str], places: range) -> dict[str, Timed]:
        """In this order, without those that have failed."""
        found = {variant: self._team.visit(variant, places, self._settings.warmups) for variant in order}
        return {variant: timed for variant, timed in found.items() if timed is not None}


def with_switches(observed: Observed, timed: Sequence[Timed]) -> Observed:
    """With the switches of the processes that timed, in place of those of this one, which waited."""
    counts = [each.switches for each in timed]
    known = None not in counts and counts
    voluntary, involuntary = map(sum, zip(*counts, strict=True)) if known else (None, None)
    return replace(observed, voluntary_switches=voluntary, involuntary_switches=involuntary)


def invoke_s(visits: Mapping[str, Visit]) -> float:
    """Seconds of all invocations of a round, warm-ups included."""
    return sum(sum(visit.warmup_ns) + sum(visit.timed_ns) for visit in visits.values()) * 1e-9
