"""A run as a whole: its options are kept, one process makes it, and what a kill leaves is cleared away."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from rich.console import Console
from typer.testing import CliRunner

from helpers.lab.errors import LabError, reason_of
from helpers.lab.paths import ROOT
from helpers.run.experiment import keep, keep_failure, open_run, origin
from helpers.run.failures import by_cause, failures
from helpers.suite import pipeline
from helpers.suite.as_made import as_typed, latest_name, making, open_as_made, options_of
from helpers.suite.cli.commands import app
from tests.support.command_line import environment


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("QUANTLAB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def command(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


OPTIONS = {
    "models": ["yolov3_tiny", "ssd_mobilenet_v2"], "variants": ["float32", "int8"], "threads": 2,
    "meter": "estimate", "power_w": [3.0, 9.0], "region": "CHE", "width_percent": 5.0, "margin_points": 0.5,
}  # fmt: skip


def test_a_run_is_opened_again_as_it_was_made(data):
    run = open_run("coco-smoke", "mine", **OPTIONS, coco_dir=str(data.parent))
    assert open_as_made("mine") is None
    with making(run):
        pass
    assert open_as_made("mine") == run
    assert latest_name() == "mine"
    assert open_run(**options_of(run)) == run


def test_status_shows_the_last_run_without_being_told_its_options(data):
    with making(open_run("smoke", **OPTIONS)):
        pass
    code, text = command("status")
    assert code == 0
    assert "run smoke" in text
    assert "run quick" in command("status", "--profile", "quick")[1]


def test_status_says_with_which_options_a_run_was_made(data):
    with making(open_run("smoke", "mine", variants=["int8"], threads=2, power_w=[3, 9.5])):
        pass
    made = (
        "Made with: --profile smoke --run mine --variant float32 --variant int8 --threads 2 --power-w 3 9.5"
    )
    assert f"{made} " in command("status", "--run", "mine")[1] + " "
    other = command("status", "--profile", "smoke", "--run", "mine", "--margin", "0.5")[1]
    assert f"{made}. Asked about: --profile smoke --run mine --margin 0.5" in other
    assert "Not made yet. Asked about: --profile coco" in command("status", "--profile", "coco")[1]


def test_options_as_typed_open_the_same_run(data):
    folder = data.parent / "my photos"
    folder.mkdir()
    run = open_run("coco-smoke", "mine", **OPTIONS, runs=["other"], coco_dir=str(folder))
    typed = as_typed(options_of(run))
    assert f"--coco-dir '{folder}'" in typed
    code, text = command("status", *shlex.split(typed))
    assert code == 0
    assert f"Not made yet. Asked about: {typed}" in text


def test_status_of_a_run_that_is_not_there_names_those_that_are_newest_first(data):
    assert "Expected: one of: none, since none was made" in command("status", "--run", "nosuch")[1]
    for age_s, name in ((100, "a"), (0, "b"), (200, "c")):
        with making(open_run("smoke", name)):
            pass
        options = data / "runs" / name / "options.json"
        os.utime(options, (options.stat().st_atime - age_s,) * 2)
    code, text = command("status", "--run", "nosuch")
    assert code == 1
    assert "no run 'nosuch'. Expected: one of: b, a, c Cure: name one of these; the newest" in text


HOLD = """
import sys
from helpers.run.experiment import open_run
from helpers.suite.as_made import making
with making(open_run("smoke")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def maker(data):
    """Another process that makes the run ``smoke``."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=ROOT, env=environment(data), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_run_is_made_by_one_process_at_a_time(maker):
    code, text = command("run", "--profile", "smoke")
    assert code == 1
    assert f"run 'smoke' is being made now by process {maker.pid}, since 20" in text
    assert "--run NAME" in text
    with making(open_run("smoke", "other")):
        pass


def test_a_killed_maker_keeps_no_one_out(maker):
    maker.kill()
    maker.wait()
    with making(open_run("smoke")):
        pass


def test_what_a_kill_left_half_written_is_cleared_away(data, monkeypatch):
    run = open_run("smoke")
    figures = run.paths.figures
    figures.mkdir(parents=True)
    (figures / ".pareto-x1.png").write_bytes(b"half")
    (figures / "pareto.png").write_bytes(b"whole")
    (run.paths.folder / ".figures-old").mkdir()
    monkeypatch.setattr(pipeline, "run_stages", lambda *_: None)
    pipeline.run_pipeline(run, Console(quiet=True))
    assert [path.name for path in figures.iterdir()] == ["pareto.png"]
    assert not (run.paths.folder / ".figures-old").exists()


def stopped(folder: Path, code: str) -> tuple[str, Path]:
    """The message of a notebook of one cell, which stops, and its log."""
    source, target, log = folder / "source.ipynb", folder / "04_energy.ipynb", folder / "logs" / "04.txt"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), source)
    log.parent.mkdir()
    with pytest.raises(LabError) as caught, pipeline.kept_if_failed(target, log) as unfinished:
        papermill.execute_notebook(
            str(source), str(unfinished), kernel_name="python3", progress_bar=False,
            extra_arguments=[pipeline.crashes_told_in(log)],
        )  # fmt: skip
    assert [path.name for path in folder.glob("04*")] == ["04_energy.failed.ipynb"]
    return str(caught.value), log


def test_a_notebook_whose_process_is_killed_is_one_clear_error(tmp_path):
    message, _ = stopped(tmp_path, "import os; os.kill(os.getpid(), 9)")
    assert "04_energy: the process of the notebook was ended from outside" in message


def test_a_process_that_crashes_leaves_where_it_was(tmp_path):
    message, log = stopped(tmp_path, "import ctypes\nctypes.string_at(0)")
    assert "04_energy: the process of the notebook crashed: Segmentation fault." in message
    assert str(log) in message
    assert "in string_at" in log.read_text()


def test_the_traceback_of_a_fault_is_in_a_log_that_the_message_names(tmp_path):
    message, log = stopped(tmp_path, "def share(count): return 1 / count\nshare(0)")
    assert "04_energy stopped with ZeroDivisionError: division by zero" in message
    assert str(log) in message
    assert "return 1 / count" not in message
    text = log.read_text()
    assert "return 1 / count" in text
    assert "\x1b" not in text  # no colours
    assert '"packages"' in text


SOURCE = ({}, {}, "helpers.photos.decoding")


def test_every_failure_of_a_run_is_listed_once_with_its_first_reason(data):
    run = open_run("smoke", variants=["int8", "float16"])
    model, paths = run.models[0].id, run.paths
    keep_failure(paths.variant_record(model, "int8"), "variant", origin(*SOURCE), "no kernel")
    keep_failure(paths.score_record(model, "int8"), "score", origin(*SOURCE), "nothing to score")
    keep(paths.variant_record(model, "float16"), "variant", origin(*SOURCE), {})
    keep_failure(paths.score_record(model, "float16"), "score", origin(*SOURCE), "gives NaN")
    raw = {"failures": {"int8": "absent", "float32": "killed", "float32-control": "killed"}}
    keep(paths.measurement_record(model, "memory"), "memory", origin(*SOURCE), raw)
    assert failures(run) == {
        f"{model}, float16": "gives NaN",
        f"{model}, int8": "no kernel",
        f"{model}, float32, memory": "killed",
    }


def test_a_cause_is_told_once_with_all_that_failed_by_it():
    found = {
        "a, float32": "no weights", "a, float16": "float32 failed: no weights", "a, int8": "no kernel",
        "b, float32": "no weights", "b, int8, memory": "killed",
    }  # fmt: skip
    told = {
        "a, float32; float16; b, float32": "no weights",
        "a, int8": "no kernel",
        "b, int8, memory": "killed",
    }
    assert by_cause(found) == told


def test_a_run_that_is_complete_but_for_a_failure_tells_it_and_ends_with_status_3(data, monkeypatch):
    run = open_run("smoke")
    keep_failure(run.paths.variant_record(run.models[0].id, "int8"), "variant", origin(*SOURCE), "no kernel")
    monkeypatch.setattr(pipeline, "run_stages", lambda *_: None)
    code, text = command("run", "--profile", "smoke")
    assert code == 3
    assert (
        f"1 failed. Each is tried again in the next run. failed: {run.models[0].id}, int8: no kernel" in text
    )


def test_an_unchanged_failure_is_not_written_again(data):
    path = open_run("smoke").paths.variant_record("m", "int8")
    first = keep_failure(path, "variant", origin(*SOURCE), "no kernel")
    written_ns = path.stat().st_mtime_ns
    assert keep_failure(path, "variant", origin(*SOURCE), "no kernel") == first
    assert path.stat().st_mtime_ns == written_ns
    assert keep_failure(path, "variant", origin(*SOURCE), "another").failure == "another"


def test_a_data_folder_that_is_a_file_is_one_clear_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("QUANTLAB_DATA", str(tmp_path / "file"))
    code, text = command("run", "--profile", "smoke")
    assert code == 1
    assert "Not a directory" in text
    assert "QUANTLAB_DATA" in text


def test_a_run_whose_numbers_mean_little_is_not_published(data, monkeypatch):
    monkeypatch.setattr("helpers.suite.publish.why_not_current", lambda *_: "")
    code, text = command("publish", "--profile", "smoke")
    assert code == 1
    assert "its numbers mean little" in text


def test_threads_beyond_the_cores_and_a_folder_for_others_are_told(data, monkeypatch):
    monkeypatch.setattr(pipeline, "run_stages", lambda *_: None)
    monkeypatch.setenv("COCO_DIR", str(data.parent))
    _, text = command("run", "--profile", "smoke", "--threads", "999")
    assert "999 threads on" in text
    assert "COCO_DIR is set, and profile smoke does not use it" in text


def test_other_runs_are_told_with_what_they_are(data):
    for profile, name in (("smoke", "mine"), ("quick", "")):
        with making(open_run(profile, name)):
            pass
    text = command("status", "--run", "quick")[1]
    assert "Other runs (--run NAME): mine (smoke, begun 20" in text


def test_a_run_that_is_being_made_is_not_removed(maker, data):
    for arguments in (["clean"], ["clean", "--run", "smoke"], ["clean", "--all"]):
        code, text = command(*arguments)
        assert code == 1
        assert f"being made now by process {maker.pid}" in text
    assert (data / "runs" / "smoke").is_dir()


def test_a_self_test_of_a_run_that_is_being_made_is_refused(maker):
    code, text = command("selftest", "--profile", "smoke")
    assert code == 1
    assert f"being made now by process {maker.pid}" in text


@pytest.mark.parametrize("asked", [["status"], ["publish"], ["train", "--photos", "32"]], ids=str)
def test_no_command_answers_a_data_folder_that_is_a_file_with_a_traceback(tmp_path, monkeypatch, asked):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("QUANTLAB_DATA", str(tmp_path / "file"))
    code, text = command(*asked)
    assert code == 1
    assert "QUANTLAB_DATA" in text


INTERRUPTED_WHILE_LOADING = """
import os, signal, sys
import helpers.suite.cli.commands as commands
def load():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("initialization failed") from None
commands.app = lambda **_: load()
from helpers.__main__ import main
sys.exit(main())
"""


def test_an_interrupt_that_a_module_of_c_makes_an_import_error_of_is_one_line(data):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_LOADING], cwd=ROOT, env=environment(data),
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 130
    assert done.stderr == ""
    assert done.stdout.strip().startswith("Interrupted.")


FAULT = """
import sys
import helpers.suite.cli.commands as commands
def run(**_):
    raise TypeError("no such thing")
commands.app = run
from helpers.__main__ import main
sys.exit(main())
"""


def test_a_fault_of_the_lab_is_two_lines_and_its_traceback_a_file(data):
    done = subprocess.run(
        [sys.executable, "-c", FAULT], cwd=ROOT, env=environment(data), capture_output=True, text=True,
    )  # fmt: skip
    log = data / "logs" / "fault.txt"
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.strip().splitlines() == [
        "Stopped by a fault of the lab: TypeError: no such thing",
        f"The traceback, for a report, is in {log}.",
    ]
    assert "in run" in log.read_text()


def test_the_reason_of_a_fault_leaves_its_traceback_on_standard_error(capfd):
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int("x")
    assert reason_of(caught.value).startswith("ValueError: invalid literal")
    assert reason_of(LabError("found", "", "cure")) == "Found: found\nCure: cure"
    assert capfd.readouterr().err.count("Traceback") == 1


# Signals itself when it imports ``moment``: a moment of the first second, however busy the machine is.
AT_A_MOMENT = """
import os, runpy, signal, sys

moment, number = sys.argv[1], int(sys.argv[2])
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever started the tests may ignore it

def watch(event, arguments):
    if event == "import" and arguments[0] == moment:
        os.kill(os.getpid(), number)

sys.addaudithook(watch)
sys.argv = ["helpers", "run", "--profile", "smoke"]
runpy.run_module("helpers", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "kill"])
@pytest.mark.parametrize("moment", ["helpers.lab.quietly", "helpers.suite.cli.commands", "typer", "pandas"])
def test_an_interrupt_in_the_first_moments_is_one_line(data, moment, signal_number):
    done = subprocess.run(
        [sys.executable, "-c", AT_A_MOMENT, moment, str(int(signal_number))], cwd=ROOT,
        env=environment(data), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 130
    assert "Traceback" not in done.stdout
    assert "Interrupted." in done.stdout
