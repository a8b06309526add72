"""Latency on a small real core, and on a made-up machine; ``test_team`` has the processes."""

import os

import numpy as np
import pytest

from helpers.energy import latency
from helpers.energy.latency import measure_latency
from helpers.energy.rounds.team import Timed
from helpers.energy.rounds.visiting import DelayedCore, time_visit
from helpers.energy.summary import summarize_latency
from helpers.lab import conditions
from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent
from helpers.run.variants import BASELINE, CONTROL
from tests.support.tiny_models import tiny_core, tiny_images


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cores")
    small = tiny_core(folder / "small.tflite")
    return {BASELINE: small, CONTROL: small, "int8": tiny_core(folder / "large.tflite", channels=256)}


def measure(files, **changes):
    settings = {"rounds": 4, "repeats": 5, "warmups": 2, "progress": False} | changes
    return measure_latency(files, tiny_images(), **settings)


def test_every_repeat_is_kept_and_warmups_are_marked(files):
    raw = measure(files)
    assert len(raw.rounds) == 4
    for played in raw.rounds:
        assert sorted(played.order) == sorted(files)
        assert tuple(played.visits) == played.order
        for visit in played.visits.values():
            assert (len(visit.warmup_ns), len(visit.timed_ns)) == (2, 5)
            assert all(isinstance(ns, int) and ns > 0 for ns in visit.timed_ns)
    assert raw.failures == {}


def test_every_round_notes_what_can_be_read_of_the_system(files):
    raw = measure(files)
    for played in raw.rounds:
        assert 0 < played.observed.watched_s <= played.wall_s - played.start_s
    assert all(0 <= marked.round < 4 and marked.rules for marked in raw.disturbed.rounds)


def test_warmup_is_recorded_per_variant(files):
    raw = measure(files, repeats=8)
    summaries = summarize_latency(raw, resamples=50)
    assert set(raw.warmup) == set(files)
    for variant, warmup in raw.warmup.items():
        assert 2 == warmup.given <= warmup.left_out <= 2 + 8 // 2
        assert summaries[variant].warmups == warmup.left_out
        assert summaries[variant].samples == 4 * (2 + 8 - warmup.left_out)


def test_a_slower_core_is_seen_to_be_slower(files):
    summaries = summarize_latency(measure(files, rounds=10), resamples=200)
    assert summaries["int8"].ratio.low > 2
    assert summaries[BASELINE].ratio.value == 1


def test_variant_that_cannot_be_loaded_stops_no_other(files, tmp_path):
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(files[BASELINE].read_bytes()[:100])
    raw = measure({**files, "float16": broken, "int8-dynamic": tmp_path / "gone.tflite"})
    assert set(raw.failures) == {"float16", "int8-dynamic"}
    assert "gone.tflite does not exist" in raw.failures["int8-dynamic"]
    assert all(set(played.visits) == set(files) for played in raw.rounds)
    assert isinstance(summarize_latency(raw)["float16"], Absent)


def test_wrong_input_shape_is_a_failure_with_a_reason(files):
    raw = measure_latency(files, tiny_images()[..., :16, :, :], rounds=2, repeats=2, progress=False)
    assert set(raw.failures) == set(files)


def test_affinity_is_restored(files):
    before, seen = conditions.available_cpus(), []
    raw = measure(files, on_round=lambda _: seen.append(conditions.available_cpus()))
    assert conditions.available_cpus() == before
    assert tuple(seen[0] or ()) == (raw.conditions.pinned_to_cpus or ())


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_affinity_is_restored_after_an_error():
    before = conditions.available_cpus()

    def fail():
        with conditions.pinned(1) as cpus:
            assert conditions.available_cpus() == cpus == before[-1:]
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert conditions.available_cpus() == before


