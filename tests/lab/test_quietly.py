"""Library chatter is dropped, errors and the user's own settings are kept."""

import subprocess
import sys

import pytest

from helpers.lab import quietly
from helpers.lab.paths import ROOT


def run(code: str, *options: str, cwd=ROOT) -> subprocess.CompletedProcess:
    command = [sys.executable, *options, "-c", "import os, sys; sys.path.append(os.getcwd())\n" + code]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_muted_drops_what_is_written_below_python():
    done = run(
        "from helpers.lab.quietly import stderr_muted\n"
        "with stderr_muted(): os.write(2, b'chatter')\n"
        "os.write(2, b'after')"
    )
    assert done.stderr == "after"


def test_muted_shows_everything_if_the_block_fails():
    done = run(
        "from helpers.lab.quietly import stderr_muted\nwith stderr_muted(): os.write(2, b'reason'); 1 / 0"
    )
    assert "reason" in done.stderr
    assert "ZeroDivisionError" in done.stderr


@pytest.mark.parametrize("broken", [False, True])
def test_a_noisy_import_is_quiet_unless_it_fails(tmp_path, broken):
    body = "import os; os.write(2, b'chatter'); value = 1\n" + (
        "raise ImportError('broken')" if broken else ""
    )
    (tmp_path / "noisy.py").write_text(body)
    code = (
        f"sys.path.append({str(ROOT)!r})\n"
        "from helpers.lab import quietly\nquietly.NOISY_IMPORTS = ('noisy',)\n"
        "quietly.quiet(); quietly.quiet()\n"
        "import noisy; print(noisy.value, len([f for f in sys.meta_path if type(f) is quietly.QuietImports]))"
    )
    done = run(code, cwd=tmp_path)
    assert ("chatter" in done.stderr) == broken
    assert ("broken" in done.stderr) == broken
    assert done.stdout == ("" if broken else "1 1\n")


def test_what_the_user_has_set_stays(monkeypatch):
    code = "from helpers.lab.quietly import quiet; quiet(); print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    assert run(code).stdout.strip() == "0"
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    assert run(code).stdout.strip() == quietly.ENVIRONMENT["TF_CPP_MIN_LOG_LEVEL"]


def test_warnings_asked_for_on_the_command_line_are_shown():
    code = "import warnings; from helpers.lab.quietly import quiet; quiet()"
    code += "; warnings.warn('IProgress not found')"
    assert "IProgress" not in run(code).stderr
    assert "IProgress" in run(code, "-W", "default").stderr
