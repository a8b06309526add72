"""When rounds end, and that ending on a width leaves the intervals honest."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.energy.latency import measure_latency
from helpers.energy.rounds.stopping import (
    BUDGET,
    FAILED,
    LEAST_ROUNDS,
    MOST,
    NARROW,
    is_look,
    reached_width,
    stopping_facts,
    whole_processes,
    why_stop,
)
from helpers.energy.summary import Ratios, latency_ratio, paired_ratios
from helpers.run.variants import BASELINE, CONTROL
from tests.support.raw_results import ended, latency_of, latency_round, plan_of, visit
from tests.support.tiny_models import tiny_core, tiny_images

TRUTH = 1.03


def raw_of(ratios, wall_s=1.0, truth=TRUTH, per_process=1):
    """A raw result of one sample per visit; ``ratios`` variant -> ``[rounds]`` around 1."""
    rounds = len(next(iter(ratios.values())))
    visits = [
        {variant: visit([1e6 * (truth * own[number])]) for variant, own in ratios.items()}
        | {BASELINE: visit([1e6])}
        for number in range(rounds)
    ]
    played = [
        latency_round(own, wall_s=wall_s, process=number // per_process) for number, own in enumerate(visits)
    ]
    return latency_of([BASELINE, *ratios], played, per_process=per_process)


def normal(generator, rounds, spread):
    return np.exp(generator.normal(0, spread, rounds))


def heavy_tailed(generator, rounds, spread):
    return np.exp(spread * generator.standard_t(2, rounds))


def stopped(whole, plan):
    """The rounds of ``whole`` that a measurement with this plan would have played, and why it ended."""
    for count in range(1, len(whole.rounds) + 1):
        raw = replace(whole, rounds=whole.rounds[:count], stopping=ended(plan.width))
        why = why_stop(raw, plan)
        if why:
            return raw, why
    raise AssertionError("never stopped")


@pytest.mark.parametrize(("draw", "spread"), [(normal, 0.02), (normal, 0.03), (heavy_tailed, 0.02)])
@pytest.mark.parametrize("per_process", [1, 3])
def test_intervals_hold_the_truth_though_rounds_end_on_their_width(draw, spread, per_process):
    """One ratio alone is the hardest case: several have to wait for the widest.

    Processes differ by half as much as rounds do. The share of 400 has a standard error of 1.1 %; over 94 %
    are expected (see ``stopping``).
    """
    generator = np.random.default_rng(11)
    most = 150 * per_process
    plan = plan_of(most, width=0.03)
    held, reasons = [], []
    for _ in range(400):
        shared = np.repeat(draw(generator, 150, spread / 2), per_process)
        whole = raw_of({"int8": shared * draw(generator, most, spread)}, per_process=per_process)
        raw, why = stopped(whole, plan)
        ratio = latency_ratio(raw, "int8")
        held.append(ratio.low <= TRUTH <= ratio.high)
        reasons.append(why)
    assert reasons.count(NARROW) > 330
    assert np.mean(held) >= 0.92


def test_rounds_end_when_every_interval_is_narrow_and_not_before():
    generator = np.random.default_rng(3)
    ratios = {CONTROL: normal(generator, 200, 0.005), "int8": normal(generator, 200, 0.03)}
    raw, why = stopped(raw_of(ratios), plan_of(200, width=0.02))
    widths = stopping_facts(raw, plan_of(200, width=0.02)).reached_widths
    assert why == NARROW
    assert len(raw.rounds) > LEAST_ROUNDS
    assert set(widths) == {CONTROL, "int8"}
    assert all(0 < width <= 0.02 for width in widths.values())
    easy, why = stopped(raw_of({CONTROL: ratios[CONTROL]}), plan_of(200, width=0.02))
    assert (len(easy.rounds), why) == (LEAST_ROUNDS, NARROW)


def test_rounds_that_never_get_narrow_end_at_the_most():
    ratios = {"int8": normal(np.random.default_rng(4), 40, 0.2)}
    raw, why = stopped(raw_of(ratios), plan_of(40, width=0.02))
    facts = stopping_facts(raw, plan_of(40, width=0.02))
    assert (len(raw.rounds), why, facts.why) == (40, MOST, MOST)
    assert facts.reached_widths["int8"] > 0.02
    assert facts.plan.width == 0.02


def test_the_budget_ends_rounds_but_not_before_the_least():
    ratios = {"int8": normal(np.random.default_rng(5), 60, 0.2)}
    raw, why = stopped(raw_of(ratios, wall_s=2.0), plan_of(60, width=0.02, budget_s=50.5))
    assert (len(raw.rounds), why) == (26, BUDGET)
    raw, why = stopped(raw_of(ratios, wall_s=2.0), plan_of(60, width=0.02, budget_s=1.0))
    assert (len(raw.rounds), why) == (LEAST_ROUNDS, BUDGET)


def test_failed_variants_do_not_hold_up_the_others():
    ratios = {"int8": np.exp(np.zeros(30)), "float16": normal(np.random.default_rng(6), 30, 0.5)}
    raw = raw_of(ratios)
    assert stopped(raw, plan_of(30, width=0.02))[1] == MOST
    raw = replace(raw, failures={"float16": "broken"})
    some, why = stopped(raw, plan_of(30, width=0.02))
    assert (len(some.rounds), why) == (LEAST_ROUNDS, NARROW)
    raw = replace(raw, failures=dict.fromkeys(raw.settings.variants, "broken"))
    assert stopped(raw, plan_of(30, width=0.02))[1] == FAILED


def test_without_a_baseline_nothing_is_narrow():
    raw = replace(raw_of({"int8": np.ones(30)}), failures={BASELINE: "broken"})
    assert stopped(raw, plan_of(30, width=0.02))[1] == MOST
    assert stopping_facts(raw, plan_of(30, width=0.02)).reached_widths == {"int8": None}


def test_the_stop_does_not_depend_on_what_is_found():
    ratios = {"int8": normal(np.random.default_rng(7), 200, 0.03)}
    rounds = {
        len(stopped(raw_of(ratios, truth=truth), plan_of(200, width=0.02))[0].rounds) for truth in (0.5, 1, 3)
    }
    assert len(rounds) == 1


def test_looks_are_few():
    assert [n for n in range(1, 101) if is_look(n, 20)] == [20, 25, 32, 40, 50, 63, 79, 99]
    assert [n for n in range(1, 9) if is_look(n, 1)] == [2, 3, 4, 5, 7]


def test_widths_are_looked_at_after_whole_processes():
    rounds = raw_of({"int8": np.ones(9)}, per_process=3).rounds
    assert [whole_processes(rounds[:n], 3) for n in range(10)] == [0, 0, 0, 1, 0, 0, 2, 0, 0, 3]
    # A process that an interruption ended early counts, once the next has ended.
    assert [whole_processes(rounds[1:n], 3) for n in range(3, 7)] == [0, 0, 0, 2]
    ratios = {"int8": np.ones(60)}
    raw, why = stopped(raw_of(ratios, per_process=3), plan_of(60, width=0.02))
    assert (len(raw.rounds), why) == (21, NARROW)


def test_a_width_is_that_of_the_interval_and_one_process_has_none():
    ratios = np.exp(np.random.default_rng(8).normal(0, 0.03, 400))
    width = reached_width(Ratios(ratios, tuple(range(400))))
    # The estimate's standard error is that of the mean times sqrt(pi / 3) where all is normal.
    assert width == pytest.approx(2 * 2.05 * (np.pi / 3) ** 0.5 * 0.03 / 400**0.5, rel=0.1)
    assert reached_width(Ratios(ratios, (0,) * 400)) is None
    assert reached_width(paired_ratios(raw_of({"int8": ratios[:0], "int4": ratios[:0]}), "int8")) is None


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    small = tiny_core(tmp_path_factory.mktemp("cores") / "small.tflite")
    return {BASELINE: small, CONTROL: small}


def measure(files, **changes):
    options = {"rounds": 9, "repeats": 5, "warmups": 1, "progress": False} | changes
    return measure_latency(files, tiny_images(), **options)


def test_a_measurement_says_why_it_ended(files):
    wide = measure(files, width=100.0, least_rounds=3)
    assert (len(wide.rounds), wide.stopping.why) == (3, NARROW)
    assert wide.stopping.reached_widths.keys() == {CONTROL}
    assert 0 < wide.stopping.reached_widths[CONTROL] <= 100
    poor = measure(files, width=0.0, budget_s=0.0, least_rounds=4)
    assert (len(poor.rounds), poor.stopping.why) == (4, BUDGET)
    assert poor.stopping.spent_s == sum(played.wall_s for played in poor.rounds) > 0
    plain = measure(files)
    assert (len(plain.rounds), plain.stopping.why) == (9, MOST)


def test_a_finished_measurement_is_not_prolonged_and_more_rounds_can_follow(files):
    earlier = measure(files, width=100.0, least_rounds=3)
    again = measure(files, width=100.0, least_rounds=3, done=earlier)
    assert again.rounds == earlier.rounds
    more = measure(files, rounds=5, done=earlier)
    assert more.rounds[:3] == earlier.rounds
    assert (len(more.rounds), more.stopping.why) == (5, MOST)


def test_where_the_time_of_a_round_went_is_noted(files):
    for played in measure(files).rounds:
        assert played.invoke_s > 0 < played.load_s
        assert played.invoke_s + played.load_s < played.wall_s


@pytest.mark.parametrize("change", [{"width": -0.1}, {"budget_s": -1}, {"least_rounds": 0}])
def test_impossible_plans_are_refused(files, change):
    with pytest.raises(Exception, match=next(iter(change))):
        measure(files, **change)
