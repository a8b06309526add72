"""Summaries, on simulated samples whose truth is known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from helpers.energy.next_process import pair_averages, process_values
from helpers.energy.records import BusyWindow, Energy, EnergyRound, EnergySettings, Latency, WarmUp
from helpers.energy.rounds.schedule import round_order
from helpers.energy.rounds.stopping import reached_width
from helpers.energy.rounds.warmup import find_warmup, warmup_facts
from helpers.energy.summary import paired_ratios, summarize_latency, summarize_memory
from helpers.energy.windows_summary import summarize_energy
from helpers.lab.intervals import Absent
from helpers.lab.records import jsonable, structured
from helpers.meters.base import GRADES, MeterFacts, Reading, bounded
from helpers.run.variants import BASELINE, CONTROL
from tests.support.raw_results import NOW, UNWATCHED, ended, latency_of, memory_of, visit

TRUE_MS = {BASELINE: 4.0, CONTROL: 4.0, "int8": 4.0 * 1.03}
REPEATS = 15


def drift(count, generator):
    """A slow random walk of up to some tens of percent: ``[count]`` factors."""
    return np.exp(np.cumsum(generator.normal(0, 0.02, count)))


def noisy_ns(true_ms, factor, generator):
    samples = true_ms * factor * (1 + 0.01 * generator.gamma(1, 1, REPEATS))
    return (samples * 1e6).astype(int).tolist()


def latency_raw(seed, rounds=30, true_ms=TRUE_MS, per_process=1):
    generator = np.random.default_rng(seed)
    variants = list(true_ms)
    factors = drift(rounds * len(variants), generator).reshape(rounds, len(variants))
    entries = []
    for number in range(rounds):
        order = round_order(variants, number, seed)
        visits = {
            variant: visit(noisy_ns(true_ms[variant], factors[number, place], generator), [10**9] * 3)
            for place, variant in enumerate(order)
        }
        entries.append(visits)
    return latency_of(variants, entries, per_process=per_process)


def test_percentiles_equal_numpy_and_leave_out_warmups():
    raw = latency_raw(seed=1)
    summary = summarize_latency(raw)[BASELINE]
    timed = np.concatenate([played.visits[BASELINE].timed_ns for played in raw.rounds]) * 1e-6
    assert summary.samples == timed.size == 30 * REPEATS
    assert summary.p50_ms.value == pytest.approx(np.percentile(timed, 50))
    assert summary.p90_ms.value == pytest.approx(np.percentile(timed, 90))
    assert summary.p99_ms.value == pytest.approx(np.percentile(timed, 99))
    assert summary.mean_ms.value == pytest.approx(timed.mean())
    for interval in (summary.p50_ms, summary.p90_ms, summary.p99_ms, summary.mean_ms):
        assert interval.low <= interval.value <= interval.high


def test_interleaved_ratio_recovers_three_percent_under_drift():
    ratios = [summarize_latency(latency_raw(seed), resamples=400)["int8"].ratio for seed in range(40)]
    covered = sum(ratio.low <= 1.03 <= ratio.high for ratio in ratios)
    # 38 expected of 40 at 95 %; fewer than 33 would happen once in some hundreds of times.
    assert covered >= 33
    assert np.median([ratio.high - ratio.low for ratio in ratios]) < 0.04


def test_sequential_timing_misses_what_interleaving_finds():
    errors = {"sequential": [], "interleaved": []}
    for seed in range(40):
        factors = drift(60, np.random.default_rng(seed))
        sequential = 1.03 * np.median(factors[30:]) / np.median(factors[:30])
        errors["sequential"].append(abs(sequential - 1.03))
        ratio = summarize_latency(latency_raw(seed), resamples=10)["int8"].ratio.value
        errors["interleaved"].append(abs(ratio - 1.03))
    assert np.median(errors["sequential"]) > 0.03
    assert np.median(errors["interleaved"]) < 0.01


def test_failed_baseline_leaves_latency_without_ratio():
    raw = replace(latency_raw(seed=4), failures={BASELINE: "broken file"})
    summaries = summarize_latency(raw)
    assert summaries[BASELINE] == Absent("broken file")
    assert isinstance(summaries["int8"].ratio, Absent)
    assert summaries["int8"].p50_ms.value > 0


def test_ratio_uses_only_rounds_that_both_finished():
    raw = latency_raw(seed=5, rounds=12)
    del raw.rounds[0].visits["int8"], raw.rounds[1].visits[BASELINE]
    summary = summarize_latency(raw)["int8"]
    assert summary.rounds == 11
    assert summary.ratio.low <= 1.03 <= summary.ratio.high


def visits_of(slow, spread=0.01, rounds=20, places=25, seed=7):
    """Latencies ``[rounds, places]`` whose first places are slower by these factors; rounds drift."""
    generator = np.random.default_rng(seed)
    factors = np.ones(places)
    factors[: len(slow)] = slow
    return factors * generator.normal(1, spread, (rounds, places)) * drift(rounds, generator)[:, None]


def test_warmup_is_found_in_the_samples():
    assert find_warmup(visits_of([1.5, 1.2, 1.1]), given=5).found == 3
    long = find_warmup(visits_of([1.5, 1.3, 1.2, 1.1, 1.08, 1.06, 1.05, 1.04]), given=5)
    assert (long.found, long.left_out, long.extra, long.over) == (8, 8, 3, True)


def test_the_fixed_warmups_are_the_least():
    none = find_warmup(visits_of([]), given=5)
    assert (none.found, none.left_out, none.extra) == (0, 5, 0)


def test_slower_by_less_than_the_spread_is_no_warmup():
    assert find_warmup(visits_of([1.01] * 3, spread=0.05, rounds=60), given=0).found == 0
    assert find_warmup(visits_of([1.03] * 3, spread=0.005), given=0).found == 3


def test_one_slow_visit_is_no_warmup():
    samples = visits_of([])
    samples[0, :9] *= 3
    assert find_warmup(samples, given=2).left_out == 2


def test_warmup_that_does_not_end_leaves_half_of_the_samples_and_says_so():
    endless = find_warmup(visits_of(np.linspace(2, 1, 25), spread=0.001), given=5)
    assert (endless.left_out, endless.over) == (15, False)


def test_too_few_samples_tell_nothing_of_warmup():
    few = find_warmup(visits_of([2.0], places=8), given=5)
    assert (few.found, few.left_out) == (None, 5)


def test_warmup_found_is_left_out_of_summaries_and_stays_in_the_raw_samples():
    raw = latency_raw(seed=8)
    for played in raw.rounds:
        own = played.visits["int8"]
        timed_ns = (*(3 * ns for ns in own.timed_ns[:4]), *own.timed_ns[4:])
        played.visits["int8"] = visit(timed_ns, own.warmup_ns)
    summaries = summarize_latency(raw)
    assert warmup_facts(raw)["int8"] == WarmUp(given=3, found=7, left_out=7, over=True)
    assert (summaries["int8"].warmups, summaries[BASELINE].warmups) == (7, 3)
    assert summaries["int8"].samples == 30 * (REPEATS - 4)
    assert summaries["int8"].p99_ms.value < 2 * summaries["int8"].p50_ms.value
    assert len(raw.rounds[0].visits["int8"].timed_ns) == REPEATS


def test_bounds_are_drawn_wider_where_rounds_could_end_on_their_width():
    raw = latency_raw(seed=9)
    fixed = summarize_latency(raw)["int8"].ratio
    by_width = summarize_latency(replace(raw, stopping=ended(width=0.02)))["int8"].ratio
    assert by_width.low < fixed.low < fixed.value == by_width.value < fixed.high < by_width.high
    assert by_width.level == fixed.level == 0.95
    reached = reached_width(paired_ratios(raw, "int8"))
    assert reached == pytest.approx((by_width.high - by_width.low) / by_width.value)


def test_rounds_of_one_process_are_one_number():
    apart, shared = latency_raw(seed=5), latency_raw(seed=5, per_process=3)
    few, many = (summarize_latency(raw)["int8"] for raw in (shared, apart))
    assert (many.processes, few.processes, many.rounds, few.rounds) == (30, 10, 30, 30)
    assert few.p50_ms.value == many.p50_ms.value
    assert few.ratio.low <= 1.03 <= few.ratio.high
    values = process_values(np.log(paired_ratios(shared, "int8").values), [n // 3 for n in range(30)])
    assert few.ratio.value == pytest.approx(np.exp(np.median(pair_averages(values))))


def test_a_ratio_does_not_see_what_disturbs_some_of_a_visits_invocations():
    raw, generator = latency_raw(seed=5), np.random.default_rng(1)
    quiet = summarize_latency(raw)["int8"]
    for played in raw.rounds:
        own = np.array(played.visits["int8"].timed_ns) * generator.choice([1, 3], REPEATS, p=[0.3, 0.7])
        played.visits["int8"] = visit(own.tolist(), played.visits["int8"].warmup_ns)
    busy = summarize_latency(raw)["int8"]
    assert busy.p50_ms.value > 2 * quiet.p50_ms.value
    assert busy.ratio.value == pytest.approx(quiet.ratio.value, rel=0.01)


def test_a_ratio_is_to_float32_of_the_same_runtime():
    raw = latency_raw(seed=4, true_ms={BASELINE: 4.0, "float32@other": 8.0, "int8@other": 8.24, "int8": 2.0})
    assert raw.settings.baselines["int8@other"] == "float32@other"
    summaries = summarize_latency(raw)
    assert summaries["int8@other"].ratio.value == pytest.approx(1.03, abs=0.02)
    assert summaries["int8"].ratio.value == pytest.approx(0.5, abs=0.02)
    assert [summaries[name].ratio.value for name in (BASELINE, "float32@other")] == [1, 1]
    lost = summarize_latency(replace(raw, failures={"float32@other": "no such runtime"}))
    assert "float32@other" in lost["int8@other"].ratio.reason
    assert lost["int8"].ratio == summaries["int8"].ratio


def test_summaries_are_reproducible():
    raw = latency_raw(seed=6)
    assert summarize_latency(raw) == summarize_latency(
        structured(Latency, json.loads(json.dumps(jsonable(raw))))
    )


def energy_raw(power_w, idle_w=0.0, rounds=8, shared_range=False, slack=0.0, seed=0):
    """Windows of 1 s with 100 inferences; variant -> mean power, drifting, with a meter error of +-slack."""
    generator = np.random.default_rng(seed)

    def reading(watts):
        low, high = watts * (1 - slack), watts * (1 + slack)
        return Reading(1.0, {"package-0": bounded(watts, low, high)})

    entries = []
    for factor in drift(rounds, generator):
        noisy = {v: idle_w + (watts - idle_w) * factor for v, watts in power_w.items()}
        windows = {v: BusyWindow(100, reading(watts)) for v, watts in noisy.items()}
        entries.append(EnergyRound(tuple(power_w), NOW, reading(idle_w), UNWATCHED, windows))
    grade = "C" if shared_range else "A"
    meter = MeterFacts(
        "made up", grade, GRADES[grade], ("package-0",), 0.0, 0.0, True, shared_range, "Made up."
    )
    settings = EnergySettings(tuple(power_w), 1, 0, 1.0, 1.0, meter)
    return Energy(settings, None, tuple(entries), reading(idle_w), {}, None)


def test_energy_per_image_gross_and_net():
    raw = energy_raw({BASELINE: 30.0, "int8": 20.0}, idle_w=10.0)
    windows = energy_raw({BASELINE: 30.0, "int8": 20.0}, rounds=1).rounds[0].windows
    raw = replace(raw, rounds=tuple(replace(played, windows=windows) for played in raw.rounds))
    expected = windows[BASELINE].reading.total_j.value
    summary = summarize_energy(raw)[BASELINE]
    assert summary.gross_j.value == pytest.approx(expected / 100)
    assert summary.net_j.value == pytest.approx((expected - 10.0) / 100)
    assert (summary.inferences, summary.rounds) == (800, 8)


def test_energy_interval_covers_spread_and_meter_error():
    exact = summarize_energy(energy_raw({BASELINE: 30.0}, slack=0.0))[BASELINE].gross_j
    coarse = summarize_energy(energy_raw({BASELINE: 30.0}, slack=0.2))[BASELINE].gross_j
    assert exact.low < exact.value < exact.high
    assert coarse.low == pytest.approx(exact.low * 0.8)
    assert coarse.high == pytest.approx(exact.high * 1.2)


def test_shared_range_cancels_in_the_ratio_and_own_errors_do_not():
    power_w = {BASELINE: 30.0, "int8": 15.0}
    shared = summarize_energy(energy_raw(power_w, shared_range=True, slack=0.5))["int8"].ratio
    own = summarize_energy(energy_raw(power_w, slack=0.1))["int8"].ratio
    assert (shared.low, shared.value, shared.high) == pytest.approx((0.5, 0.5, 0.5))
    assert (own.low, own.value, own.high) == pytest.approx((0.5 * 0.9 / 1.1, 0.5, 0.5 * 1.1 / 0.9))


def test_net_bounds_are_wider_than_gross_bounds():
    summary = summarize_energy(energy_raw({BASELINE: 30.0}, idle_w=10.0, slack=0.05))[BASELINE]
    assert summary.net_j.high - summary.net_j.low > summary.gross_j.high - summary.gross_j.low


def test_net_ratio_is_absent_where_the_baseline_cannot_be_told_from_idle():
    summary = summarize_energy(energy_raw({BASELINE: 10.2, "int8": 12.0}, idle_w=10.0, slack=0.05))["int8"]
    assert "cannot be told from zero" in summary.net_ratio.reason
    assert summary.ratio.value > 1


def test_unfinished_measurement_can_be_summarized():
    raw = replace(energy_raw({BASELINE: 30.0}, idle_w=10.0), idle_after=None)
    assert summarize_energy(raw)[BASELINE].net_j.value > 0


def test_memory_is_paired_with_the_bare_runtime_of_its_round():
    rounds = [{"bare": 100, BASELINE: 150}, {"bare": 110, BASELINE: 170}, {"bare": 100, BASELINE: 155}]
    raw = memory_of([BASELINE, "int8"], rounds, {"int8": "died"})
    summaries = summarize_memory(raw)
    peak = summaries[BASELINE].peak_rss_bytes
    assert (peak.value, peak.low, peak.high, peak.level) == (55, 50, 60, 1.0)
    assert summaries[BASELINE].bare_rss_bytes == 100
    assert summaries["int8"] == Absent("died")
