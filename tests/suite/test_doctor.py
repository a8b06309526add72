"""The doctor names what is missing, each with its cure."""

import io

import pytest
from rich.console import Console

from helpers.lab import mongo
from helpers.suite import doctor


def test_every_finding_that_is_not_ok_has_a_cure():
    findings = doctor.examine()
    assert {finding.name for finding in findings} >= {"Python", "Packages", "MongoDB", "CPU", "RAPL", "GPU"}
    assert [finding for finding in findings if finding.state != doctor.OK and not finding.cure] == []
    assert {finding.state for finding in findings} <= set(doctor.STATE_STYLES)


@pytest.mark.parametrize(("version", "state"), [((3, 10), "missing"), ((3, 12), "ok"), ((3, 14), "missing")])
def test_python_range(version, state):
    assert doctor.examine_python(version).state == state


def test_packages_that_differ_from_the_lock_are_named():
    lock = [
        "# a comment",
        "numpy==0.1",
        "    # via x",
        "no-such-package==1.0",
        'other==2 ; sys_platform == "none"',
    ]
    finding = doctor.examine_packages(lock, lock)
    assert finding.state == doctor.MISSING
    assert "numpy" in finding.detail
    assert "no-such-package absent" in finding.detail
    assert "other" not in finding.detail


def test_a_package_of_another_version_is_a_limit():
    finding = doctor.examine_packages(["numpy==0.1"], ["numpy<0.2"])
    assert (finding.state, finding.cure) == (doctor.LIMITED, "run `make setup`.")


def test_versions_that_the_project_works_with_need_no_cure():
    """As on Colab, which keeps its own."""
    finding = doctor.examine_packages(["numpy==0.1", "jedi==0.0.1"], ["numpy>=2.1"])
    assert finding.state == doctor.LIMITED
    assert "numpy" in finding.detail
    assert finding.cure.startswith("none needed")


def test_every_extra_is_examined():
    names = [finding.name for finding in doctor.examine()]
    assert {"openvino", "onnxruntime", "dask"} <= set(names)


def test_an_extra_that_is_absent_is_no_loss_and_has_its_cure(monkeypatch):
    monkeypatch.setattr(doctor.host, "package_version", lambda name: "absent")
    finding = doctor.examine_extra("openvino", ["openvino==2026.4.*", "nncf==3.4.*"])
    assert finding.state == doctor.OPTIONAL
    assert finding.detail == "openvino absent, nncf absent"
    assert finding.cure == "run `make setup RUNTIMES=openvino`."


def test_an_extra_of_another_version_is_a_limit():
    finding = doctor.examine_extra("onnxruntime", ["numpy==0.1"])
    assert (finding.state, finding.cure) == (doctor.LIMITED, "run `make setup RUNTIMES=onnxruntime`.")
    assert doctor.examine_extra("any", ["numpy>=1"]).state == doctor.OK


def test_mongod_absent(monkeypatch):
    monkeypatch.setattr(mongo, "check_mongod", lambda: mongo.MongodStatus(False, "gone", "install it"))
    assert doctor.examine_mongod() == doctor.Finding("MongoDB", "missing", "gone", "install it")


@pytest.mark.parametrize(
    ("flags", "state"), [({"avx2"}, "limited"), ({"avx512_vnni"}, "ok"), ({"asimddp"}, "ok")]
)
def test_a_cpu_without_integer_dot_products_is_limited(flags, state):
    assert doctor.examine_cpu("A CPU", frozenset(flags)).state == state


def rapl_zone(powercap, energy: str):
    zone = powercap / "intel-rapl:0"
    zone.mkdir()
    (zone / "name").write_text("package-0\n")
    (zone / "energy_uj").write_text(energy)


def test_rapl_absent_readable_and_not(tmp_path):
    assert doctor.examine_rapl(tmp_path).state == doctor.MISSING
    rapl_zone(tmp_path, "123456\n")
    assert doctor.examine_rapl(tmp_path).detail == "energy counters of package-0"


def test_rapl_that_only_root_may_read(tmp_path, monkeypatch):
    rapl_zone(tmp_path, "1")
    monkeypatch.setattr(doctor.host, "read_int", lambda path: None)
    finding = doctor.examine_rapl(tmp_path)
    assert finding.state == doctor.LIMITED
    assert "chmod a+r" in finding.cure


def test_a_gpu_whose_driver_fails_is_limited(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'no devices were found'; exit 6\n")
    program.chmod(0o755)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: str(program))
    assert "no devices" in doctor.examine_gpu().detail
    program.write_text("#!/bin/sh\necho 'A GPU, 50 W'\n")
    assert doctor.examine_gpu() == doctor.Finding("GPU", "ok", "A GPU, 50 W")


def test_little_memory_and_disk_are_limits(tmp_path, monkeypatch):
    assert doctor.examine_memory(10**9).state == doctor.LIMITED
    assert doctor.examine_disk(tmp_path / "not" / "yet").name == "Disk"
    monkeypatch.setattr(doctor, "DISK_NEEDED_BYTES", 10**18)
    assert doctor.examine_disk(tmp_path).state == doctor.LIMITED


def test_brackets_in_a_message_are_shown():
    console = Console(file=io.StringIO(), width=120)
    console.print(doctor.render([doctor.Finding("x", "missing", "[Errno 111] refused", "cure [it]")]))
    assert "[Errno 111] refused" in console.file.getvalue()
    assert "cure [it]" in console.file.getvalue()


def test_what_is_not_needed_is_not_called_missing(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda _: None)
    assert doctor.examine_gpu().state == "optional, absent"


def test_a_data_folder_that_is_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    assert doctor.examine_disk(tmp_path / "file").state == doctor.MISSING
