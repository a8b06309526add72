"""Raw results of 04 made by hand: the least that a test has to say of them, everything else quiet."""

import dataclasses

from helpers.energy.records import (
    Latency,
    LatencyRound,
    LatencySettings,
    Memory,
    MemoryRound,
    Probe,
    Visit,
)
from helpers.energy.rounds.records import Observed, Plan, Settings, Stopping
from helpers.lab.conditions import Moment

NOW = Moment(0.0, None)


def observed(watched_s=1.0, **told):
    """What is not told is not readable."""
    nothing = dict.fromkeys(each.name for each in dataclasses.fields(Observed))
    return Observed(**nothing | {"watched_s": watched_s} | told)


UNWATCHED = observed(0.0)


def plan_of(most_rounds, least_rounds=20, width=None, budget_s=None):
    return Plan(most_rounds, least_rounds, width, budget_s)


def ended(width=None):
    """As a measurement that was asked for intervals of this width."""
    return Stopping(plan_of(150, width=width), "most rounds", 0.0, {})


def visit(timed_ns, warmup_ns=()):
    return Visit(tuple(warmup_ns), tuple(timed_ns))


def latency_round(visits, observed=UNWATCHED, wall_s=0.0, process=0):
    return LatencyRound(process, tuple(visits), NOW, observed, wall_s, 0.0, 0.0, 0.0, visits)


def latency_of(variants, rounds, failures=None, threads=1, stopping=None, per_process=1):
    """``rounds``: of each, what ``latency_round`` gives, or variant -> ``visit``; so many share a process."""
    played = tuple(
        each if isinstance(each, LatencyRound) else latency_round(each, process=number // per_process)
        for number, each in enumerate(rounds)
    )
    settings = LatencySettings.of(variants, threads, 0, 1, 0, per_process)
    return Latency(settings, None, played, failures or {}, stopping, {}, None)


def memory_of(variants, rounds, failures=None, arena=None):
    """``rounds``: of each, variant or "bare" -> bytes."""
    probed = [{name: Probe(size, "VmHWM") for name, size in each.items()} for each in rounds]
    played = tuple(MemoryRound(tuple(probes), NOW, probes) for probes in probed)
    begun = Memory.begun(Settings(tuple(variants), 1, 0))
    return Memory(begun.settings, arena or begun.arena, played, failures or {})
