"""A virtual environment with Colab's packages at Colab's versions, as far as the project can meet them.

``packages.txt`` beside this file lists them. ``google.colab`` is a stub: its sources are in no package index.
"""

import json
import subprocess
import sys
from pathlib import Path

from helpers.suite.install import name_of, requirement_lines

PACKAGES = Path(__file__).with_name("packages.txt")
COLABS_PYTHON = "3.13"
LIST_INSTALLED = """\
import importlib.metadata, json
print(json.dumps([[each.name, each.version] for each in importlib.metadata.distributions()]))"""
# As much of it as FiftyOne's App asks for.
STUB = {
    "__init__.py": "",
    "output.py": "def eval_js(script): return ''\ndef register_callback(name, callback): pass\n",
}
WHERE = "import sysconfig; print(sysconfig.get_path('purelib'))"


def colab_packages() -> dict[str, str]:
    """Name -> version."""
    pins = (line.split("==") for line in requirement_lines(PACKAGES))
    return {name_of(name): version for name, version in pins}


def find_python() -> str:
    """Colab's Python where this machine has it, else the running one."""
    own = Path.home().glob(f".pyenv/versions/{COLABS_PYTHON}.*/bin/python")
    for candidate in (f"python{COLABS_PYTHON}", *sorted(map(str, own))):
        if answers(candidate):
            return candidate
    return sys.executable


def answers(python: str) -> bool:
    """Whether it runs and has what pip needs: a version manager's stand-in may exist and not run."""
    try:
        return subprocess.run([python, "-c", "import ssl, venv"], capture_output=True).returncode == 0
    except OSError:
        return False


def make_environment(folder: Path) -> Path:
    """Make it anew (minutes, 2 GB); returns its Python."""
    subprocess.run([find_python(), "-m", "venv", "--clear", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-r", PACKAGES]
    subprocess.run(pip, check=True)
    stub = Path(answer_of(python, WHERE)) / "google" / "colab"
    stub.mkdir(parents=True, exist_ok=True)
    for name, source in STUB.items():
        (stub / name).write_text(source)
    return python


def answer_of(python: Path, code: str) -> str:
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def installed_in(python: Path) -> dict[str, str]:
    """Name -> version of every package there."""
    return {name_of(name): version for name, version in json.loads(answer_of(python, LIST_INSTALLED))}
