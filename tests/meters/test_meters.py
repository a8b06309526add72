"""Meters: pyRAPL itself on fake counters, the estimate by hand, absence with a reason."""

import errno
import json
import math

import pytest

from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent, Interval
from helpers.lab.records import jsonable, structured
from helpers.meters import estimate
from helpers.meters.absent import AbsentMeter
from helpers.meters.base import GRADES, MeterFacts, Reading, bounded, counted_window_s, meter_facts, summed
from helpers.meters.choose import choose_meter
from helpers.meters.estimate import EstimateMeter
from helpers.meters.rapl import RaplMeter, energy_between, list_counters
from tests.support.fake_powercap import FakePowercap


@pytest.fixture
def powercap(tmp_path, monkeypatch):
    return lambda **layout: FakePowercap(tmp_path, **layout).install(monkeypatch)


def values_j(reading):
    return {domain: energy.value for domain, energy in reading.energy_j.items()}


def test_rapl_counts_package_and_dram(powercap):
    fake = powercap()
    fake.set(1_000_000)
    window = RaplMeter().open()
    fake.set(3_500_000)
    fake.set(250_000, domain="dram")
    reading = window.close()
    assert values_j(reading) == pytest.approx({"package-0": 2.5, "dram-0": 0.25}, rel=1e-12)
    assert reading.total_j.value == pytest.approx(2.75)
    assert reading.duration_s > 0


def test_rapl_handles_a_wrapped_counter(powercap):
    fake = powercap(range_uj=262_143_328_850)
    fake.set(262_143_328_850 - 400_000)
    window = RaplMeter().open()
    fake.set(600_000)
    assert values_j(window.close())["package-0"] == pytest.approx(1.0, rel=1e-12)


def test_rapl_says_so_when_a_wrap_cannot_be_undone(powercap):
    fake = powercap(dram=False)
    fake.remove("max_energy_range_uj")
    fake.set(5)
    window = RaplMeter().open()
    fake.set(3)
    assert "wrapped" in window.close().energy_j["package-0"].reason


def test_rapl_distrusts_a_window_that_may_hold_two_wraps(powercap):
    powercap(range_uj=65_532_610_987)
    counter = list_counters(RaplMeter()._sensor)[0]
    assert isinstance(energy_between(counter, 0, 1, duration_s=60), Interval)
    assert "twice" in energy_between(counter, 0, 1, duration_s=70).reason


def test_rapl_takes_a_counter_that_never_moves_for_absent(powercap):
    powercap(range_uj=262_143_328_850)
    counter = list_counters(RaplMeter()._sensor)[0]
    assert "did not move" in energy_between(counter, 5, 5, duration_s=1.0).reason


def test_rapl_keeps_two_sockets_apart_and_wraps_each(powercap):
    fake = powercap(sockets=2, range_uj=1_000_000_000)
    fake.set(999_000_000, socket=1)
    meter = RaplMeter()
    window = meter.open()
    fake.set(2_000_000, socket=0)
    fake.set(3_000_000, socket=0, domain="dram")
    fake.set(4_000_000, socket=1)
    reading = window.close()
    assert set(meter.domains) == {"package-0", "package-1", "dram-0", "dram-1"}
    assert values_j(reading) == pytest.approx({"package-0": 2, "package-1": 5, "dram-0": 3, "dram-1": 0})


def test_rapl_without_dram_says_that_memory_is_missing(powercap):
    powercap(dram=False)
    meter = RaplMeter()
    assert meter.domains == ("package-0",)
    assert "no DRAM counter" in meter.describe()


def test_rapl_bounds_are_the_power_of_one_update(powercap):
    powercap()
    counter = list_counters(RaplMeter()._sensor)[0]
    energy = energy_between(counter, 0, 10_000_000, duration_s=0.5)
    assert (energy.value, energy.low, energy.high) == pytest.approx((10, 9.98, 10.02))


def test_unreadable_counters_give_the_chmod_line(powercap):
    powercap().unreadable = True
    with pytest.raises(LabError, match="not readable") as caught:
        RaplMeter()
    assert "sudo chmod a+r /sys/class/powercap" in caught.value.cure


@pytest.mark.parametrize("content", ["", "not a number"])
def test_counter_that_breaks_in_a_window_leaves_a_reason(powercap, content):
    fake = powercap()
    window = RaplMeter().open()
    fake.write("energy_uj", content)
    reading = window.close()
    assert "could not be read" in reading.energy_j["package-0"].reason
    assert isinstance(reading.total_j, Absent)


