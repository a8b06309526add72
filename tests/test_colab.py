"""The set-up cell finds the project from anywhere in it, and installs on Colab alone."""

import json
import os
import subprocess
import sys
import types

import pytest

from helpers import colab
from helpers.errors import LabError
from helpers.paths import NOTEBOOKS, ROOT


def run_cell(cwd, **environment):
    """Run the cell in a fresh Python in ``cwd``, then print where ``helpers`` came from."""
    code = colab.SETUP_CELL + "\nimport helpers\nprint(helpers.__file__)"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("QUANTLAB", "PYTHON"))}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("folder", [".", "helpers/show", "tests"])
def test_the_cell_finds_the_root_from_below(folder):
    done = run_cell(ROOT / folder)
    assert done.stdout.strip() == str(ROOT / "helpers" / "__init__.py"), done.stderr


def test_the_cell_obeys_quantlab_root(tmp_path):
    assert str(ROOT) in run_cell(tmp_path, QUANTLAB_ROOT=str(ROOT)).stdout


def test_the_cell_says_what_to_do_elsewhere(tmp_path):
    done = run_cell(tmp_path)
    assert done.returncode != 0
    assert "QUANTLAB_ROOT" in done.stderr


def test_the_cell_is_short_and_defines_nothing():
    lines = colab.SETUP_CELL.splitlines()
    assert len(lines) <= 15
    assert not any(line.lstrip().startswith(("def ", "class ", "lambda")) for line in lines)


def test_the_cell_passes_ruff_in_a_notebook(tmp_path):
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None}
    notebook = {
        "cells": [{**cell, "source": colab.SETUP_CELL}],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path = tmp_path / "cell.ipynb"
    path.write_text(json.dumps(notebook))
    ruff = [sys.executable, "-m", "ruff"]
    config = ["--config", str(ROOT / "pyproject.toml"), str(path)]
    for verb in (["check", "--ignore", "E402"], ["format", "--check"]):
        done = subprocess.run([*ruff, *verb, *config], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_notebook_has_the_same_cell():
    for path in NOTEBOOKS.glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        assert colab.SETUP_CELL in ["".join(cell["source"]) for cell in cells], path.name


def test_set_up_installs_on_colab_alone(monkeypatch):
    calls = []
    monkeypatch.setattr(colab, "install", lambda: calls.append("install"))
    monkeypatch.setattr(colab, "quiet", lambda: calls.append("quiet"))
    colab.set_up()
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    colab.set_up()
    assert calls == ["quiet", "install", "quiet"]


def test_a_session_with_replaced_packages_must_be_restarted(monkeypatch):
    stale = types.ModuleType("numpy")
    stale.__version__ = "0.1"
    monkeypatch.setitem(sys.modules, "numpy", stale)
    with pytest.raises(LabError, match="Restart session"):
        colab.require_fresh_modules()
