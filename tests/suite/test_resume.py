"""A finished run stays as it is; a damaged, killed or interrupted one goes on, and loses nothing."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from helpers.download.stage import data_folders
from helpers.energy.rounds.partial import read_lines
from helpers.lab.files import sha256_file
from helpers.lab.paths import ROOT
from helpers.lab.records import read_record
from helpers.run.experiment import open_run
from helpers.suite.ledger import STAGES
from tests.support.command_line import LONGEST_S, command, environment, lab
from tests.support.finished_run import copy_run, finish, written_times

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


@pytest.fixture(scope="module")
def validation(finished) -> Path:
    return data_folders(finished.run).validation


def test_a_second_run_does_nothing(finished):
    def times() -> dict:
        folders = ("runs/smoke", "datasets", "models")
        found = {folder: written_times(finished.data / folder) for folder in folders}
        found["runs/smoke"].pop("run.lock")  # says which process looked last
        return found

    made = times()
    done = lab(finished.data, "run", "--profile", "smoke")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(": up to date") == len(STAGES)
    assert "done in" not in done.stdout
    assert made == times()
    assert os.readlink(finished.data / "runs" / "latest") == "smoke"  # noqa: PTH115


def test_after_damage_only_what_is_damaged_is_made_again(finished, validation):
    """A photo and int8's file are gone, float16's evidence is cut short."""
    run, model = copy_run(finished, "damaged"), finished.model.id
    photo = sorted((validation / "data").iterdir())[11]
    removed, int8 = sha256_file(photo), run.paths.variant_file(model, "int8")
    evidence = run.paths.evidence_file(model, "float16")
    whole = {path: path.read_bytes() for path in (int8, run.paths.results("csv"))}
    before = written_times(run.paths.folder)
    photo.unlink()
    int8.unlink()
    evidence.write_bytes(evidence.read_bytes()[:50])
    done = lab(finished.data, "run", "--profile", "smoke", "--run", "damaged")
    assert done.returncode == 0, done.stdout
    for stage in ("01_download", "02_quantize"):
        assert re.search(rf"{stage} .*\(an output is missing or changed\)", done.stdout)
    assert sha256_file(photo) == removed
    assert {path: path.read_bytes() for path in whole} == whole
    after = written_times(run.paths.folder)
    results = ("variants/", "detections/", "scores/", "measurements/", "resampled/")
    again = {name for name in after if name.startswith(results) and after[name] != before.get(name)}
    assert again == {
        f"variants/{model}/int8.tflite",
        f"variants/{model}/int8.json",
        f"scores/{model}/float16.npz",
        f"scores/{model}/float16.kinds.npz",
        f"scores/{model}/float16.json",
    }
    again = lab(finished.data, "run", "--profile", "smoke", "--run", "damaged")
    assert again.stdout.count("up to date") == len(STAGES)


# --- killed and interrupted ------------------------------------------------------------------------------


def take_ctrl_c() -> None:
    """A process that was started in the background by a shell ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def started(data: Path, log: Path, *arguments: str):
    """``python -m helpers ...`` in a process group of its own, as a terminal starts it."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command(*arguments), cwd=ROOT, env=environment(data), stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=take_ctrl_c,
        )  # fmt: skip
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until(found: Callable[[], Any], process: subprocess.Popen, log: Path) -> Any:
    """What ``found`` finds, as soon as it finds something, while the process runs."""
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        if result := found():
            return result
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
            pytest.fail(f"the run ended too early:\n{log.read_text()}")
    return pytest.fail(f"nothing happened:\n{log.read_text()}")


def rounds_in(partial: Path) -> list:
    """Rounds of a measurement that goes on; none if there is no file yet."""
    return [line["round"] for line in read_lines(partial)[1:]]


def test_a_run_that_is_killed_and_then_interrupted_loses_nothing(finished, tmp_path):
    later = [*STAGES["03_evaluate"].folders, *STAGES["04_energy"].folders, *STAGES["05_compare"].folders]
    records = [f"stages/{stage}.json" for stage in list(STAGES)[2:]]
    run, model = copy_run(finished, "killed", (*later, *records)), finished.model.id
    arguments, log = ("run", "--profile", "smoke", "--run", "killed"), tmp_path / "log.txt"
    kept = written_times(run.paths.folder / "variants")

    def first_shard():
        return next((run.paths.folder / "detections").glob("*/*/[!.]*.npz"), None)

    with started(finished.data, log, *arguments) as process:
        shard = wait_until(first_shard, process, log)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    content, written_ns = shard.read_bytes(), shard.stat().st_mtime_ns
    assert not run.paths.stage_record("03_evaluate").exists()

    partial = run.paths.measurement_record(model, "latency").with_suffix(".partial")
    with started(finished.data, log, *arguments) as process:
        rounds = wait_until(lambda: rounds_in(partial), process, log)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(LONGEST_S) == 130, log.read_text()
    said = log.read_text()
    assert "Interrupted. What was computed is kept: the same command goes on from there." in said
    assert "Traceback" not in said
    assert said.count("up to date") == 2
    assert run.paths.stage_record("03_evaluate").exists()
    assert not run.paths.stage_record("04_energy").exists()
    scores = written_times(run.paths.folder / "scores")

    done = lab(finished.data, *arguments)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("up to date") == 3
    assert (shard.read_bytes(), shard.stat().st_mtime_ns) == (content, written_ns)
    assert written_times(run.paths.folder / "variants") == kept
    assert written_times(run.paths.folder / "scores") == scores
    final = read_record(run.paths.measurement_record(model, "latency"), Any, "").values["rounds"]
    assert final[: len(rounds)] == rounds
    assert len(final) == run.profile.latency_rounds
    assert not list(run.paths.folder.rglob("*.partial"))
    assert not [path for path in run.paths.folder.rglob("*.npz") if path.name.startswith(".")]
    assert (
        pd.read_csv(run.paths.results("csv"))["ap"].tolist()
        == pd.read_csv(open_run("smoke").paths.results("csv"))["ap"].tolist()
    )
