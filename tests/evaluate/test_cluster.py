"""03 on a cluster of real processes: what this machine finds, whatever workers come, go or differ."""

import dataclasses
import socket
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from helpers.evaluate import cluster as module
from helpers.evaluate import shards
from helpers.evaluate.cluster import Cluster, ClusterError
from helpers.evaluate.detect import ShardResult, split
from helpers.evaluate.remote import Shipped, decoded, numerics, shipped, store
from helpers.evaluate.roster import Roster
from helpers.evaluate.shards import Progress, detect_away, detect_here
from helpers.lab.errors import LabError
from helpers.lab.progress import progress
from helpers.quantize.stage import interface_file
from helpers.run.experiment import open_run
from helpers.run.variant_files import variant_file
from tests.support.dask_processes import processes, waited_for
from tests.support.tiny_detectors import CLASSES, INTERFACE, noise_photos, tiny_detector

VARIANTS = {"float32": 8, "int8": 16}  # any ids; what counts is that the cores differ
PHOTOS, OF_A_SHARD = 13, 2
CATEGORIES = range(11, 11 + CLASSES)
COLUMNS = ("image_id", "category_id", "bbox", "score", "broken")
# What a worker imports before it begins: it takes its time, or is of another kind.
SLOW = """
import time
from helpers.evaluate import remote
remote.find = lambda wanted, find=remote.find: (time.sleep(0.5), find(wanted))[1]
"""
OTHER = """
import pathlib
from helpers.evaluate import remote
remote.numerics = lambda numerics=remote.numerics: {**numerics(), "numpy": "1.0"}
remote.find = lambda wanted: pathlib.Path(FILE).touch()
"""


class Work(Progress):
    """Tiny cores and a few photos of noise, in the place of what 01 and 02 make."""

    def __init__(self, name: str, scheduler: str, photos):
        self.run = open_run("smoke", name, variants=list(VARIANTS), scheduler=scheduler)
        self.model, self.photos = self.run.models[0], photos
        self.files = {
            v: tiny_detector(variant_file(self.run, self.model, v), channels)
            for v, channels in VARIANTS.items()
        }
        INTERFACE.save(interface_file(self.run, self.model))
        self.shards = split(photos, OF_A_SHARD)
        self.keys = dict.fromkeys(self.files, "0123456789ab")

    def detect(self, how) -> dict[str, str]:
        bar = progress(disable=True)
        return how(self, dict.fromkeys(self.files, INTERFACE), CATEGORIES, bar)

    def jobs(self):
        waiting = {index: self.pending(index) for index in range(len(self.shards))}
        files = shards.files_to_send(self, list(self.files))
        given = dict.fromkeys(self.files, INTERFACE), CATEGORIES, waiting, files, {}
        return shards.jobs_of(self, *given), [each for pair in files.values() for each in pair]

    def found(self) -> dict[tuple[str, int], list[bytes]]:
        """Of every variant and shard the columns' bytes."""
        places = [(v, i) for v in self.files for i in range(len(self.shards))]
        return {place: columns(ShardResult.load(self.shard_file(*place))) for place in places}


def columns(result: ShardResult) -> list[bytes]:
    return [getattr(result, name).tobytes() for name in COLUMNS]


