"""Latency on a small real core."""

import gc
import json
import os

import pytest

from helpers.errors import LabError
from helpers.measure import conditions, rounds
from helpers.measure.latency import measure_latency
from helpers.measure.summary import summarize_latency
from helpers.meters.base import Absent
from helpers.variants import BASELINE, CONTROL
from tests.tiny_models import tiny_core, tiny_images


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cores")
    small = tiny_core(folder / "small.tflite")
    return {BASELINE: small, CONTROL: small, "int8": tiny_core(folder / "large.tflite", channels=256)}


def measure(files, **changes):
    settings = {"rounds": 4, "repeats": 5, "warmups": 2, "progress": False} | changes
    return measure_latency(files, tiny_images(), **settings)


def test_every_repeat_is_kept_and_warmups_are_marked(files):
    raw = json.loads(json.dumps(measure(files)))
    assert len(raw["rounds"]) == 4
    for entry in raw["rounds"]:
        assert sorted(entry["order"]) == sorted(files)
        assert list(entry["visits"]) == entry["order"]
        for visit in entry["visits"].values():
            assert (len(visit["warmup_ns"]), len(visit["timed_ns"])) == (2, 5)
            assert all(isinstance(ns, int) and ns > 0 for ns in visit["timed_ns"])
    assert raw["failures"] == {}


def test_a_slower_core_is_seen_to_be_slower(files):
    summaries = summarize_latency(measure(files, rounds=10), resamples=200)
    assert summaries["int8"].ratio.low > 2
    assert summaries[BASELINE].ratio.value == 1


def test_variant_that_cannot_be_loaded_stops_no_other(files, tmp_path):
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(files[BASELINE].read_bytes()[:100])
    raw = measure({**files, "float16": broken, "int8-dynamic": tmp_path / "gone.tflite"})
    assert set(raw["failures"]) == {"float16", "int8-dynamic"}
    assert "gone.tflite does not exist" in raw["failures"]["int8-dynamic"]
    assert all(set(entry["visits"]) == set(files) for entry in raw["rounds"])
    assert isinstance(summarize_latency(raw)["float16"], Absent)


def test_variant_that_fails_while_running_stops_no_other(files, monkeypatch):
    calls = iter(range(10**6))

    class Fragile(rounds.Core):
        def invoke(self):
            if "large" in self.path.name and next(calls) == 10:
                raise RuntimeError("the kernel gave up")
            super().invoke()

    monkeypatch.setattr(rounds, "Core", Fragile)
    raw = measure(files)
    assert raw["failures"] == {"int8": "the kernel gave up"}
    assert [("int8" in entry["visits"]) for entry in raw["rounds"]] == [True, False, False, False]
    assert all(BASELINE in entry["visits"] for entry in raw["rounds"])


def test_every_visit_loads_its_core_afresh(files, monkeypatch):
    loaded = []

    class Counted(rounds.Core):
        def __init__(self, path, threads):
            loaded.append(path.stem)
            super().__init__(path, threads)

    monkeypatch.setattr(rounds, "Core", Counted)
    measure(files)
    assert (loaded.count("small"), loaded.count("large")) == (8, 4)


def test_wrong_input_shape_is_a_failure_with_a_reason(files):
    raw = measure_latency(files, tiny_images()[..., :16, :, :], rounds=2, repeats=2, progress=False)
    assert set(raw["failures"]) == set(files)


def test_collector_and_affinity_are_restored(files):
    before = conditions.available_cpus()
    seen = []
    raw = measure(files, on_round=lambda _: seen.append((gc.isenabled(), conditions.available_cpus())))
    assert gc.isenabled()
    assert conditions.available_cpus() == before
    assert seen[0] == (False, raw["conditions"]["pinned_to_cpus"])


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


def test_killed_measurement_goes_on_after_its_last_finished_round(files):
    whole = measure(files)
    saved = []

    def save_then_die(raw):
        saved.append(json.dumps(raw))
        if len(raw["rounds"]) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(files, on_round=save_then_die)
    earlier = json.loads(saved[-1])
    resumed = measure(files, done=earlier)
    assert resumed["rounds"][:2] == earlier["rounds"]
    assert [entry["order"] for entry in resumed["rounds"]] == [entry["order"] for entry in whole["rounds"]]
    assert len(earlier["rounds"]) == 2


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
