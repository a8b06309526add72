"""The installation shows its progress and, when pip fails, pip's reason."""

import sys

import pytest

from helpers.lab.errors import LabError
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
