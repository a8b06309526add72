"""The project's FiftyOne database is its own, and outlives what kills its processes."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from helpers.lab import database, mongo
from helpers.lab.errors import LabError
from helpers.lab.paths import ROOT

needs_local_mongod = pytest.mark.skipif(
    bool(mongo.server_address()) or sys.platform.startswith("win"), reason="needs a local mongod"
)


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """An environment without FiftyOne's variables; what a test sets is undone afterwards."""
    present = {name for name in os.environ if name.startswith("FIFTYONE_")}
    for name in present | set(database.fiftyone_environment(tmp_path)):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def test_prepare_respects_what_the_user_has_set(environment, tmp_path):
    environment.setenv("FIFTYONE_DATABASE_DIR", "/elsewhere")
    database.prepare(tmp_path)
    assert os.environ["FIFTYONE_DATABASE_DIR"] == "/elsewhere"
    assert os.environ["FIFTYONE_DO_NOT_TRACK"] == "true"


def test_environment_names_settings_that_fiftyone_has(tmp_path):
    config = mongo.fiftyone_bin_dir().parent.parent / "core" / "config.py"
    known = config.read_text()
    assert [name for name in database.fiftyone_environment(tmp_path) if f'"{name}"' not in known] == []


def test_two_data_folders_share_no_database(tmp_path):
    one, other = (database.fiftyone_environment(tmp_path / name) for name in ("a", "b"))
    assert one["FIFTYONE_DATABASE_DIR"] != other["FIFTYONE_DATABASE_DIR"]
    assert one["FIFTYONE_DATABASE_NAME"] != other["FIFTYONE_DATABASE_NAME"]


def test_a_place_that_cannot_be_written_is_a_clear_error(environment, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="QUANTLAB_DATA"):
        database.connect(tmp_path / "file")


def test_a_full_disk_is_a_clear_error(environment, tmp_path):
    environment.setattr(database, "NEEDED_BYTES", 10**18)
    environment.setenv("FIFTYONE_DATABASE_DIR", str(tmp_path / "database"))
    with pytest.raises(LabError, match="free some space"):
        database.connect(tmp_path)


@needs_local_mongod
def test_a_server_that_outlived_its_service_is_ended(tmp_path):
    """Started as FiftyOne's service would leave it behind after a kill -9."""
    folder = tmp_path / "database"
    folder.mkdir()
    mongod = mongo.fiftyone_bin_dir() / mongo.mongod_name()
    arguments = [mongod, "--dbpath", folder, "--port", "0", "--nounixsocket", "--logpath", tmp_path / "log"]
    started = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    process = psutil.Process(started.pid)
    deadline = time.monotonic() + 60
    while not (folder / "mongod.lock").exists() and time.monotonic() < deadline:
        os.sched_yield()
    try:
        assert not database.is_orphan(process, tmp_path / "another")
        assert database.is_orphan(process, folder)
        database.stop_orphans(folder)
        assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    finally:
        if started.poll() is None:
            started.send_signal(signal.SIGKILL)
        started.wait()


START_ON_COLAB = """
import sys, psutil
from pathlib import Path
from helpers.lab import database
database.connect(Path(sys.argv[1]))
servers = [p for p in psutil.Process().children(recursive=True) if p.name().startswith("mongod")]
folder = Path(sys.argv[1]) / "fiftyone" / "database"
print(len(servers), any(database.is_orphan(server, folder) for server in servers))
"""


@needs_local_mongod
def test_on_colab_the_server_starts_without_sudo_and_belongs_to_its_service(environment, tmp_path):
    """There FiftyOne puts ``sudo`` between them, which not every machine has."""
    environment.setenv("FIFTYONE_CONTEXT", "COLAB")
    environment.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-c", START_ON_COLAB, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["1", "False"], done.stderr


def test_the_log_tells_why_a_server_did_not_start(tmp_path):
    assert database.last_log_error(tmp_path) == ""
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "mongo.log").write_text(
        '{"s":"I","msg":"hello"}\n{"s":"E","msg":"disk gone"}\n{"s":"I"}\n'
    )
    assert "disk gone" in database.last_log_error(tmp_path)


def test_fiftyone_is_imported_after_a_library_that_reads_metadata_strictly():
    """Dask brings ``importlib_metadata`` on Python 3.11; ``eta`` asks it for an author that is not there."""
    pytest.importorskip("importlib_metadata")
    code = (
        "import importlib_metadata\n"
        "from helpers.lab.database import absent_metadata_allowed\n"
        "with absent_metadata_allowed():\n"
        "    import fiftyone\n"
        "try:\n"
        "    importlib_metadata.metadata('voxel51-eta')['author']\n"
        "except KeyError:\n"
        "    print('strict again')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "strict again"