@pytest.fixture(scope="module", autouse=True)
def unasked():
    """The labels of these photos are none, so nothing is said of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards.suspects, "question_early", lambda work: None)
        patch.setattr(module, "LOOK_S", 0.5)
        patch.setattr(module, "RESULT_S", 2)
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return noise_photos(tmp_path_factory.mktemp("photos"), PHOTOS)


@pytest.fixture(scope="module")
def here(photos):
    """What this machine finds."""
    work = Work("here", "", photos)
    assert work.detect(detect_here) == {}
    return work.found()


@pytest.fixture(scope="module")
def preloads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("preloads")
    texts = {"slow": SLOW, "other": OTHER.replace("FILE", repr(str(folder / "touched")))}
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    return folder


@pytest.fixture
def started(tmp_path):
    with processes(tmp_path / "processes") as running:
        yield running


def test_a_cluster_finds_what_this_machine_finds(started, photos, here, capsys):
    for name in ("one", "two"):
        started.worker(name)
    with Cluster(started.address) as first:
        waited_for(lambda: len(first.require_workers()) == 2, "two workers")
    work = Work("away", started.address, photos)
    capsys.readouterr()
    assert work.detect(detect_away) == {}
    assert work.found() == here
    assert capsys.readouterr() == ("Cluster: 2 workers.\n", "")
    assert_one_shard_is_redone(work, here)


def assert_one_shard_is_redone(work, here):
    """Of the same run: what is there stays, and where all is there no cluster is asked."""
    times = {path: path.stat().st_mtime_ns for path in work.run.paths.folder.rglob("*.npz")}
    lost = work.shard_file("int8", 3)
    lost.unlink()
    work.detect(detect_away)
    assert work.found() == here
    changed = [path for path, before in times.items() if path.stat().st_mtime_ns != before]
    assert changed == [lost]
    assert ShardResult.load(lost).loop_s == 0
    work.run = dataclasses.replace(work.run, scheduler="tcp://127.0.0.1:9")
    assert work.detect(detect_away) == {}


def test_workers_come_and_are_lost_and_one_that_differs_is_given_nothing(
    started, photos, here, preloads, capsys, monkeypatch
):
    work, found = Work("lost", started.address, photos), {}
    started.worker("other", preloads / "other.py")
    started.worker("one", preloads / "slow.py")
    jobs, files = work.jobs()
    with Cluster(started.address, files) as cluster:
        results = cluster.found(jobs)
        keep(next(results), found)
        started.worker("two", preloads / "slow.py")
        waited_for(lambda: len(cluster.require_workers()) == 2 and cluster.roster.refused, "second worker")
        keep(next(results), found)
        time.sleep(2)
        keep(next(results), found)  # of several that have ended: what "one" found and holds yet is lost
        started.kill("one")
        for result in results:
            keep(result, found)
        assert found == here
        printed = capsys.readouterr().out
        assert "Cluster: 2 workers.\nCluster: 1 worker.\n" in printed
        assert "Refused: worker other (tcp://" in printed
        assert "numpy 1.0, here " in printed
        monkeypatch.setattr(module, "PATIENCE_S", 1)
        results = cluster.found(work.jobs()[0])
        next(results)
        started.kill("two")
        with pytest.raises(ClusterError, match=r"no worker that could be used \(refused: other"):
            list(results)
    assert not (preloads / "touched").exists()


def keep(result, found):
    index, variants = result
    found |= {(variant, index): columns(part) for variant, part in variants.items()}


def test_a_scheduler_that_dies_is_named_and_nothing_stays_behind(started, photos, preloads, capfd):
    before = set(threading.enumerate())
    work = Work("gone", started.address, photos)
    started.worker("one", preloads / "slow.py")
    jobs, files = work.jobs()
    with Cluster(started.address, files) as cluster:
        results = cluster.found(jobs)
        next(results)
        started.kill("scheduler")
        with pytest.raises(ClusterError, match="is gone"):
            list(results)
        client = cluster.client
    assert client.status == "closed"
    assert not [t for t in set(threading.enumerate()) - before if "IO loop" in t.name]
    assert capfd.readouterr().err == ""


def test_an_interrupt_while_workers_are_awaited_leaves_no_client(started, monkeypatch):
    clients = []

    def interrupted(self):
        clients.append(self.client)
        raise KeyboardInterrupt

    monkeypatch.setattr(Cluster, "require_workers", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Cluster(started.address)
    assert [client.status for client in clients] == ["closed"]


@pytest.mark.parametrize("silent", [True, False])
def test_where_no_scheduler_answers_is_said_soon(silent, monkeypatch):
    """At a port that nobody listens at, and at one where whoever listens says nothing."""
    monkeypatch.setattr(module, "CONNECT_S", 1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if silent:
            listener.listen()
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        start, before = time.monotonic(), set(threading.enumerate())
        with pytest.raises(ClusterError, match=f"no scheduler answers at {address}"):
            Cluster(address)
        assert time.monotonic() - start < 10
    assert not [t for t in set(threading.enumerate()) - before if "IO loop" in t.name]


@pytest.mark.parametrize("address", ["10.0.0.1:8786", "localhost"])
def test_an_address_without_its_kind_is_refused(address):
    with pytest.raises(LabError, match="tcp://"):
        open_run("smoke", scheduler=address)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:port", "nothing://127.0.0.1:1", "tcp://"])
def test_an_address_that_is_none_is_said(address, monkeypatch):
    monkeypatch.setattr(module, "CONNECT_S", 1)
    with pytest.raises(ClusterError, match="no scheduler answers"):
        Cluster(address)


def test_without_dask_the_cure_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(LabError, match="make setup RUNTIMES=dask"):
        Cluster("tcp://127.0.0.1:1")


def test_a_photo_that_cannot_be_read_is_named_as_it_is_here():
    with pytest.raises(LabError, match=r"^.*Found: /photos/a\.jpg cannot be decoded"):
        decoded({1: ("/photos/a.jpg", b"nothing")}, INTERFACE.preprocessing)


def test_files_are_kept_in_the_workers_own_folder_by_what_they_hold(tmp_path):
    paths = [tmp_path / "a.xml", tmp_path / "a.bin"]
    for path in paths:
        path.write_bytes(path.name.encode())
    sent = shipped(paths)
    assert sent.key != shipped(paths[::-1]).key
    for name in ("one", "two"):
        store(Shipped(sent.files, sent.key + name), SimpleNamespace(local_directory=str(tmp_path / name)))
        folder = tmp_path / name / "quantization-lab" / (sent.key + name)
        assert sorted(path.name for path in folder.iterdir()) == ["a.bin", "a.xml"]


def test_what_a_worker_answers_is_told_in_a_line():
    """One is as this machine is; others differ, hang, have no room, have gone, or lack the project."""
    own, told = numerics(), []
    answers = {
        numerics: {
            "a": own, "b": own | {"numpy": "1.0"}, "c": TimeoutError(), "d": own, "e": OSError("refused"),
            "f": ModuleNotFoundError("No module named 'helpers'"),
        },
        store: {"a": None, "d": LabError("/tmp/x cannot be written: No space left on device.", "", "")},
    }  # fmt: skip
    asked = []

    def ask(function, *_, addresses):
        asked.append((function, list(addresses)))
        return {address: answers[function][address] for address in addresses}

    roster = Roster(ask, [Shipped({}, "key")], told.append)
    known = {name: {"name": name, "local_directory": f"/{name}"} for name in "abcdef"}
    assert roster.usable(known) == ["a"]
    assert told == [
        f"Refused: worker b: numpy 1.0, here {own['numpy']}.",
        "Refused: worker c: it does not answer.",
        "Refused: worker f: it fails: ModuleNotFoundError: No module named 'helpers'.",
        "Refused: worker d: it fails: /tmp/x cannot be written: No space left on device.",
        "Cluster: 1 worker.",
    ]
    assert asked == [(numerics, list("abcdef")), (store, ["a", "d"])]
    assert roster.usable(known) == ["a"]
    assert asked[2:] == [(numerics, ["e"])]
    restarted = known | {"b": {"name": "b", "local_directory": "/another"}}
    answers[numerics]["b"], answers[store]["b"] = own, None
    assert roster.usable(restarted) == ["a", "b"]
    assert told[-1] == "Cluster: 2 workers."
