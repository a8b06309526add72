"""The NVML meter on GPUs that a test makes up: there is none on the machines that run the tests."""

import inspect
import math
import sys
import time

import pytest

from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent
from helpers.meters import nvml
from helpers.meters.base import meter_facts
from helpers.meters.choose import choose_meter
from helpers.meters.nvml import NvmlMeter, counted_j, integrated_j
from tests.support.fake_nvml import FakeGpu, FakeNvml, NVMLError, NVMLError_LibraryNotFound


class Hand:
    """A clock moved by hand."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def curve_w(at_s: float) -> float:
    return 120 + 60 * math.sin(at_s)


def true_j(start_s: float, end_s: float) -> float:
    return 120 * (end_s - start_s) - 60 * (math.cos(end_s) - math.cos(start_s))


def test_counter_is_read_in_millijoules():
    gpu, clock = FakeGpu(energy_mj=7_000_000_000), Hand()
    window = NvmlMeter(FakeNvml(gpu), clock=clock).open()
    gpu.energy_mj += 2_500_000
    clock.now_s = 10.0
    reading = window.close()
    assert reading.duration_s == 10.0
    energy = reading.energy_j["gpu-0"]
    assert (energy.value, energy.low, energy.high) == pytest.approx((2500, 2475, 2525))


def test_gpus_are_kept_apart_each_by_the_better_way_it_has():
    counting, powered = FakeGpu(energy_mj=1000, power_mw=5), FakeGpu(power_mw=40_000)
    meter = NvmlMeter(FakeNvml(counting, FakeGpu(), powered))
    assert [gpu.way for gpu in meter.gpus] == ["counter", "power"]
    window = meter.open()
    counting.energy_mj += 3000
    time.sleep(0.05)
    reading = window.close()
    assert reading.energy_j["gpu-0"].value == pytest.approx(3)
    assert reading.energy_j["gpu-2"].value == pytest.approx(40 * reading.duration_s, rel=0.1)
    assert set(meter.domains) == set(reading.energy_j) == {"gpu-0", "gpu-2"}
    assert "In no figure, since they say nothing: gpu-1" in meter.describe()


def test_known_curve_is_integrated_within_its_own_bounds():
    times_s = [0.02 * n for n in range(501)]
    energy = integrated_j([(s, curve_w(s)) for s in times_s], lag_s=0)
    assert energy.value == pytest.approx(true_j(0, 10), rel=1e-5)
    assert energy.low < true_j(0, 10) < energy.high
    assert energy.high - energy.low < 0.01 * energy.value


@pytest.mark.parametrize("late_s", [0.0, 0.1, 0.5, 1.0])
def test_bounds_hold_for_samples_of_any_age_that_is_allowed(late_s):
    samples = [(0.02 * n, curve_w(0.02 * n - late_s)) for n in range(501)]
    energy = integrated_j(samples, lag_s=1.0)
    assert energy.low <= true_j(0, 10) <= energy.high


def test_thread_samples_a_power_that_changes():
    gpu = FakeGpu(power_mw=lambda: 1e3 * curve_w(20 * time.perf_counter()))
    meter = NvmlMeter(FakeNvml(gpu), step_s=0.002)
    started_s = time.perf_counter()
    window = meter.open()
    time.sleep(0.4)
    reading = window.close()
    energy, ended_s = reading.energy_j["gpu-0"], started_s + reading.duration_s
    assert energy.low < true_j(20 * started_s, 20 * ended_s) / 20 < energy.high
    assert energy.value == pytest.approx(true_j(20 * started_s, 20 * ended_s) / 20, rel=0.1)


def test_steady_power_has_no_width_and_one_sample_no_energy():
    energy = integrated_j([(0, 50.0), (1, 50.0), (3, 50.0)])
    assert (energy.low, energy.value, energy.high) == (150, 150, 150)
    assert isinstance(integrated_j([(0, 50.0)]), Absent)


@pytest.mark.parametrize("gpu", [FakeGpu(energy_mj=1000), FakeGpu(power_mw=1000)], ids=["counter", "power"])
def test_gpu_that_vanishes_in_a_window_leaves_a_reason(gpu):
    window = NvmlMeter(FakeNvml(gpu, FakeGpu(power_mw=9))).open()
    gpu.lost = True
    reading = window.close()
    assert "GPU is lost" in reading.energy_j["gpu-0"].reason
    assert isinstance(reading.total_j, Absent)
    assert not isinstance(reading.energy_j["gpu-1"], Absent)


def test_counter_that_stands_still_or_goes_back_is_no_zero():
    assert "did not move" in counted_j("gpu-0", 5.0, 5.0, duration_s=10).reason
    assert "went backwards" in counted_j("gpu-0", 5.0, 1.0, duration_s=10).reason


def test_no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(LabError, match="nvidia-ml-py is not installed"):
        choose_meter("NVML")


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (NVMLError_LibraryNotFound("NVML Shared Library Not Found"), "driver library"),
        (NVMLError("something new"), "something new"),
    ],
)
def test_no_driver(failure, reason):
    with pytest.raises(LabError, match=reason) as caught:
        NvmlMeter(FakeNvml(failure=failure))
    assert "nvidia-smi" in caught.value.cure


def test_no_gpu_and_one_that_says_nothing():
    with pytest.raises(LabError, match="no NVIDIA GPU"):
        NvmlMeter(FakeNvml())
    with pytest.raises(LabError, match="gpu-0: neither energy nor power"):
        NvmlMeter(FakeNvml(FakeGpu()))


def test_named_only_and_says_what_it_counts(monkeypatch):
    monkeypatch.setattr(nvml, "open_library", lambda: FakeNvml(FakeGpu(energy_mj=1)))
    assert choose_meter("auto").name != "NVML"
    meter = choose_meter("NVML")
    assert (meter.name, meter.grade, meter.shortest_window_s) == ("NVML", "B", 10.0)
    assert "nothing of the processor" in meter_facts(meter).description


def test_the_real_package_has_what_the_meter_calls():
    import pynvml

    calls = [name for name, _ in inspect.getmembers(FakeNvml) if name.startswith("nvml")]
    assert [name for name in calls if not callable(getattr(pynvml, name))] == []
    assert [name for name in nvml.CAUSES if not issubclass(getattr(pynvml, name), pynvml.NVMLError)] == []
