"""The command line: what it says, what it refuses, and that it removes nothing but what it should."""

import os
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from helpers.lab.paths import ROOT
from helpers.models.registry import DEFAULT_MODEL, get_model
from helpers.run.experiment import keep_failure, open_run, origin
from helpers.suite.cli import commands as cli
from helpers.suite.ledger import STAGES
from tests.support.command_line import LONGEST_S, environment, lab
from tests.support.finished_run import finish, written_times

COMMANDS = ("run", "status", "doctor", "publish", "clean", "train", "setup-mongod")
MADE = ("datasets", "models", "fiftyone", "training", "trained", "bench", "logs")


@pytest.fixture
def data(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    monkeypatch.setenv("QUANTLAB_DATA", str(folder))
    return folder


@pytest.fixture
def runs(data):
    """Two runs of which ``one`` is the latest, and everything else that is made or embedded."""
    for name in ("one", "two"):
        path = data / "runs" / name / "stages" / "01_download.json"
        path.parent.mkdir(parents=True)
        path.write_text("x" * 1000)
    (data / "runs" / "latest").symlink_to("one", target_is_directory=True)
    for name in (*MADE, "embedded"):
        (data / name).mkdir()
        (data / name / "file").write_text("y")
    return data / "runs"


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


def invoke(*arguments: str):
    """Exit code and text, spaces joined, of a command that must not end in an unexpected exception."""
    result = CliRunner().invoke(cli.app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result.exit_code, " ".join(result.output.split())


def names_in(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    code, text = invoke(command, "--help")
    assert code == 0
    assert f"helpers {command} " in text or f"{command} [OPTIONS]" in text


def test_the_program_lists_its_commands():
    code, text = invoke("--help")
    assert code == 0
    assert all(command in text for command in COMMANDS)


def test_exit_statuses_are_told_at_the_end_of_the_help_as_in_the_readme(lab_data):
    done = lab(lab_data, "run", "--help")
    last = done.stdout.strip().splitlines()[-1].strip()
    assert last.startswith("Exit status: 0 all well, 1 stopped, 2 wrong usage, 3 complete")
    assert last in " ".join((ROOT / "README.md").read_text().split())


# 3 is proven in ``front_door``, 130 in ``test_run_options``: both take a run.
@pytest.mark.parametrize(
    ("status", "arguments"), [(0, ["--help"]), (1, ["--variant", "int9"]), (2, ["--threads", "two"])], ids=str
)
def test_exit_statuses_are_those_that_are_told(lab_data, status, arguments):
    assert lab(lab_data, "run", *arguments).returncode == status


@pytest.mark.parametrize(
    ("arguments", "found", "expected"),
    [
        (
            ["--profile", "quik"],
            "profile 'quik', which does not exist. Did you mean 'quick'?",
            "smoke, quick",
        ),
        (
            ["--variant", "int9"],
            "variant 'int9', which does not exist.",
            "float32, float16, int8-dynamic, int8",
        ),
        (["--model", "yolo"], "model 'yolo', which does not exist.", DEFAULT_MODEL),
        (["--run", "latest"], "run name 'latest'", "letters, digits"),
        (["--run", "a/b"], "run name 'a/b'", "letters, digits"),
        (["--run", "../up"], "run name '../up'", "letters, digits"),
        (["--run", "[/red]"], "run name '[/red]'", "letters, digits"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
@pytest.mark.parametrize("command", ["run", "status"])
def test_wrong_names_are_refused_with_what_would_be_right(data, command, arguments, found, expected):
    code, text = invoke(command, *arguments)
    assert code == 1
    assert found in text
    assert expected in text
    assert "Cure:" in text
    assert not data.exists()


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--meter", "watt"], "meter 'watt', which does not exist"),
        (["--meter", "estimate", "--power-w", "20", "2"], "20"),
        (["--meter", "estimate", "--power-w", "-1", "2"], "-1"),
    ],
)
def test_an_impossible_meter_is_refused_before_anything_runs(data, arguments, found):
    code, text = invoke("run", "--profile", "smoke", *arguments)
    assert code == 1
    assert found in text
    assert "Cure:" in text
    assert not data.exists()


@pytest.mark.parametrize(
    "arguments",
    [["run", "--colour"], ["run", "--threads", "0"], ["run", "--threads", "two"], ["fly"]],
    ids=str,
)
def test_unknown_options_and_values_are_usage_errors(data, arguments):
    code, text = invoke(*arguments)
    assert code == 2
    assert "Usage:" in text
    assert not data.exists()


def test_status_of_an_absent_run_names_every_stage_as_not_run(data):
    code, text = invoke("status", "--profile", "smoke", "--run", "nowhere")
    assert code == 0
    assert text.count("not run yet") == len(STAGES)
    assert all(stage in text for stage in STAGES)
    assert not data.exists()


@pytest.mark.parametrize("reason", ["no kernel for it", "outputs ['a'] and [/b] clash"])
def test_status_tells_which_variants_failed_and_why(data, reason):
    run = open_run("smoke")
    path = run.paths.variant_record(DEFAULT_MODEL, "int8")
    keep_failure(path, "variant", origin({}, {}, "helpers.photos.decoding"), reason)
    run.paths.stage_log("02_quantize").parent.mkdir()
    code, text = invoke("status", "--profile", "smoke")
    assert code == 0
    assert f"failed: {DEFAULT_MODEL}, int8: {reason} Where in the code it failed, for a report: " in text


def test_doctor_names_what_it_looked_at(data):
    code, text = invoke("doctor")
    assert code == 0
    for subject in ("RAPL", "GPU", "Memory", "Disk", "mongod"):
        assert subject in text


def test_a_run_that_is_not_there_is_not_published(data):
    before = written_times(ROOT / "figures")
    code, text = invoke("publish", "--profile", "smoke")
    assert code == 1
    assert "run 'smoke' is not finished: 05_compare not run yet" in text
    assert written_times(ROOT / "figures") == before


def test_clean_of_one_run_leaves_the_others_and_no_dangling_latest(runs):
    code, text = invoke("clean", "--run", "one")
    assert (code, text) == (0, "Removed 1 kB.")
    assert names_in(runs) == {"two"}


def test_clean_of_another_run_keeps_latest(runs):
    invoke("clean", "--run", "two")
    assert names_in(runs) == {"one", "latest"}
    assert (runs / "latest" / "stages").is_dir()


def test_clean_removes_all_runs_and_nothing_else(runs):
    code, text = invoke("clean")
    assert (code, text) == (0, "Removed 2 kB.")
    assert not runs.exists() or names_in(runs) == set()
    assert names_in(runs.parent) - {"runs"} == {*MADE, "embedded"}


def test_clean_all_spares_the_embedded_weights(runs):
    code, _ = invoke("clean", "--all")
    assert code == 0
    assert names_in(runs.parent) - {"runs"} == {"embedded"}
    assert (runs.parent / "embedded" / "file").read_text() == "y"


def test_clean_with_nothing_there_is_no_error(data):
    assert invoke("clean") == (0, "Removed 0 B.")


def test_clean_of_an_unknown_run_names_those_that_are_there(runs):
    code, text = invoke("clean", "--run", "three")
    assert code == 1
    assert "no run 'three'" in text
    assert "one" in text
    assert "two" in text
    assert names_in(runs) == {"one", "two", "latest"}


def test_clean_keeps_what_is_linked_from_elsewhere_and_the_link_to_a_disk(runs, tmp_path):
    elsewhere, archive = tmp_path / "disk", tmp_path / "archive"
    runs.rename(elsewhere)
    runs.symlink_to(elsewhere, target_is_directory=True)
    archive.mkdir()
    (archive / "report.html").write_text("kept")
    (runs / "linked").symlink_to(archive, target_is_directory=True)
    (runs / "My notes").mkdir()
    assert invoke("clean") == (0, "Removed 2 kB.")
    assert runs.is_symlink()
    assert names_in(elsewhere) == set()
    assert names_in(archive) == {"report.html"}


@pytest.mark.parametrize("name", ["..", ".", "../datasets", "one/stages", "{data}/datasets", "latest"])
def test_clean_removes_nothing_that_is_not_a_run(runs, name):
    code, _ = invoke("clean", "--run", name.format(data=runs.parent))
    assert code == 1
    assert names_in(runs.parent) == {*MADE, "embedded", "runs"}
    assert names_in(runs) == {"one", "two", "latest"}
    assert (runs / "one" / "stages" / "01_download.json").exists()


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--form", "int4-qut"), "'int4-qat'"),
        (("--form", "int4-qat", "--start-from", "float16"), "form to train 'float16'"),
        (("--form", "int4-qat", "--model", "yolo"), "model 'yolo'"),
        (("--form", "int4-qat", "--coco-dir", "/photos"), "for profile 'quick', which draws its own"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_drawn(data, arguments, found):
    code, text = invoke("train", *arguments)
    assert code == 1
    assert found in text
    assert not data.exists()


def test_training_without_a_form_is_the_detectors_own_and_writes_its_weights(data, monkeypatch):
    asked = []
    monkeypatch.setattr("helpers.models.embedded.training.train", lambda *given: asked.append(given))
    assert invoke("train", "--epochs", "2")[0] == 0
    (_, _, weights, schedule), default = asked[0], get_model(DEFAULT_MODEL).source.weights
    assert weights == default
    assert (schedule.epochs, schedule.photos) == (2, 7000)


def test_without_a_database_server_a_run_stops_with_the_cure(tmp_path):
    own = environment(tmp_path) | {"FIFTYONE_DATABASE_URI": "mongodb://127.0.0.1:9/"}
    done = subprocess.run(
        [sys.executable, "-m", "helpers", "run", "--profile", "smoke"],
        cwd=ROOT, env=own, capture_output=True, text=True, timeout=LONGEST_S, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 1
    assert "mongodb://127.0.0.1:9/ does not answer" in done.stdout
    assert "FIFTYONE_DATABASE_URI" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.pipeline
def test_status_of_a_finished_run_shows_times_and_nothing_to_do(finished):
    text = lab(finished.data, "status", "--profile", "smoke").stdout
    assert text.count("up to date") == len(STAGES)
    assert "failed" not in text


@pytest.mark.pipeline
def test_damaged_weights_stop_the_run_with_one_message(finished, tmp_path):
    """In a copy of the project whose weights have one byte changed; the photos are there already."""
    project = tmp_path / "project"
    for part in ("helpers", "notebooks", "data/embedded"):
        shutil.copytree(ROOT / part, project / part, ignore=shutil.ignore_patterns("__pycache__"))
    weights = next((project / "data" / "embedded").glob("ssd*.npz"))
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-m", "helpers", "run", "--profile", "smoke", "--run", "damaged-weights"],
        cwd=project, env=environment(finished.data) | {"PYTHONPATH": ""}, capture_output=True, text=True,
        timeout=LONGEST_S, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    text = " ".join(done.stdout.split())
    assert (
        f"01_download: data{os.sep}embedded{os.sep}{weights.name} is absent or has another checksum" in text
    )
    assert "git checkout -- data/embedded" in text
    assert "Traceback" not in done.stdout + done.stderr
    folder = finished.data / "runs" / "damaged-weights"
    assert names_in(folder / "notebooks") == {"01_download.failed.ipynb"}
    assert not (folder / "stages" / "01_download.json").exists()


@pytest.mark.parametrize(
    "arguments", [("--model", "yolov3_tiny"), ("--gradients", "--form", "int4-qat")], ids=" ".join
)
def test_two_trainings_at_once_are_wrong_usage(arguments):
    code, text = invoke("train", *arguments)
    assert code == 2
    assert "one training at a time" in " ".join(text.split())
