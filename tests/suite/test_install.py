"""The installation shows its progress and, when pip fails, pip's reason."""

import os
import shutil
import subprocess
import sys

import pytest

from helpers.lab.errors import LabError
from helpers.lab.paths import ROOT
from helpers.runtimes.catalogue import RUNTIMES
from helpers.suite import install

PIP_OUTPUT = [
    "Collecting absl-py==2.1 (from -r requirements.txt (line 1))\n",
    "  Downloading absl_py-2.1-py3-none-any.whl (1.2 MB)\n",
    "Collecting tensorflow==2.21.0 (from -r requirements.txt (line 9))\n",
    "  Downloading tensorflow-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl (620.1 MB)\n",
    "Installing collected packages: absl-py, tensorflow\n",
]


def test_large_downloads_and_the_last_step_are_told():
    assert list(install.progress_lines(PIP_OUTPUT, 200)) == [
        "  downloading tensorflow, 620 MB",
        "  unpacking 2 packages: a minute or two",
    ]


def test_every_twentieth_package_is_told():
    output = [f"Collecting package{i}==1\n" for i in range(45)]
    assert len(list(install.progress_lines(output, 45))) == 2


def test_pins_are_counted_without_comments():
    assert len(install.requirement_lines(install.LOCK)) > 100


def test_a_failing_pip_gives_its_last_lines(monkeypatch):
    failing = [sys.executable, "-c", "print('ERROR: No matching distribution'); raise SystemExit(1)"]
    monkeypatch.setattr(install, "pip_command", lambda arguments: failing)
    with pytest.raises(LabError, match="No matching distribution"):
        install.install_lock()


def test_main_says_interrupted_without_a_traceback(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(install, "install_lock", interrupted)
    assert install.main() == 130
    assert "again" in capsys.readouterr().err


def test_the_lock_names_no_index_and_pins_everything():
    lines = install.LOCK.read_text().splitlines()
    pins = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert [line for line in pins if "==" not in line] == []
    assert "://" not in install.LOCK.read_text()


@pytest.fixture
def pip(monkeypatch, tmp_path):
    """What pip would be told; a Python of its own remembers extras."""
    told = []
    monkeypatch.setattr(install, "install_packages", lambda arguments, total: told.append(arguments))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.delenv(install.ASKED, raising=False)
    return told


def test_extras_are_read_with_their_requirements():
    extras = install.extras()
    assert list(extras) == ["openvino", "onnxruntime", "dask"]
    assert [install.name_of(line) for line in extras["openvino"]] == ["openvino", "nncf"]
    assert all(extras.values())


def test_every_extra_of_a_runtime_can_be_installed():
    named = {runtime.extra: runtime.packages for runtime in RUNTIMES.values() if runtime.extra}
    for extra, packages in named.items():
        assert {install.name_of(line) for line in install.extras()[extra]} == set(packages)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("onnxruntime", ["onnxruntime"]),
        ("onnxruntime,openvino", ["openvino", "onnxruntime"]),
        (" dask  openvino ,", ["openvino", "dask"]),
        ("all", ["openvino", "onnxruntime", "dask"]),
    ],
)
def test_extras_are_asked_for_by_name(text, names):
    assert install.asked_extras(text) == names


def test_an_extra_that_there_is_not_is_told_with_those_that_there_are(monkeypatch, pip, capsys):
    monkeypatch.setenv(install.ASKED, "openvino,tensorrt")
    assert install.main() == 1
    told = capsys.readouterr().err
    assert "there is no runtime tensorrt to install" in told
    assert "openvino, onnxruntime, dask" in told
    assert pip == []


def test_without_a_wish_the_lock_alone_is_installed(pip):
    install.install_lock()
    assert pip == [["-r", str(install.LOCK)]]


def test_what_was_asked_for_once_is_installed_from_then_on(monkeypatch, pip):
    for wish, expected in (
        ("onnxruntime", ["onnxruntime"]),
        ("", ["onnxruntime"]),
        ("openvino", ["openvino"]),
    ):
        monkeypatch.setenv(install.ASKED, wish)
        install.install_lock()
        assert set(install.kept_extras().read_text().split()) >= set(expected)
    assert install.kept_extras().read_text().split() == ["openvino", "onnxruntime"]
    assert pip[-1][2:] == [
        *install.extras()["openvino"], *install.extras()["onnxruntime"], "-c", str(install.EXTRAS_LOCK),
    ]  # fmt: skip


def test_an_extra_that_pip_could_not_install_is_not_remembered(monkeypatch, pip):
    def fail(arguments, total):
        raise LabError("pip failed", "", "")

    monkeypatch.setattr(install, "install_packages", fail)
    monkeypatch.setenv(install.ASKED, "openvino")
    with pytest.raises(LabError, match="pip failed"):
        install.install_lock()
    assert not install.kept_extras().exists()


def test_the_lock_of_the_extras_holds_what_they_add_and_no_more():
    pins = install.requirement_lines(install.EXTRAS_LOCK)
    assert all("==" in pin for pin in pins)
    assert "://" not in install.EXTRAS_LOCK.read_text()
    named = {install.name_of(pin) for pin in pins}
    assert not named & {install.name_of(pin) for pin in install.requirement_lines(install.LOCK)}
    assert {install.name_of(line) for lines in install.extras().values() for line in lines} <= named


def run_make(folder, *arguments):
    """Make with a stand-in for the Python of the .venv, which prints what it is asked to do."""
    done = subprocess.run(
        ["make", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30,
        env={name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "RUNTIMES")},
    )  # fmt: skip
    return [line for line in done.stdout.splitlines() if line.startswith("asked")]


@pytest.mark.skipif(not shutil.which("make"), reason="no make here")
def test_make_installs_again_where_more_is_asked_for(tmp_path):
    for name in ("Makefile", "requirements.txt", "requirements-runtimes.txt", "requirements-runtimes.in"):
        shutil.copy(ROOT / name, tmp_path / name)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "asked $* [$RUNTIMES]"\n')
    python.chmod(0o755)
    asked = "asked -m helpers.suite.install"
    assert f"{asked} []" in run_make(tmp_path, "setup")
    assert run_make(tmp_path, "setup") == []
    assert f"{asked} [openvino]" in run_make(tmp_path, "setup", "RUNTIMES=openvino")
    (tmp_path / ".venv" / ".extras").write_text("openvino\n")
    assert run_make(tmp_path, "setup", "RUNTIMES=openvino") == []
    assert run_make(tmp_path, "report") == ["asked -m helpers run --profile quick []"]
    assert f"{asked} [openvino,dask]" in run_make(tmp_path, "report", "RUNTIMES=openvino,dask")
    assert f"{asked} [all]" in run_make(tmp_path, "test")
    (tmp_path / ".venv" / ".extras").write_text("openvino\nonnxruntime\ndask\n")
    assert run_make(tmp_path, "test") == ["asked -m pytest -n 2 []"]