def test_counters_that_the_kernel_takes_away_leave_a_reason(powercap, monkeypatch):
    powercap()
    window = RaplMeter().open()
    gone = OSError(errno.ENODEV, "No such device")
    monkeypatch.setattr(window._sensor, "energy", lambda: (_ for _ in ()).throw(gone))
    assert "No such device" in window.close().total_j.reason


def test_rapl_of_amd_is_a_package_without_dram_that_wraps_at_65_kilojoules(powercap):
    fake = powercap(dram=False, sockets=2, range_uj=65_532_610_987)
    fake.set(65_532_610_987 - 1_000_000)
    meter = RaplMeter()
    window = meter.open()
    fake.set(500_000)
    fake.set(250_000, socket=1)
    assert values_j(window.close()) == pytest.approx({"package-0": 1.5, "package-1": 0.25})
    assert "no DRAM counter" in meter.describe()


def test_rapl_wants_windows_of_a_second():
    assert RaplMeter.shortest_window_s == 1.0
    assert counted_window_s(0.1) == pytest.approx(10)


def test_host_without_rapl(tmp_path, monkeypatch):
    FakePowercap(tmp_path, sockets=1).install(monkeypatch)
    (tmp_path / "sys/class/powercap/intel-rapl/intel-rapl:0/name").write_text("psys\n")
    with pytest.raises(LabError, match="no RAPL counters"):
        RaplMeter()


def test_auto_takes_rapl_where_it_is_readable(powercap):
    powercap()
    meter = choose_meter()
    assert (meter.name, meter.grade) == ("pyRAPL", "A")


def test_auto_falls_back_to_the_estimate_and_says_why(powercap):
    powercap().unreadable = True
    meter = choose_meter(power_w=(3, 12))
    assert (meter.name, meter.grade, meter.power_w) == ("estimate", "C", (3, 12))
    assert "not readable" in meter.describe()
    assert "by construction" in meter.describe()


def test_meter_asked_for_by_name_does_not_fall_back(powercap):
    powercap().unreadable = True
    with pytest.raises(LabError):
        choose_meter("pyRAPL")
    assert choose_meter("none").grade == "D"
    with pytest.raises(LabError, match="Did you mean 'estimate'"):
        choose_meter("estimates")


def test_estimate_equals_hand_calculation(monkeypatch):
    cpu_s, wall_s = iter([10.0, 12.5]), iter([0.0, 2.0])
    monkeypatch.setattr(estimate.time, "process_time", lambda: next(cpu_s))
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: next(wall_s))
    reading = EstimateMeter(power_w=(4, 9)).open().close()
    monkeypatch.undo()
    energy = reading.energy_j["cpu"]
    assert reading.duration_s == 2.0
    assert (energy.low, energy.value, energy.high) == pytest.approx((10.0, 15.0, 22.5))


def test_estimate_follows_real_cpu_time():
    window = EstimateMeter(power_w=(1, 1)).open()
    sum(math.sqrt(n) for n in range(200_000))
    reading = window.close()
    assert 0 < reading.total_j.value <= reading.duration_s * 1.05


@pytest.mark.parametrize(
    "power_w", [(0, 5), (5, 3), (1, float("inf")), (1, float("nan")), 7, ("a", "b"), (1,)]
)
def test_impossible_power_is_refused(power_w):
    with pytest.raises(LabError, match="power_w"):
        EstimateMeter(power_w=power_w)


def test_absent_meter_has_a_reason_and_no_number():
    reading = AbsentMeter("there is nothing to read").open().close()
    assert reading.total_j == Absent("there is nothing to read")
    assert "nothing to read" in AbsentMeter("there is nothing to read").describe()


def test_total_is_absent_if_a_part_is():
    assert summed([bounded(1, 0, 2), Absent("gone")]) == Absent("gone")
    assert summed([bounded(1, 0, 2), bounded(2, 1, 4)]) == bounded(3, 1, 6)
    assert isinstance(summed([]), Absent)


def test_reading_survives_json():
    reading = Reading(1.5, {"package-0": bounded(2.0, 1.9, 2.1), "dram-0": Absent("none here")})
    assert structured(Reading, json.loads(json.dumps(jsonable(reading)))) == reading


@pytest.mark.parametrize("name", ["estimate", "none"])
def test_every_meter_states_its_facts(name):
    facts = meter_facts(choose_meter(name))
    assert structured(MeterFacts, json.loads(json.dumps(jsonable(facts)))) == facts
    assert facts.grade_meaning == GRADES[facts.grade]
    assert facts.description.endswith(".")