def test_system_without_affinity_is_measured_unpinned(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    with conditions.pinned(2) as cpus:
        assert cpus is None


def test_earlier_rounds_of_other_settings_are_refused(files):
    with pytest.raises(LabError, match="other settings"):
        measure(files, done=measure(files, rounds=1), repeats=3)


@pytest.mark.parametrize("change", [{"rounds": 0}, {"repeats": 0}, {"threads": 0}, {"warmups": -1}])
def test_impossible_numbers_are_refused(files, change):
    with pytest.raises(LabError, match=next(iter(change))):
        measure(files, **change)


def test_no_images_is_an_error(files):
    with pytest.raises(LabError, match="no input images"):
        measure_latency(files, [], rounds=1, repeats=1, progress=False)


class SlowlyDrifting:
    """A machine of its own clock whose speed wanders by 2 percent per second: a stand-in for a ``Team``."""

    def __init__(self, seed):
        generator = np.random.default_rng(seed)
        self.clock_s = 0.0
        self.factors = np.exp(np.cumsum(generator.normal(0, 0.02, 4000)))
        self.failures = {}

    def __call__(self, files, photos, threads, delays=None, keep=True):
        self.files = files
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def fresh(self):
        pass

    def visit(self, variant, places, warmups):
        """Invocations of as many ms as the variant's file is named."""
        times = [self.invoke_ns(float(self.files[variant].name)) for _ in range(warmups + len(places))]
        return Timed(tuple(times[:warmups]), tuple(times[warmups:]), 0.0, None)

    def invoke_ns(self, latency_ms):
        spent_s = latency_ms / 1000 * self.factors[int(self.clock_s)]
        self.clock_s += spent_s
        return int(spent_s * 1e9)


def timed_on(machine, monkeypatch, tmp_path, latency_ms, rounds):
    """``measure_latency`` of made-up cores on the made-up machine, summarized."""
    monkeypatch.setattr(latency, "Team", machine)
    files = {variant: tmp_path / str(ms) for variant, ms in latency_ms.items()}
    raw = measure_latency(files, tiny_images(), rounds, repeats=10, progress=False, rounds_per_process=1)
    return summarize_latency(raw, resamples=300)


def test_interleaving_recovers_three_percent_that_sequential_timing_misses(monkeypatch, tmp_path):
    """Both designs time 30 visits of each variant, on machines that drift alike; the truth is 1.03."""
    latency_ms = {BASELINE: 40.0, "int8": 40.0 * 1.03}
    held, errors = [], {"sequential": [], "interleaved": []}
    for seed in range(12):
        ratio = timed_on(SlowlyDrifting(seed), monkeypatch, tmp_path, latency_ms, 30)["int8"].ratio
        held.append(ratio.low <= 1.03 <= ratio.high)
        errors["interleaved"].append(abs(ratio.value - 1.03))
        machine = SlowlyDrifting(seed)
        alone = [
            timed_on(machine, monkeypatch, tmp_path, {variant: ms}, 30)[variant].p50_ms.value
            for variant, ms in latency_ms.items()
        ]
        errors["sequential"].append(abs(alone[1] / alone[0] - 1.03))
    assert sum(held) >= 10
    assert np.median(errors["sequential"]) > 0.03
    assert np.median(errors["interleaved"]) < 0.01


class Clocked:
    """A core that does nothing but count, under a clock that a test sets."""

    def __init__(self):
        self.invoked, self.images = 0, []

    def set_input(self, image) -> None:
        self.images.append(image)

    def invoke(self) -> None:
        self.invoked += 1


def test_a_delayed_core_takes_a_known_share_longer(monkeypatch):
    """The clock says 0 and 1000 around the invocation, then moves by 30: 1150 is the first not below 1140."""
    times = iter([0, 1000, *range(1000, 2000, 30)])
    read = []
    monkeypatch.setattr("time.perf_counter_ns", lambda: read.append(next(times)) or read[-1])
    core = Clocked()
    DelayedCore(core, 0.14).invoke()
    assert core.invoked == 1
    assert read[-1] == 1150


def test_a_delayed_core_is_given_the_images():
    core = Clocked()
    DelayedCore(core, 0.1).set_input("photo")
    assert core.images == ["photo"]


def test_a_visit_warms_up_on_its_first_photo_and_times_each(monkeypatch):
    ticks = iter(range(0, 1000, 7))
    monkeypatch.setattr("time.perf_counter_ns", lambda: next(ticks))
    core = Clocked()
    assert time_visit(core, ["one", "two", "three"], 2) == ([7, 7], [7, 7, 7])
    assert core.images == ["one", "one", "one", "two", "three"]
