"""The self-test of measuring: delays are there, false alarms are counted, the report says what was found."""

import subprocess
import sys
from dataclasses import replace
from itertools import islice

import numpy as np
import psutil
import pytest

from helpers.energy.selftest import burner, runs
from helpers.energy.selftest.records import SelfTestRun, SelfTestRuns, SelfTestSettings
from helpers.energy.selftest.runs import measure_delays, measure_selftest
from helpers.energy.selftest.summary import DELAYS, delay_name, sentence, summarize_selftest, wilson
from helpers.energy.summary import latency_ratio
from helpers.lab.errors import LabError
from helpers.lab.intervals import Interval
from helpers.lab.paths import ROOT
from helpers.meters.base import bounded
from helpers.meters.proof import Proof
from helpers.run.variants import BASELINE, CONTROL
from tests.support.tiny_models import tiny_core, tiny_images


@pytest.fixture(scope="module")
def core_file(tmp_path_factory):
    return tiny_core(tmp_path_factory.mktemp("selftest") / "core.tflite", channels=64)


def test_a_large_delay_is_found_by_the_measurement_itself(core_file, monkeypatch):
    monkeypatch.setattr("helpers.energy.selftest.runs.DELAYS", (1.0,))
    raw = measure_delays(core_file, tiny_images(), rounds=8, repeats=5, threads=1, seed=0)
    assert raw.settings.variants == (BASELINE, CONTROL, "delay-100%")
    assert raw.failures == {}
    delayed, control = (latency_ratio(raw, name) for name in ("delay-100%", CONTROL))
    assert delayed.low > control.high
    assert delayed.low > 1.3


def test_every_run_is_a_measurement_whose_ratios_are_kept(core_file):
    saved = []
    raw = measure_selftest(
        core_file, tiny_images(), runs=2, rounds=3, repeats=3, progress=False,
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


def test_an_interrupted_selftest_goes_on(core_file):
    settings = {"runs": 1, "rounds": 2, "repeats": 2, "progress": False}
    first = measure_selftest(core_file, tiny_images(), **settings)
    both = measure_selftest(core_file, tiny_images(), **settings | {"runs": 2}, done=first)
    assert both.rounds[0] == first.rounds[0]
    assert len(both.rounds) == 2


def test_a_run_that_dies_says_why(tmp_path):
    with pytest.raises(LabError, match=r"a run of the self-test failed: .*nowhere\.tflite does not exist"):
        measure_selftest(tmp_path / "nowhere.tflite", tiny_images(), runs=1, progress=False)


def burners():
    return [each for each in psutil.Process().children() if "selftest.burner" in " ".join(each.cmdline())]


def test_a_busy_machine_has_a_second_process_as_long_as_it_is_measured(core_file):
    seen, settings = [], {"runs": 2, "rounds": 2, "repeats": 2, "progress": False, "busy": True}
    with pytest.MonkeyPatch.context() as patch:
        measure = runs.measure_delays
        patch.setattr(runs, "measure_delays", lambda *own: seen.append(len(burners())) or measure(*own))
        raw = measure_selftest(core_file, tiny_images(), **settings)
    assert seen == [1, 1]
    assert burners() == []
    assert raw.settings.busy
    quiet = settings | {"busy": False}
    with pytest.raises(LabError, match="other settings"):
        measure_selftest(core_file, tiny_images(), **quiet, done=raw)


def test_a_burner_works_at_moments_that_its_seed_gives_and_ends_with_its_parent():
    first, again, other = (list(islice(burner.stretches(seed), 400)) for seed in (1, 1, 2))
    assert first == again != other
    assert np.mean(first, axis=0) == pytest.approx([burner.MEAN_S] * 2, rel=0.2)
    code = "import sys; from helpers.energy.selftest.burner import main; sys.exit(main(['1']))"
    subprocess.run([sys.executable, "-c", code], input="", text=True, cwd=ROOT, timeout=60, check=True)


def made_up(controls: list[tuple[float, float, float]], lows: list[float]) -> SelfTestRuns:
    """Runs with these control intervals (low, value, high), and delays whose intervals begin at ``lows``."""

    def ratios(control):
        low, value, high = control
        delays = {delay_name(d): Interval(1 + d, b, 2.0) for d, b in zip(DELAYS, lows, strict=True)}
        return {CONTROL: Interval(value, low, high), **delays}

    settings = SelfTestSettings((CONTROL, *map(delay_name, DELAYS)), 1, 0, 12, 10, False)
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
