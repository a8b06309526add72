"""Energy windows on a small real core."""

import json

import pytest

from helpers.errors import LabError
from helpers.measure.energy import measure_energy
from helpers.measure.energy_summary import summarize_energy
from helpers.meters.absent import AbsentMeter
from helpers.meters.base import Absent, Reading
from helpers.meters.estimate import EstimateMeter
from helpers.meters.rapl import RaplMeter
from helpers.variants import BASELINE, CONTROL
from tests.fake_powercap import FakePowercap
from tests.tiny_models import tiny_core, tiny_images

WINDOW_S = 0.004


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cores")
    small = tiny_core(folder / "small.tflite")
    return {BASELINE: small, CONTROL: small, "int8": tiny_core(folder / "large.tflite", channels=256)}


def measure(files, meter=None, **changes):
    settings = {"rounds": 3, "window_s": WINDOW_S, "progress": False} | changes
    return measure_energy(files, tiny_images(), meter or EstimateMeter(), **settings)


def test_every_window_is_kept_with_its_inferences(files):
    raw = json.loads(json.dumps(measure(files)))
    for entry in raw["rounds"]:
        assert list(entry["windows"]) == entry["order"]
        for window in entry["windows"].values():
            assert window["duration_s"] >= WINDOW_S
            assert window["inferences"] >= 1
            assert Reading.from_json(window).total_j.low > 0
    assert raw["settings"]["meter"]["grade"] == "C"


def test_idle_is_measured_before_between_and_after(files):
    raw = measure(files)
    idle = [*(entry["idle_before"] for entry in raw["rounds"]), raw["idle_after"]]
    assert len(idle) == 4
    assert all(reading["duration_s"] >= WINDOW_S for reading in idle)


def test_estimate_gives_an_interval_as_wide_as_its_power_range_and_a_narrow_ratio(files):
    summaries = summarize_energy(measure(files, EstimateMeter((2, 20)), rounds=6), resamples=200)
    small, large = summaries[BASELINE], summaries["int8"]
    assert small.grade == "C"
    assert small.gross_j.high / small.gross_j.low >= 10
    assert large.ratio.low > 1.5
    assert large.ratio.high / large.ratio.low < 5
    assert "cancels" in large.ratio_note
    assert "does not see an idle machine" in large.net_j.reason


def test_absent_meter_gives_reasons_and_no_zero(files):
    summaries = summarize_energy(measure(files, AbsentMeter("there is nothing to read"), rounds=1))
    assert set(summaries.values()) == {Absent("there is nothing to read")}


def test_counter_that_vanishes_in_a_round_costs_that_round_alone(files, tmp_path, monkeypatch):
    fake = FakePowercap(tmp_path, dram=False).install(monkeypatch)
    monkeypatch.setattr(RaplMeter, "resolution_s", 1e-5)

    def vanish(raw):
        fake.write("energy_uj", "" if len(raw["rounds"]) == 1 else "0\n")

    raw = measure(files, RaplMeter(), on_round=vanish)
    totals = [Reading.from_json(entry["windows"][BASELINE]).total_j for entry in raw["rounds"]]
    assert [isinstance(total, Absent) for total in totals] == [False, True, False]
    assert summarize_energy(raw)[BASELINE].rounds == 2


def test_variant_that_fails_stops_no_other(files, tmp_path):
    raw = measure({**files, "float16": tmp_path / "gone.tflite"})
    assert "does not exist" in raw["failures"]["float16"]
    assert "does not exist" in summarize_energy(raw)["float16"].reason
    assert all(set(entry["windows"]) == set(files) for entry in raw["rounds"])


def test_all_variants_failing_ends_the_measurement(tmp_path):
    raw = measure({BASELINE: tmp_path / "gone.tflite"})
    assert len(raw["rounds"]) == 1
    assert isinstance(summarize_energy(raw)[BASELINE], Absent)


def test_killed_measurement_goes_on_after_its_last_finished_round(files):
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
    assert len(resumed["rounds"]) == 3


def test_earlier_rounds_of_another_power_range_are_refused(files):
    with pytest.raises(LabError, match="other settings"):
        measure(files, EstimateMeter((3, 4)), done=measure(files, rounds=1))


def test_window_must_be_long_against_the_counter_steps(files, tmp_path, monkeypatch):
    FakePowercap(tmp_path).install(monkeypatch)
    with pytest.raises(LabError, match="window_s"):
        measure(files, RaplMeter())
    with pytest.raises(LabError, match="window_s"):
        measure(files, window_s=0)
