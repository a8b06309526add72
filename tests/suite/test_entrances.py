"""A model or file of one's own comes in by every entrance: make, papermill, a notebook's parameters."""

import os
import subprocess

import nbformat
import pytest
from click.testing import CliRunner
from papermill.cli import papermill

from helpers.lab.paths import NOTEBOOKS, ROOT
from helpers.models.registry import MODELS
from helpers.quantize.stage import variant_origin
from helpers.run.experiment import open_run
from helpers.suite.ledger import STAGES, stage_origin
from tests.models.darknet import generate
from tests.support.own_tflite_files import heads_bytes

NAMED = """mein modell @v1.0 ü/it's a "net" = $x.cfg"""
SHOW = '#!/bin/sh\nfor each in "$@"; do printf "<%s>" "$each"; done\nprintf "{%s}" "$MODEL_DIR"\n'


@pytest.fixture
def cfg(tmp_path):
    """A Darknet network's ``.cfg`` by a name that a shell, make and YAML all could take apart."""
    path = tmp_path / NAMED
    path.parent.mkdir()
    path.write_text(generate.net() + generate.convolution(4) + generate.head())
    path.with_suffix(".weights").write_bytes(b"weights")
    return path


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "mein modell @v1.0 ü.tflite"
    path.write_bytes(heads_bytes())
    return path


@pytest.fixture
def make(tmp_path):
    """A function that runs ``make report`` with a command that shows what it is given."""
    shown = tmp_path / "bin" / "python"
    shown.parent.mkdir()
    shown.write_text(SHOW)
    shown.chmod(0o755)

    installed = tmp_path / "installed"
    installed.touch()  # newer than the lock, so that nothing is installed

    def run(*settings: str, **environment: str) -> str:
        done = subprocess.run(
            ["make", "report", f"BIN={shown.parent}", f"INSTALLED={installed}", *settings], cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.removeprefix("<-m><helpers><run>")

    return run


def test_make_hands_on_what_was_typed(make):
    settings = [f"MODELS={NAMED},*,~/a;b#c@coco80", "COCO_DIR=/a b/$c", "MODEL_DIR=$(d)/'e'", "PROFILE=coco"]
    models = f"<--model><{NAMED}><--model><*><--model><~/a;b#c@coco80>"
    assert make(*settings) == f"<--profile><coco><--coco-dir></a b/$c>{models}" + "{$(d)/'e'}"


def test_make_hands_on_what_the_environment_says(make):
    shown = make(MODELS=NAMED, COCO_DIR="/for/others", MODEL_DIR="/a b/$c")
    assert shown == f"<--profile><quick><--model><{NAMED}>" + "{/a b/$c}"
    assert make() == "<--profile><quick>{}"


def opened_after(notebook, tmp_path, *options):
    """The run that a notebook opens after ``papermill NOTEBOOK ...``, with nothing else run."""
    output = tmp_path / "out.ipynb"
    source = str(NOTEBOOKS / f"{notebook}.ipynb")
    done = CliRunner().invoke(papermill, [source, str(output), "--prepare-only", *options])
    assert done.exit_code == 0, done.output
    cells = nbformat.read(output, 4).cells
    wanted = ("parameters", "injected-parameters")
    taken = [cell.source for cell in cells if set(wanted) & set(cell.metadata.get("tags", []))]
    opening = next(f"{cell.source}\n" for cell in cells if "run = open_run(" in cell.source)
    imports = [
        cell.source for cell in cells if "import open_run" in cell.source and cell.source not in opening
    ]
    lines = opening[: opening.index("\n", opening.index("run = open_run("))]
    names = {}
    exec("\n".join([*taken, *imports, lines]), names)
    return names["run"]


@pytest.mark.parametrize("notebook", STAGES)
def test_one_name_by_papermill_is_one_name(notebook, tmp_path, cfg, own):
    options = ["-p", "profile", "smoke", "-p", "models", f"{cfg}@coco80", "-p", "variants", str(own)]
    run = opened_after(notebook, tmp_path, *options)
    assert run == open_run("smoke", models=[str(cfg)], variants=[str(own)])
    assert run.models[0].source.cfg == cfg


def test_lists_by_papermill(tmp_path, cfg, own):
    names = f"models: [yolov3_tiny, '{str(cfg).replace(chr(39), chr(39) * 2)}']\nvariants: [int8, '{own}']"
    run = opened_after("05_compare", tmp_path, "-p", "profile", "smoke", "-y", names)
    assert run.models[0] == MODELS["yolov3_tiny"]
    assert run.models[1].source.cfg == cfg
    assert [variant.id for variant in run.variants] == ["float32", "int8", "own-mein_modell_v1_0_u"]


def test_folders_by_papermill(tmp_path, cfg):
    options = ["-p", "profile", "coco", "-p", "coco_dir", str(cfg.parent), "-p", "model_dir", str(tmp_path)]
    run = opened_after("02_quantize", tmp_path, *options)
    assert (run.coco_dir, run.model_dir) == (cfg.parent, tmp_path)


@pytest.fixture
def with_names(tmp_path, cfg):
    names = tmp_path / "names.txt"
    names.write_text("cone\nball\nstar\n")
    return names, lambda: open_run("smoke", "r", [f"{cfg}@{names}"], ["float32", "int8"])


@pytest.mark.parametrize("stage", STAGES)
def test_a_corrected_label_file_makes_every_stage_run_again(with_names, stage, monkeypatch):
    names, opened = with_names
    monkeypatch.setattr("helpers.suite.ledger.read_stage", lambda run, name: Stub)
    before = stage_origin(opened(), STAGES[stage])
    names.write_text("ball\ncone\nstar\n")
    after = stage_origin(opened(), STAGES[stage])
    assert opened().models[0].id == opened().models[0].id
    assert before.parameters != after.parameters


class Stub:
    """A stage that is done."""

    outputs = ()


def test_a_file_of_ones_own_is_made_again_with_other_labels(with_names, cfg, own):
    names, _ = with_names

    def key(model_labels="coco80"):
        run = open_run("smoke", "r", [f"{cfg}@{model_labels}"], [f"{own}@{names}"])
        return variant_origin(run, run.models[0], run.variants[-1]).key

    first = key()
    assert key() == first
    assert key("coco91") != first
    names.write_text("ball\ncone\nstar\n")
    assert key() != first
