"""The set-up cell finds the project from anywhere in it, and clones it on Colab; what set-up does there."""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from helpers.lab import host
from helpers.lab.errors import LabError
from helpers.lab.paths import NOTEBOOKS, ROOT
from helpers.suite import colab
from helpers.suite.install import requirement_lines
from helpers.suite.opening import NO_ADDRESS, badge, clone_address, main, setup_cell, with_opening

ON_COLAB = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')\n"
WHERE = "\nimport helpers\nprint(helpers.__file__)"


def run_cell(cwd, before="", **environment):
    """Run the cell in a fresh Python in ``cwd``, then print where ``helpers`` came from."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("QUANTLAB", "PYTHON"))}
    return subprocess.run(
        [sys.executable, "-c", before + setup_cell() + WHERE],
        cwd=cwd,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def commit(repository: Path, **files: str) -> None:
    """Commit files, named with ``__`` for a slash and without ``.py``."""
    for name, text in files.items():
        path = repository / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "one"], check=True)


@pytest.fixture
def repository(tmp_path) -> Path:
    """A repository with the files that the cell looks for."""
    folder = tmp_path / "a project's copy"
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    commit(
        folder,
        helpers__init="",
        helpers__suite__colab="def set_up():\n    print('set up')\n",
        tests__conftest="",
    )
    (folder / "helpers" / "init.py").rename(folder / "helpers" / "__init__.py")
    commit(folder)
    return folder.rename(tmp_path / "origin")


@pytest.fixture
def content(tmp_path) -> Path:
    """The folder that a session starts in."""
    folder = tmp_path / "content of a session"
    folder.mkdir()
    return folder


def clones_of(content: Path) -> list[str]:
    return sorted(path.name for path in content.iterdir())


@pytest.mark.parametrize("folder", [".", "helpers/show", "tests"])
def test_the_cell_finds_the_root_from_below(folder):
    done = run_cell(ROOT / folder)
    assert done.stdout.strip() == str(ROOT / "helpers" / "__init__.py"), done.stderr


def test_the_cell_obeys_quantlab_root(tmp_path):
    assert str(ROOT) in run_cell(tmp_path, QUANTLAB_ROOT=str(ROOT)).stdout


def test_the_cell_says_what_to_do_elsewhere(tmp_path):
    done = run_cell(tmp_path)
    assert done.returncode == 1
    assert "QUANTLAB_ROOT" in done.stderr
    assert "Traceback" not in done.stderr


def test_on_colab_it_clones_once(content, repository):
    for _ in range(2):
        done = run_cell(content, ON_COLAB, QUANTLAB_REPO=str(repository))
        assert done.stdout.splitlines() == [
            "set up",
            str(content / "quantization-lab" / "helpers" / "__init__.py"),
        ], done.stderr
        assert done.stderr == ""
        assert clones_of(content) == ["quantization-lab"]


def test_an_empty_folder_is_no_hindrance(content, repository):
    (content / "quantization-lab").mkdir()
    assert "set up" in run_cell(content, ON_COLAB, QUANTLAB_REPO=str(repository)).stdout


def test_a_clone_that_was_cut_short_is_made_again_and_nothing_is_deleted(content, repository):
    clone = content / "quantization-lab"
    subprocess.run(["git", "clone", "--quiet", str(repository), str(clone)], check=True)
    (clone / "tests" / "conftest.py").unlink()  # git writes it last
    (clone / "mine.txt").write_text("mine")
    assert "set up" in run_cell(content, ON_COLAB, QUANTLAB_REPO=str(repository)).stdout
    assert [path.read_text() for path in content.glob("*/mine.txt")] == ["mine"]
    assert not (clone / "mine.txt").exists()


def test_without_an_address_one_message_names_the_setting(content, monkeypatch):
    monkeypatch.delenv("QUANTLAB_REPO", raising=False)
    done = run_cell(content, ON_COLAB)
    assert done.returncode == 1
    assert done.stderr.startswith("Found: no project at '(it has no public address yet)'.")
    assert "%env QUANTLAB_REPO=" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_address_is_named_and_the_right_one_cures_it(content, repository, tmp_path):
    other = tmp_path / "other"
    subprocess.run(["git", "init", "--quiet", str(other)], check=True)
    commit(other, something="")
    for wrong in (tmp_path / "nowhere", other):
        done = run_cell(content, ON_COLAB, QUANTLAB_REPO=str(wrong))
        assert done.returncode == 1
        assert done.stderr.startswith(f"Found: no project at '{wrong}'.")
        assert "QUANTLAB_REPO" in done.stderr
        assert "Traceback" not in done.stderr
    assert "set up" in run_cell(content, ON_COLAB, QUANTLAB_REPO=str(repository)).stdout


def test_elsewhere_than_on_colab_a_leftover_clone_is_not_looked_at(content, repository):
    assert "set up" in run_cell(content, ON_COLAB, QUANTLAB_REPO=str(repository)).stdout
    assert run_cell(content, QUANTLAB_REPO=str(repository)).returncode == 1


def test_on_colab_a_notebook_inside_the_project_clones_nothing(content, repository):
    done = run_cell(repository / "tests", ON_COLAB, QUANTLAB_REPO=str(content))
    assert done.stdout.startswith("set up")
    assert clones_of(repository / "tests") == ["conftest.py"]


def test_the_cell_is_short_and_defines_nothing():
    lines = setup_cell("someones-account/quantization-lab").splitlines()
    assert len(lines) <= 15
    assert max(map(len, lines)) <= 110
    assert not any(line.lstrip().startswith(("def ", "class ", "lambda")) for line in lines)


@pytest.mark.parametrize("repository", [NO_ADDRESS, "someones-account/quantization-lab"])
def test_the_cell_passes_ruff_in_a_notebook(tmp_path, repository):
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None}
    notebook = {
        "cells": [{**cell, "source": setup_cell(repository)}],
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


def test_one_setting_makes_badge_and_cell_of_every_notebook():
    assert clone_address(NO_ADDRESS).startswith("(it has no public address yet")
    for path in NOTEBOOKS.glob("*.ipynb"):
        notebook = json.loads(path.read_text())
        assert with_opening(notebook, path.name) == notebook, "run: python -m helpers.suite.opening"
        moved = with_opening(notebook, path.name, "someone/lab")
        title, cell = ("".join(moved["cells"][place]["source"]) for place in (0, 1))
        assert title.endswith(badge(path.name, "someone/lab"))
        assert '"https://github.com/someone/lab"' in cell
        assert "OWNER" not in title + cell


def test_writing_the_opening_changes_nothing_else(tmp_path):
    for path in NOTEBOOKS.glob("*.ipynb"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert main(tmp_path) == 0
    for path in NOTEBOOKS.glob("*.ipynb"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_set_up_installs_on_colab_alone(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(colab, "install", lambda: calls.append("install"))
    monkeypatch.setattr(colab, "quiet", lambda: calls.append("quiet"))
    monkeypatch.setattr(colab, "clone_sentence", lambda: "which clone")
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    colab.set_up()
    assert capsys.readouterr().out == ""
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    colab.set_up()
    assert calls == ["quiet", "install", "quiet"]
    assert capsys.readouterr().out == "which clone\n"


def test_a_clone_that_has_grown_old_is_named(repository, tmp_path, monkeypatch):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(repository), str(clone)], check=True)
    for module in (colab, host):
        monkeypatch.setattr(module, "ROOT", clone)
    assert colab.clone_sentence().startswith(f"The project: {clone}, commit ")
    assert "has another" not in colab.clone_sentence()
    commit(repository, newer="")
    assert f"{repository} has another: `!git -C {clone} pull`" in colab.clone_sentence()
    subprocess.run(["git", "-C", str(clone), "pull", "--quiet"], check=True)
    assert "has another" not in colab.clone_sentence()


def test_pip_is_told_to_leave_colabs_packages_alone(monkeypatch):
    """The kept ones are constraints at the versions that are there; what is absent comes as in the lock."""
    asked = []

    def kept(arguments, total):
        constraints = Path(arguments[-1]).read_text().split() if "-c" in arguments else []
        asked.append((arguments, constraints))

    monkeypatch.setattr(colab, "install_packages", kept)
    monkeypatch.delenv("RUNTIMES", raising=False)
    before = {"numpy": "2.1.3", "protobuf": "5.29.6", "pillow": "11.3.0"}
    colab.add_missing(before, {"numpy": "2.1.3", "protobuf": "5.29.6"})
    (arguments, constraints), (tables, _) = asked
    assert {"numpy==2.1.3", "protobuf==5.29.6"} < set(constraints)
    assert not [line for line in constraints if line.startswith("pillow")]
    lock = [line for line in requirement_lines(colab.LOCK) if line.startswith("fiftyone==")]
    assert lock[0] in constraints
    assert "fiftyone==1.22.1" in arguments
    assert not [a for a in arguments if a.startswith(("numpy", "protobuf", "codecarbon"))]
    assert tables[0] == "--no-deps"
    assert tables[1].startswith("codecarbon==")


@pytest.mark.parametrize(("asked", "added"), [("", set()), ("openvino", {"openvino", "nncf"})])
def test_further_runtimes_are_added_where_they_are_asked_for(monkeypatch, asked, added):
    told = []

    def kept(arguments, total):
        told.append((arguments, Path(arguments[-1]).read_text().split("\n") if "-c" in arguments else []))

    monkeypatch.setattr(colab, "install_packages", kept)
    monkeypatch.setenv("RUNTIMES", asked)
    colab.add_missing({"numpy": "2.1.3", "networkx": "3.6.1"}, {"numpy": "2.1.3"})
    arguments, constraints = told[0]
    further = {"openvino", "nncf", "onnxruntime", "onnx", "distributed"}
    assert {name for name in map(colab.name_of, arguments[:-2]) if name in further} == added
    assert "numpy==2.1.3" in constraints
    pinned = {colab.name_of(line) for line in constraints if line}
    assert bool(pinned & further) == bool(added)
    assert added <= pinned


def test_a_version_of_colab_that_the_project_does_not_work_with_is_named():
    with pytest.raises(LabError, match=r"numpy 2\.9\.0 \(the project works with <2\.5,>=2\.1\)") as caught:
        colab.require_in_range({"numpy": "2.9.0", "pandas": "2.2.3"})
    assert "pandas" not in caught.value.found
    assert "Change runtime type" in caught.value.cure


def test_a_session_with_replaced_packages_must_be_restarted():
    before = colab.installed()
    colab.require_fresh_modules(before)
    colab.require_fresh_modules(before | {"pillow": "0.1"})  # imported as a whole before it was replaced
    with pytest.raises(LabError, match=r"another version of _?pytest") as caught:
        colab.require_fresh_modules(before | {"pytest": "0.1"})
    assert "Restart session" in caught.value.cure


def test_a_package_is_loaded_whole_and_says_nothing():
    code = (
        "import sys, PIL.Image\nfrom helpers.suite.colab import load_whole\n"
        "load_whole('PIL')\nload_whole('absent')\n"
        "print('PIL.ImageDraw' in sys.modules, 'PIL.JpegImagePlugin' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "True True\n"
    assert done.stderr == ""
