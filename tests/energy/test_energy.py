"""Energy windows on a small real core."""

from dataclasses import replace

import pytest

from helpers.energy.windows import measure_energy, window_length_s
from helpers.energy.windows_summary import NO_IDLE, ZERO_NET, inverse, summarize_energy
from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent, Interval
from helpers.meters.absent import AbsentMeter
from helpers.meters.estimate import EstimateMeter
from helpers.meters.rapl import RaplMeter
from helpers.run.variants import BASELINE, CONTROL
from tests.support.fake_powercap import FakePowercap
from tests.support.raw_results import observed
from tests.support.tiny_models import tiny_core, tiny_images

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
    raw = measure(files)
    for played in raw.rounds:
        assert tuple(played.windows) == played.order
        for window in played.windows.values():
            assert window.reading.duration_s >= WINDOW_S
            assert window.inferences >= 1
            assert window.reading.total_j.low > 0
    assert raw.settings.meter.grade == "C"


def test_idle_is_measured_before_between_and_after(files):
    raw = measure(files)
    idle = [*(played.idle_before for played in raw.rounds), raw.idle_after]
    assert len(idle) == 4
    assert all(reading.duration_s >= WINDOW_S for reading in idle)


def test_estimate_gives_an_interval_as_wide_as_its_power_range_and_a_narrow_ratio(files):
    summaries = summarize_energy(measure(files, EstimateMeter((2, 20)), rounds=6), resamples=200)
    small, large = summaries[BASELINE], summaries["int8"]
    assert small.grade == "C"
    assert small.gross_j.high / small.gross_j.low >= 10
    assert large.ratio.low > 1.5
    assert large.ratio.high / large.ratio.low < 5
    assert "cancels" in large.ratio_note
    assert "does not see an idle machine" in large.net_j.reason


def test_every_interval_is_drawn_with_the_runs_own_seed(files):
    raw = measure(files, rounds=8)
    first, again, *others = (
        summarize_energy(raw, resamples=50, seed=seed)["int8"] for seed in (1, 1, 2, 3, 4, 5, 6)
    )
    assert first == again
    # Of eight rounds two seeds may well draw the same bounds; five others do not.
    for quantity in ("gross_j", "ratio"):
        assert any(getattr(first, quantity) != getattr(other, quantity) for other in others)


def test_absent_meter_gives_reasons_and_no_zero(files):
    summaries = summarize_energy(measure(files, AbsentMeter("there is nothing to read"), rounds=1))
    assert set(summaries.values()) == {Absent("there is nothing to read")}


def test_counter_that_vanishes_in_a_round_costs_that_round_alone(files, tmp_path, monkeypatch):
    fake = FakePowercap(tmp_path, dram=False).install(monkeypatch)
    monkeypatch.setattr(RaplMeter, "shortest_window_s", WINDOW_S)

    def vanish(raw):
        fake.write("energy_uj", "" if len(raw.rounds) == 1 else "0\n")

    raw = measure(files, RaplMeter(), on_round=vanish)
    totals = [played.windows[BASELINE].reading.total_j for played in raw.rounds]
    assert [isinstance(total, Absent) for total in totals] == [False, True, False]
    summary = summarize_energy(raw)[BASELINE]
    assert (summary.rounds, summary.absent) == (2, 1)
    assert "could not be read" in summary.absent_reason


def test_variant_that_fails_stops_no_other(files, tmp_path):
    raw = measure({**files, "float16": tmp_path / "gone.tflite"})
    assert "does not exist" in raw.failures["float16"]
    assert "does not exist" in summarize_energy(raw)["float16"].reason
    assert all(set(played.windows) == set(files) for played in raw.rounds)


def test_all_variants_failing_ends_the_measurement(tmp_path):
    raw = measure({BASELINE: tmp_path / "gone.tflite"})
    assert len(raw.rounds) == 1
    assert isinstance(summarize_energy(raw)[BASELINE], Absent)


def test_killed_measurement_goes_on_after_its_last_finished_round(files):
    saved = []

    def save_then_die(raw):
        saved.append(raw)
        if len(raw.rounds) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(files, on_round=save_then_die)
    earlier = saved[-1]
    resumed = measure(files, done=earlier)
    assert resumed.rounds[:2] == earlier.rounds
    assert len(resumed.rounds) == 3


def test_earlier_rounds_of_another_power_range_are_refused(files):
    with pytest.raises(LabError, match="other settings"):
        measure(files, EstimateMeter((3, 4)), done=measure(files, rounds=1))


def test_window_is_lengthened_to_what_the_counter_needs_and_both_are_kept(files, tmp_path, monkeypatch):
    FakePowercap(tmp_path).install(monkeypatch)
    monkeypatch.setattr(RaplMeter, "shortest_window_s", 3 * WINDOW_S)
    raw = measure(files, RaplMeter(), rounds=1)
    assert raw.settings.window_s == raw.settings.meter.shortest_window_s == 3 * WINDOW_S
    assert raw.settings.asked_window_s == WINDOW_S
    assert all(window.reading.duration_s >= 3 * WINDOW_S for window in raw.rounds[0].windows.values())


def test_window_that_is_long_enough_stays_as_it_is():
    assert window_length_s(2.5, AbsentMeter("nothing")) == 2.5
    assert window_length_s(1e-9, EstimateMeter(resolution_s=1e-3)) == pytest.approx(0.1)


@pytest.mark.parametrize("window_s", [0, -1, float("nan"), float("inf")])
def test_window_of_no_length_is_refused(files, window_s):
    with pytest.raises(LabError, match="window_s"):
        measure(files, window_s=window_s)


def test_images_per_joule_are_the_inverse_of_joules_per_image(files):
    summary = summarize_energy(measure(files), resamples=100)[BASELINE]
    rate, cost = summary.images_per_j, summary.gross_j
    assert (rate.value, rate.low, rate.high) == pytest.approx((1 / cost.value, 1 / cost.high, 1 / cost.low))
    assert summary.net_j == Absent(NO_IDLE)


def test_net_energy_that_may_be_zero_has_no_inverse():
    assert inverse(Interval(1.0, -0.1, 2.0)) == Absent(ZERO_NET)


def test_windows_in_disturbed_rounds_are_counted_and_kept(files):
    raw = measure(files)
    seen = [observed(steal_share=0.5 * (number == 1)) for number in range(3)]
    rounds = [replace(played, observed=own) for played, own in zip(raw.rounds, seen, strict=True)]
    raw = replace(raw, rounds=tuple(rounds))
    del raw.rounds[1].windows["int8"]
    summaries = summarize_energy(raw, resamples=100)
    assert (summaries[BASELINE].disturbed, summaries[BASELINE].rounds) == (1, 3)
    assert (summaries["int8"].disturbed, summaries["int8"].rounds) == (0, 2)
