"""What disturbs rounds: read from made-up files of the kernel, marked by rule, kept."""

import collections
import types
from dataclasses import replace

import pytest

from helpers.energy.rounds import disturbance
from helpers.energy.rounds.disturbance import (
    RULES,
    Watch,
    context_switches,
    cpu_ticks,
    disturbance_facts,
    disturbed_rounds,
    frequency_mhz,
    temperature_c,
)
from helpers.energy.rounds.records import Disturbed, Marked
from helpers.energy.summary import summarize_latency
from helpers.lab.intervals import Absent
from helpers.run.variants import BASELINE
from tests.support.raw_results import UNWATCHED, latency_of, latency_round, observed, visit

QUIET = observed(steal_share=0.0, involuntary_switches=3, frequency_mhz=2600.0)


def stat(steal, user=1000):
    """/proc/stat of two cores; ``steal`` ticks stolen from the second."""
    cores = [f"cpu0 {user} 0 0 500 0 0 0 0 7 0", f"cpu1 {user} 0 0 500 0 0 0 {steal} 7 0"]
    return "\n".join([f"cpu  {2 * user} 0 0 1000 0 0 0 {steal} 14 0", *cores, "intr 5 1", ""])


@pytest.fixture
def system(tmp_path):
    (tmp_path / "stat").write_text(stat(steal=0))
    (tmp_path / "cpuinfo").write_text("processor: 0\ncpu MHz\t: 2000.5\nprocessor: 1\ncpu MHz\t\t: 3000.5\n")
    for core, khz in enumerate((1_800_000, 2_200_000)):
        folder = tmp_path / f"cpu{core}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_cur_freq").write_text(f"{khz}\n")
    return tmp_path


def test_ticks_are_of_the_cores_asked_for(system):
    (system / "stat").write_text(stat(steal=30))
    assert cpu_ticks([0], system) == (0, 1500)
    assert cpu_ticks([0, 1], system) == (30, 3030)
    assert cpu_ticks(None, system) == (30, 3030)
    assert cpu_ticks([0, 5], system) is None


def test_a_watch_tells_the_share_that_was_stolen(system):
    one, other = Watch([1], system, system), Watch([0], system, system)
    (system / "stat").write_text(stat(steal=25, user=1075))
    assert one.observed().steal_share == 0.25
    assert other.observed().steal_share == 0
    assert one.observed().frequency_mhz == 2200


def test_no_tick_between_tells_nothing_of_steal(system):
    assert Watch([1], system, system).observed().steal_share is None


def test_frequency_comes_from_cpufreq_or_else_from_cpuinfo(system):
    assert frequency_mhz([0, 1], system, system) == frequency_mhz(None, system, system) == 2000
    (system / "cpu1" / "cpufreq" / "scaling_cur_freq").write_text("<unknown>\n")
    assert frequency_mhz([1], system, system) == 3000.5
    assert frequency_mhz([0], system, system) == 1800
    (system / "cpuinfo").write_text("processor: 0\nmodel name: none told\n")
    assert frequency_mhz([1], system, system) is None


def test_a_system_that_tells_nothing_gives_none(tmp_path, monkeypatch):
    monkeypatch.setattr(disturbance, "context_switches", lambda: None)
    monkeypatch.delattr(disturbance.psutil, "sensors_temperatures", raising=False)
    found = Watch(None, tmp_path / "none", tmp_path / "none").observed()
    assert found.watched_s >= 0
    assert found == observed(found.watched_s)


def test_the_hottest_sensor_counts(monkeypatch):
    sensor = collections.namedtuple("sensor", "current")
    sensors = {"coretemp": [sensor(61.0), sensor(72.5)], "nvme": [sensor(40.0)], "broken": [sensor(None)]}
    monkeypatch.setattr(disturbance.psutil, "sensors_temperatures", lambda: sensors, raising=False)
    assert temperature_c() == 72.5


def test_a_kernel_that_counts_no_switches_is_told_from_a_quiet_one(monkeypatch):
    resource = pytest.importorskip("resource")
    counts = types.SimpleNamespace(ru_nvcsw=0, ru_nivcsw=0)
    monkeypatch.setattr(resource, "getrusage", lambda who: counts)
    assert context_switches() is None
    counts.ru_nvcsw = 4
    assert context_switches() == (4, 0)


def raw_of(*seen, threads=1):
    """Rounds with these observations; int8 takes twice as long as the baseline, ten times if disturbed."""

    def played(numbered):
        number, seen = numbered
        factor = 2 if seen in (UNWATCHED, QUIET) else 10
        visits = {v: visit([ms * 10**6] * 3, [1]) for v, ms in ((BASELINE, 1), ("int8", factor))}
        return latency_round(visits, seen, process=number)

    return latency_of([BASELINE, "int8"], map(played, enumerate(seen)), threads=threads)


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({}, None),
        ({"steal_share": 0.01}, None),
        ({"steal_share": 0.011}, ("steal",)),
        ({"involuntary_switches": 20}, None),
        ({"involuntary_switches": 21}, ("switches",)),
        ({"involuntary_switches": 21, "watched_s": 2.0}, None),
        ({"frequency_mhz": 2600 * 0.96}, None),
        ({"frequency_mhz": 2600 * 0.94}, ("frequency",)),
        ({"frequency_mhz": 2600 * 1.06, "steal_share": 0.5}, ("steal", "frequency")),
        ({"steal_share": None, "involuntary_switches": None, "frequency_mhz": None}, None),
    ],
)
def test_rules(change, rules):
    marked = disturbed_rounds(raw_of(QUIET, replace(QUIET, **change), QUIET))
    assert marked == ({1: rules} if rules else {})


def test_preemption_tells_of_other_work_with_one_thread_only():
    """Threads of one process preempt each other."""
    busy, stolen = replace(QUIET, involuntary_switches=900), replace(QUIET, steal_share=0.5)
    assert disturbed_rounds(raw_of(QUIET, busy, stolen, threads=1)) == {1: ("switches",), 2: ("steal",)}
    assert disturbed_rounds(raw_of(QUIET, busy, stolen, threads=2)) == {2: ("steal",)}
    assert "switches" in disturbance_facts(raw_of(QUIET, busy, threads=2)).unreadable


def test_disturbed_rounds_are_kept_and_the_ratio_without_them_is_told():
    stolen = replace(QUIET, steal_share=0.3)
    summary = summarize_latency(raw_of(stolen, QUIET, stolen, QUIET, stolen, QUIET, stolen))["int8"]
    assert (summary.rounds, summary.disturbed) == (7, 4)
    assert summary.ratio.value > 4
    assert summary.undisturbed_ratio.value == pytest.approx(2)


def test_where_every_round_is_disturbed_there_is_no_ratio_without_them():
    summary = summarize_latency(raw_of(*[replace(QUIET, steal_share=0.3)] * 3))["int8"]
    assert (summary.disturbed, summary.ratio.value) == (3, pytest.approx(10))
    assert "no undisturbed round" in summary.undisturbed_ratio.reason


def test_unwatched_rounds_are_not_called_undisturbed():
    summary = summarize_latency(raw_of(UNWATCHED, UNWATCHED))["int8"]
    assert summary.ratio.value == 2
    assert isinstance(summary.disturbed, Absent)
    assert isinstance(summary.undisturbed_ratio, Absent)


def test_the_record_names_rules_rounds_and_what_could_not_be_read():
    seen = replace(QUIET, frequency_mhz=None)
    facts = disturbance_facts(raw_of(seen, replace(seen, steal_share=0.2)))
    assert facts == Disturbed(RULES, ("frequency",), (Marked(1, ("steal",)),))
