"""Setting and provenance: complete, stable, and silent about what cannot be read."""

import json
import sys
from datetime import datetime

import pytest

from helpers.lab import host

CPUINFO_X86 = """\
processor\t: 0
model name\t: A CPU @ 3 GHz
flags\t\t: fpu avx2

processor\t: 1
model name\t: other
"""


def test_setting_is_stable_and_json():
    assert json.loads(json.dumps(host.setting())) == host.setting()
    assert host.setting()["packages"]["numpy"][0].isdigit()


def test_setting_has_nothing_that_changes_between_runs():
    assert not {"time_utc", "commit", "dirty", "memory_bytes"} & set(host.setting())


def test_provenance_is_json_and_dated_in_utc():
    facts = json.loads(json.dumps(host.provenance()))
    assert datetime.fromisoformat(facts["time_utc"]).utcoffset().total_seconds() == 0
    assert facts["host_id"] == host.setting()["host_id"]
    assert facts["memory_bytes"] > 1e8
    assert facts["usable_cores"] >= 1


def test_first_value_of_each_key_counts():
    assert host.parse_cpuinfo(CPUINFO_X86) == {
        "processor": "0",
        "model name": "A CPU @ 3 GHz",
        "flags": "fpu avx2",
    }


def test_cpuinfo_is_read(monkeypatch, tmp_path):
    (tmp_path / "cpuinfo").write_text(CPUINFO_X86)
    monkeypatch.setattr(host, "CPUINFO", tmp_path / "cpuinfo")
    assert host.cpu.__wrapped__() == ("A CPU @ 3 GHz", {"fpu", "avx2"})


def test_nothing_raises_where_nothing_is_readable(monkeypatch, tmp_path):
    for name in ("CPUINFO", "SYS_CPU0", "CGROUP", "ROOT"):
        monkeypatch.setattr(host, name, tmp_path / "absent")
    monkeypatch.setitem(sys.modules, "cpuinfo", None)
    monkeypatch.setattr(host.platform, "processor", lambda: "")
    monkeypatch.setattr(host, "cpu", host.cpu.__wrapped__)
    monkeypatch.setenv("PATH", "")
    facts = host.provenance()
    assert facts["cpu"] == host.UNKNOWN
    assert facts["isa_flags"] == []
    assert facts["commit"] is None
    assert facts["dirty"] is None
    assert facts["frequency"]["governor"] == host.UNKNOWN


@pytest.mark.parametrize(("limit", "expected"), [("max", None), ("1000000", 1_000_000)])
def test_a_containers_memory_limit_counts(monkeypatch, tmp_path, limit, expected):
    (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr(host, "CGROUP", tmp_path)
    assert host.memory_bytes() == (expected or host.psutil.virtual_memory().total)


def test_an_absent_package_is_said_to_be_absent():
    assert host.versions(("numpy", "no-such-package"))["no-such-package"] == "absent"


def test_importing_host_loads_no_heavy_library():
    code = "import sys; from helpers.lab import host; host.setting(); sys.exit('tensorflow' in sys.modules)"
    assert host.subprocess.run([sys.executable, "-c", code], cwd=host.ROOT, timeout=60).returncode == 0
