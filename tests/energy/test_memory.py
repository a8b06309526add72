"""Peak memory in fresh processes, on a small real core."""

import json
import subprocess
import sys

import pytest

from helpers.energy import memory
from helpers.energy.memory import measure_memory
from helpers.energy.records import Probe
from helpers.energy.summary import summarize_memory
from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent
from helpers.lab.processes import why_dead
from helpers.run.variants import BASELINE, CONTROL
from helpers.runtimes import memory_probe
from tests.support.tiny_models import tiny_core


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cores")
    small = tiny_core(folder / "small.tflite")
    large = tiny_core(folder / "large.tflite", channels=4096)
    (folder / "broken.tflite").write_bytes(b"no model")
    files = {BASELINE: small, CONTROL: small, "int8": large, "float16": folder / "broken.tflite"}
    return measure_memory(files, rounds=2, progress=False)


def test_every_probe_is_kept_with_that_of_the_bare_runtime(raw):
    assert len(raw.rounds) == 2
    for played in raw.rounds:
        assert set(played.probes) == {"bare", BASELINE, CONTROL, "int8"}
        assert all(probe.peak_rss_bytes > 1e6 for probe in played.probes.values())


def test_a_larger_core_takes_more(raw):
    summaries = summarize_memory(raw)
    assert 0 < summaries[BASELINE].peak_rss_bytes.value < summaries["int8"].peak_rss_bytes.low
    # 4096 channels: weights of 1.6 MB, activations of 4 MB.
    assert summaries["int8"].peak_rss_bytes.value > 4e6
    assert summaries[BASELINE].bare_rss_bytes > summaries[BASELINE].peak_rss_bytes.value


def test_probe_that_dies_leaves_its_reason(raw):
    assert "broken.tflite cannot be loaded" in raw.failures["float16"]
    assert isinstance(summarize_memory(raw)["float16"], Absent)


def test_arena_is_absent_with_a_reason(raw):
    assert "arena" in summarize_memory(raw)[BASELINE].arena_bytes.reason


def test_probe_prints_one_line_of_json():
    command = [sys.executable, "-m", "helpers.runtimes.memory_probe", "litert", "-"]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=True, env=memory.probe_environment()
    )
    assert set(json.loads(ended.stdout)) == {"peak_rss_bytes", "source", "runtime"}


def test_fallback_where_the_system_has_no_proc(monkeypatch, tmp_path):
    monkeypatch.setattr(memory_probe, "STATUS", tmp_path / "absent")
    found = memory_probe.peak_rss()
    assert found["source"] == "ru_maxrss"
    assert found["peak_rss_bytes"] > 1e6


def test_units_of_maxrss_differ_between_systems():
    assert memory_probe.maxrss_unit("darwin") == 1
    assert memory_probe.maxrss_unit("linux") == 1024


def test_killed_probe_is_named_by_its_signal():
    assert "SIGKILL (often: out of memory)" in why_dead(subprocess.CompletedProcess([], -9, "", ""))
    assert "SIGSEGV" in why_dead(subprocess.CompletedProcess([], -11, "", ""))
    assert "said nothing" in why_dead(subprocess.CompletedProcess([], 3, "", ""))


def test_dead_bare_probe_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "probe", lambda target, threads: "no runtime")
    with pytest.raises(LabError, match="bare runtime died: no runtime"):
        measure_memory({BASELINE: tmp_path / "any.tflite"}, rounds=1, progress=False)


def test_killed_measurement_goes_on(monkeypatch, tmp_path):
    probed = []
    probe = Probe(5, "test")
    monkeypatch.setattr(memory, "probe", lambda target, threads: probed.append(target) or probe)
    files = {BASELINE: tmp_path / "any.tflite"}
    earlier = measure_memory(files, rounds=1, progress=False)
    assert len(measure_memory(files, rounds=3, progress=False, done=earlier).rounds) == 3
    assert len(probed) == 6


def of_runtime(target, threads):
    return Probe(100 if target[1] == "-" else 130, "test", target[0])


def test_every_runtime_has_a_bare_process_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "probe", of_runtime)
    files = {
        BASELINE: tmp_path / "a.tflite",
        "int8": tmp_path / "b.tflite",
        "int8@openvino": tmp_path / "c.xml",
    }
    raw = measure_memory(files, rounds=2, progress=False)
    for played in raw.rounds:
        assert set(played.probes) == {"bare", "bare@openvino", *files}
        assert set(played.order) == set(played.probes)


def test_memory_is_above_that_of_the_runtime_of_the_file(monkeypatch, tmp_path):
    def probe(target, threads):
        bare = {"litert": 100, "openvino": 1000, "onnxruntime": 500}[target[0]]
        return Probe(bare if target[1] == "-" else bare + len(target[0]), "test", target[0])

    monkeypatch.setattr(memory, "probe", probe)
    files = {
        "float32": tmp_path / "a.onnx",
        "float32@openvino": tmp_path / "c.xml",
        "other": tmp_path / "d.tflite",
    }
    found = summarize_memory(measure_memory(files, rounds=2, progress=False))
    assert {name: summary.peak_rss_bytes.value for name, summary in found.items()} == {
        "float32": len("onnxruntime"), "float32@openvino": len("openvino"), "other": len("litert"),
    }  # fmt: skip
    assert found["float32@openvino"].bare_rss_bytes == 1000


def test_a_runtime_whose_bare_process_dies_fails_alone(monkeypatch, tmp_path):
    dying = ("openvino", "-")
    monkeypatch.setattr(memory, "probe", lambda t, n: "it is broken" if t == dying else of_runtime(t, n))
    files = {BASELINE: tmp_path / "a.tflite", "int8@openvino": tmp_path / "c.xml"}
    raw = measure_memory(files, rounds=2, progress=False)
    assert len(raw.rounds) == 2
    assert set(raw.rounds[1].probes) == {"bare", BASELINE}
    found = summarize_memory(raw)
    assert found[BASELINE].peak_rss_bytes.value == 30
    assert found["int8@openvino"].reason == "the memory probe of the bare runtime died: it is broken"


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_a_bare_process_of_a_further_runtime_weighs_something(runtime):
    found = memory.probe((runtime, "-"), 1)
    assert found.runtime == runtime
    assert found.peak_rss_bytes > 1e6
