"""The processes that time visits, with real processes: who works, who dies, and that none is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from helpers.energy.latency import measure_latency
from helpers.energy.rounds.schedule import round_order
from helpers.energy.rounds.team import Team, photos_written, rounds_in_process
from helpers.lab.processes import probe_environment
from helpers.run.variants import BASELINE, CONTROL
from tests.support.fake_runtime import add_fake_runtime, fake_file, logged
from tests.support.tiny_models import tiny_core, tiny_images

PHOTOS = np.arange(5, dtype=np.float32).reshape(5, 1, 1, 1, 1)


@pytest.fixture
def log(monkeypatch, tmp_path):
    return add_fake_runtime(monkeypatch, tmp_path / "site")


@pytest.fixture
def files(tmp_path, log):
    return {name: fake_file(tmp_path, name) for name in (BASELINE, CONTROL, "int8", "int4")}


def measure(files, **changes):
    settings = {"rounds": 4, "repeats": 3, "warmups": 1, "progress": False} | changes
    return measure_latency(files, settings.pop("inputs", PHOTOS), **settings)


def visited(log):
    """Names in the order of their visits: of those that follow one another, one."""
    names = [name for name, _, _ in logged(log, "photo")]
    return [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]


def test_visits_are_in_the_order_that_seed_and_number_give(files, log):
    raw = measure(files, rounds=1, seed=7)
    assert raw.rounds[0].order == round_order(tuple(files), 0, 7) == tuple(visited(log))
    again = measure(files, rounds=1, seed=7)
    assert again.rounds[0].order == raw.rounds[0].order


def test_all_variants_of_a_round_see_the_same_photos_in_turn(files, log):
    measure(files, rounds=2, repeats=3, warmups=1)
    photos = [value for _, _, value in logged(log, "photo")]
    # A warm-up on the first photo of the visit, then three in turn; after the fifth comes the first.
    assert photos[:16] == [0, 0, 1, 2] * 4
    assert photos[16:] == [3, 3, 4, 0] * 4


def test_every_core_gets_the_photos_of_its_own_preprocessing(files, log):
    mine, others = [PHOTOS[0] + 70, PHOTOS[0] + 71], [PHOTOS[0] + 80]
    inputs = {file: mine if name == "int8" else others for name, file in files.items()}
    measure(files, rounds=1, inputs=inputs)
    seen = {name: {v for n, _, v in logged(log, "photo") if n == name} for name in files}
    assert seen == {BASELINE: {80}, CONTROL: {80}, "int8": {70, 71}, "int4": {80}}
    with photos_written(files, inputs) as photos:
        assert len(set(photos.values())) == 2
        assert all(path.exists() for path in photos.values())
    assert not any(path.exists() for path in photos.values())


def test_rounds_share_a_process_as_long_as_they_are_told_to(files, log):
    raw = measure(files, rounds=7, rounds_per_process=3)
    assert [played.process for played in raw.rounds] == [0, 0, 0, 1, 1, 1, 2]
    pids = [pid for _, pid, _ in logged(log, "photo")]
    assert len(set(pids)) == 3
    # Loaded once by each, at the first visit.
    assert len(logged(log, "load")) == 3 * len(files)
    assert [played.start_s > 0.01 for played in raw.rounds] == [True, False, False] * 2 + [True]


def test_where_every_round_has_its_process_cores_are_loaded_for_it(files, log):
    raw = measure(files, rounds=3)
    assert raw.settings.rounds_per_process == 1
    assert [played.process for played in raw.rounds] == [0, 1, 2]
    assert len({pid for _, pid, _ in logged(log, "load")}) == 3


def test_each_runtime_has_its_own_process_and_all_visits_are_interleaved(files, log, tmp_path):
    both = {**files, "litert": tiny_core(tmp_path / "small.tflite")}
    inputs = {file: tiny_images() if name == "litert" else PHOTOS for name, file in both.items()}
    raw = measure(both, rounds=3, inputs=inputs, seed=2, rounds_per_process=3)
    assert raw.failures == {}
    # Where it is not told, several runtimes share three, if there are rounds for five processes.
    assert [rounds_in_process(both.values(), rounds) for rounds in (14, 15)] == [1, 3]
    assert rounds_in_process(files.values(), 100) == 1
    assert [tuple(played.visits) for played in raw.rounds] == [
        round_order(tuple(both), n, 2) for n in range(3)
    ]
    assert all(played.visits["litert"].timed_ns for played in raw.rounds)
    assert len({pid for _, pid, _ in logged(log, "photo")}) == 1


@pytest.mark.parametrize("share", [1, 3])
def test_a_worker_that_dies_takes_one_variant_with_it(files, log, tmp_path, share):
    deadly = {**files, "int8": fake_file(tmp_path, "deadly", dies_at=3)}
    raw = measure(deadly, rounds=3, rounds_per_process=share)
    assert raw.failures == {
        "int8": "the process that times fake was killed by SIGKILL (often: out of memory)"
    }
    others = set(files) - {"int8"}
    assert all(set(played.visits) == others for played in raw.rounds)
    assert all(len(visit.timed_ns) == 3 for played in raw.rounds for visit in played.visits.values())


def test_a_worker_that_dies_leaves_other_runtimes_alone(log, tmp_path):
    core = tiny_core(tmp_path / "small.tflite")
    files = {BASELINE: core, CONTROL: core, "x@fake": fake_file(tmp_path, "deadly", dies_at=1)}
    inputs = {core: tiny_images(), files["x@fake"]: PHOTOS}
    raw = measure(files, inputs=inputs, rounds=2)
    assert raw.failures.keys() == {"x@fake"}
    assert all(set(played.visits) == {BASELINE, CONTROL} for played in raw.rounds)


def test_a_core_that_raises_in_the_middle_is_not_visited_again(files, log, tmp_path):
    raw = measure({**files, "int8": fake_file(tmp_path, "fragile", raises_at=6)}, rounds_per_process=4)
    assert raw.failures == {"int8": "the kernel gave up"}
    assert ["int8" in played.visits for played in raw.rounds] == [True, False, False, False]
    assert all(BASELINE in played.visits for played in raw.rounds)


def test_a_runtime_whose_process_does_not_start_fails_alone(files, log, monkeypatch):
    monkeypatch.setenv("FAKE_NO_START", "1")
    raw = measure(files)
    assert raw.failures == dict.fromkeys(files, "the process that times fake failed: it said nothing")
    assert len(raw.rounds) == 1


def test_a_file_of_no_runtime_fails_alone(files, log, tmp_path):
    raw = measure({**files, "int8": tmp_path / "core.zip"}, rounds=2)
    assert raw.failures.keys() == {"int8"}
    assert "is of no runtime" in raw.failures["int8"]
    assert all(set(played.visits) == set(files) - {"int8"} for played in raw.rounds)


def test_what_a_library_prints_is_no_answer(log, tmp_path):
    raw = measure({BASELINE: fake_file(tmp_path, "loud", prints=True)}, rounds=1)
    assert raw.failures == {}
    assert len(raw.rounds[0].visits[BASELINE].timed_ns) == 3


def test_a_measurement_killed_in_the_middle_of_a_process_goes_on_in_a_fresh_one(files, log):
    whole = measure(files, rounds=6, rounds_per_process=3)
    saved = []

    def die_after_two(raw):
        saved.append(raw)
        if len(raw.rounds) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(files, rounds=6, rounds_per_process=3, on_round=die_after_two)
    resumed = measure(files, rounds=6, rounds_per_process=3, done=saved[-1])
    assert resumed.rounds[:2] == saved[-1].rounds
    assert [played.order for played in resumed.rounds] == [played.order for played in whole.rounds]
    # The process of the first two is gone: what follows is of another, which has its full share.
    assert [played.process for played in resumed.rounds] == [0, 0, 1, 1, 1, 2]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_workers_are_kept_on_the_cores_that_the_record_names(files, log):
    raw = measure(files, rounds=1)
    assert {tuple(cores) for _, _, cores in logged(log, "load")} == {raw.conditions.pinned_to_cpus}


def children():
    return [child for child in psutil.Process().children() if "rounds.worker" in " ".join(child.cmdline())]


def test_no_process_is_left_after_a_measurement(files, log):
    seen = []
    measure(files, on_round=lambda raw: seen.append(len(children())))
    assert seen == [1] * 4
    assert children() == []


def test_no_process_is_left_after_an_interrupt_in_a_visit(log, tmp_path):
    """The worker is at work for a minute; the interrupt comes to the one that waits for it."""

    def interrupt():
        while not logged(log, "photo"):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        measure({BASELINE: fake_file(tmp_path, "slow", sleeps_s=60)})
    assert children() == []


PARENT = """
from pathlib import Path
import numpy as np
from helpers.energy.rounds.team import Team
file = Path({file!r})
np.save({photos!r}, np.zeros((1, 1, 1, 1, 1), np.float32))
with Team({{"float32": file}}, {{"float32": Path({photos!r})}}, 1) as team:
    team.fresh()
    print(team.pids[0], flush=True)
    while True:
        team.visit("float32", [0], 0)
"""


def test_a_worker_ends_with_a_parent_that_is_killed(log, tmp_path):
    code = PARENT.format(file=str(fake_file(tmp_path, "core")), photos=str(tmp_path / "photos.npy"))
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=probe_environment()
    )
    worker = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    worker.wait(30)


def test_a_team_starts_no_process_before_it_is_told_to(files, log):
    with Team(files, dict.fromkeys(files, "none"), 1) as team:
        assert team.pids == []
        team.fresh()
        assert len(team.pids) == 1
    assert children() == []


def test_a_known_delay_makes_every_invocation_longer(tmp_path):
    core = tiny_core(tmp_path / "core.tflite", channels=64)
    raw = measure(
        {BASELINE: core, CONTROL: core, "slow": core}, inputs=tiny_images(), rounds=6, repeats=8,
        delays={"slow": 2.0},
    )  # fmt: skip
    ratios = [
        np.median(r.visits["slow"].timed_ns) / np.median(r.visits[BASELINE].timed_ns) for r in raw.rounds
    ]
    assert 2 < np.median(ratios) < 4.5
