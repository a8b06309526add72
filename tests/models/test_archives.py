"""Tar archives: unpacked whole or not at all, and never outside their folder."""

import hashlib
import io
import os
import tarfile
import threading
from http.server import ThreadingHTTPServer

import pytest

from helpers.lab.errors import LabError
from helpers.models.files.archives import fetch_archive, unpack
from tests.support.file_server import CONTENT, Handler, source, visible


@pytest.fixture(scope="module")
def running():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.asked, server.closing = True, [], threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(running):
    running.asked, running.content = [], CONTENT
    return running


def archive(path, names: dict[str, bytes], link: str = "", mode: str = "w:gz"):
    with tarfile.open(path, mode) as tar:
        for name, content in names.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        if link:
            entry = tarfile.TarInfo("inside")
            entry.type, entry.linkname = tarfile.SYMTYPE, link
            tar.addfile(entry)
    return path


FILES = {"saved_model.pb": b"graph", "variables/variables.index": b"index"}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_archives_are_unpacked_once(tmp_path, mode):
    packed = archive(tmp_path / "a.tar.gz", FILES, mode=mode)
    folder = unpack(packed, tmp_path / "out")
    assert {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == FILES
    packed.unlink()
    assert unpack(packed, tmp_path / "out") == folder


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/outside"])
def test_names_that_lead_out_write_nothing_outside(tmp_path, name):
    packed = archive(tmp_path / "a.tar.gz", {name: b"bad"})
    try:
        folder = unpack(packed, tmp_path / "in" / "out")
    except LabError:
        folder = None
    assert not [p for p in tmp_path.rglob("outside") if folder is None or not p.is_relative_to(folder)]
    assert not os.path.lexists("/outside")


@pytest.mark.parametrize("link", ["/etc/passwd", "../..", "saved_model.pb"])
def test_archives_with_links_are_refused(tmp_path, link):
    with pytest.raises(LabError, match="'inside' is a link"):
        unpack(archive(tmp_path / "a.tar.gz", FILES, link), tmp_path / "out")
    assert visible(tmp_path) == ["a.tar.gz"]


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_damaged_archives_are_explained_and_leave_nothing(tmp_path, share):
    packed = archive(tmp_path / "a.tar.gz", {"data": CONTENT})
    packed.write_bytes(packed.read_bytes()[: int(share * packed.stat().st_size)])
    with pytest.raises(LabError, match="cannot be unpacked"):
        unpack(packed, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


def test_a_fetched_archive_gets_a_folder_of_its_content(server, tmp_path):
    server.content = archive(tmp_path / "made.tar.gz", FILES).read_bytes()
    digest = hashlib.sha256(server.content).hexdigest()
    chosen = source(server, "plain", name="ssd.tar.gz", sha256=digest, size_bytes=len(server.content))
    folder = fetch_archive(chosen, tmp_path / "models", progress=False)
    assert folder.name == f"ssd-{digest[:12]}"
    assert (folder / "saved_model.pb").read_bytes() == b"graph"
    assert fetch_archive(chosen, tmp_path / "models", progress=False) == folder
    assert len(server.asked) == 1
