"""The self-test of measuring: delays are there, false alarms are counted, the report says what was found."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.energy.selftest.records import SelfTestRun, SelfTestRuns, SelfTestSettings
from helpers.energy.selftest.runs import DelayedCore, measure_delays, measure_selftest
from helpers.energy.selftest.summary import DELAYS, delay_name, sentence, summarize_selftest, wilson
from helpers.energy.summary import latency_ratio
from helpers.lab.errors import LabError
from helpers.lab.intervals import Interval
from helpers.meters.base import bounded
from helpers.meters.proof import Proof
from helpers.run.variants import BASELINE, CONTROL
from tests.support.tiny_models import tiny_core, tiny_images


@pytest.fixture(scope="module")
def core_file(tmp_path_factory):
    return tiny_core(tmp_path_factory.mktemp("selftest") / "core.tflite", channels=64)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    path = tmp_path_factory.mktemp("inputs") / "inputs.npy"
    np.save(path, tiny_images())
    return path


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


def test_a_large_delay_is_found_by_the_measurement_itself(core_file, monkeypatch):
    monkeypatch.setattr("helpers.energy.selftest.runs.DELAYS", (1.0,))
    raw = measure_delays(core_file, tiny_images(), rounds=6, repeats=5, threads=1, seed=0)
    assert raw.settings.variants == (BASELINE, CONTROL, "delay-100%")
    assert raw.failures == {}
    delayed, control = (latency_ratio(raw, name, 200, 0) for name in ("delay-100%", CONTROL))
    assert delayed.low > control.high
    assert delayed.low > 1.3


def test_every_run_is_a_process_whose_ratios_are_kept(core_file, inputs):
    saved = []
    raw = measure_selftest(
        core_file, inputs, runs=2, rounds=3, repeats=3, progress=False,
        on_round=lambda raw: saved.append(len(raw.rounds)),
    )  # fmt: skip
    assert saved == [1, 2]
    for played in raw.rounds:
        assert list(played.ratios) == [CONTROL, *map(delay_name, DELAYS)]
        for ratio in played.ratios.values():
            assert 0 < ratio.low <= ratio.value <= ratio.high
    result = summarize_selftest(raw)
    assert result.runs == 2
    assert sentence(result).startswith("On this machine, differences in latency under")


def test_an_interrupted_selftest_goes_on(core_file, inputs):
    settings = {"runs": 1, "rounds": 2, "repeats": 2, "progress": False}
    first = measure_selftest(core_file, inputs, **settings)
    both = measure_selftest(core_file, inputs, **settings | {"runs": 2}, done=first)
    assert both.rounds[0] == first.rounds[0]
    assert len(both.rounds) == 2


def test_a_run_that_dies_says_why(tmp_path, inputs):
    with pytest.raises(LabError, match=r"a run of the self-test failed: .*nowhere\.tflite does not exist"):
        measure_selftest(tmp_path / "nowhere.tflite", inputs, runs=1, progress=False)


def made_up(controls: list[tuple[float, float, float]], lows: list[float]) -> SelfTestRuns:
    """Runs with these control intervals (low, value, high), and delays whose intervals begin at ``lows``."""

    def ratios(control):
        low, value, high = control
        delays = {delay_name(d): Interval(1 + d, b, 2.0) for d, b in zip(DELAYS, lows, strict=True)}
        return {CONTROL: Interval(value, low, high), **delays}

    settings = SelfTestSettings((CONTROL, *map(delay_name, DELAYS)), 1, 0, 12, 10)
    return SelfTestRuns(settings, tuple(SelfTestRun(ratios(control)) for control in controls), {}, None)


def test_false_alarms_are_controls_whose_interval_excludes_one():
    quiet, above, below = (0.99, 1.001, 1.01), (1.002, 1.004, 1.02), (0.97, 0.98, 0.999)
    result = summarize_selftest(made_up([quiet] * 17 + [above, below, quiet], [0.999, 1.001, 1.03]))
    assert (result.runs, result.false_alarms) == (20, 2)
    assert result.false_alarm_rate.value == 0.1
    assert result.found == {0.01: 0.0, 0.02: 1.0, 0.05: 1.0}
    assert result.smallest_effect == 0.02
    assert result.bias == pytest.approx(dict.fromkeys(DELAYS, 0.0))


def test_noise_leaves_the_farthest_of_twenty_out():
    controls = [(0.9, 1 + 0.001 * n, 1.1) for n in range(20)]
    assert summarize_selftest(made_up(controls, [1, 1, 1])).noise == pytest.approx(0.018)


def test_where_no_delay_is_found_the_report_says_so():
    result = summarize_selftest(made_up([(0.9, 1.0, 1.1)] * 4, [0.9, 0.9, 0.9]))
    assert result.smallest_effect is None
    assert "a slowdown of 5 % was found in only 0%" in sentence(result)


def test_the_meters_error_is_told_where_it_was_tried():
    raw = made_up([(0.9, 1.0, 1.1)] * 4, [1.001, 1.001, 1.001])
    assert "pyRAPL" not in sentence(summarize_selftest(raw))
    tried = replace(raw, rapl=Proof(1.0, bounded(1.00002, 0.9, 1.1), 10, 10))
    assert sentence(summarize_selftest(tried)).endswith("known power, was off by 0.0020%.")


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Wilson's interval by hand: Brown, Cai and DasGupta 2001, equation 4.
    [(1, 20, 0.0089, 0.2361), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0)],
)
def test_a_share_has_wilsons_interval(successes, trials, low, high):
    interval = wilson(successes, trials)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=2e-4)
