"""Downloads from servers of every kind: whole, halting, lying and absent ones."""

import hashlib
import importlib.util
import io
import os
import socket
import subprocess
import sys
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.archives import fetch_archive, unpack
from helpers.errors import LabError
from helpers.fetch import SourceFile, fetch_file, place
from helpers.kaggle import archive_url, kaggle_folder
from helpers.paths import ROOT

CONTENT = np.random.default_rng(1).integers(0, 256, 300_000, np.uint8).tobytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = bytes(reversed(CONTENT))
HANDLE = "tensorflow/ssd-mobilenet-v2/tensorFlow2/ssd-mobilenet-v2/1"


class Handler(BaseHTTPRequestHandler):
    """``/KIND``: how the file is served. Every request's path and Range are kept in ``server.asked``."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        getattr(self, self.path[1:].split("/")[0])(start)

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def part(self, start: int, body: bytes, stop: int | None = None) -> None:
        """206 for what begins at ``start``; the connection is closed early, before byte ``stop``."""
        whole = len(self.server.content)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        self.send_header("Content-Length", str(whole - start))
        self.end_headers()
        self.wfile.write(body[start:stop])

    def ranges(self, start):
        if start >= len(self.server.content):
            return self.send(b"", 416, Content_Range=f"bytes */{len(self.server.content)}")
        self.part(start, self.server.content)

    def plain(self, start):
        self.send(self.server.content)

    def wrong(self, start):
        self.send(OTHER)

    def wrongparts(self, start):
        self.part(start, OTHER)

    def long(self, start):
        self.send(CONTENT + b"more")

    def unsized(self, start):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(CONTENT + b"more")

    def halting(self, start):
        self.part(start, CONTENT, start + 70_000)

    def stuck(self, start):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:50_000])

    def silent(self, start):
        self.server.closing.wait(20)

    def elsewhere(self, start):
        if start:
            self.send(CONTENT[5:], 206, Content_Range=f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.send(CONTENT)

    def refuses(self, start):
        if start:
            self.send(b"", 416)
        else:
            self.send(CONTENT)

    def moved(self, start):
        self.send(b"", 302, Location="/ranges")

    def absent(self, start):
        self.send(b"no such file", 404)

    def faulty(self, start):
        self.send(b"", 503)

    def page(self, start):
        self.send(b"<html>Please sign in</html>")

    def nonsense(self, start):
        self.wfile.write(b"hello\r\n\r\n")


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


def address(server, kind: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{kind}"


def source(server, *kinds: str, **changes) -> SourceFile:
    known = {"name": "model.bin", "sha256": SHA256, "size_bytes": len(CONTENT)}
    return SourceFile(**known | {"urls": tuple(address(server, kind) for kind in kinds)} | changes)


def closed_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def visible(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.mark.parametrize("kind", ["ranges", "plain", "halting", "moved"])
def test_a_file_arrives_whole_and_nothing_else_is_left(server, tmp_path, kind):
    path = fetch_file(source(server, kind), tmp_path / "new", progress=False)
    assert path == tmp_path / "new" / "model.bin"
    assert path.read_bytes() == CONTENT
    assert visible(tmp_path / "new") == ["model.bin"]


def test_a_file_that_is_there_and_right_asks_nobody(server, tmp_path):
    (tmp_path / "model.bin").write_bytes(CONTENT)
    before = (tmp_path / "model.bin").stat()
    fetch_file(source(server, "plain"), tmp_path, progress=False)
    assert server.asked == []
    assert (tmp_path / "model.bin").stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("content", [OTHER, b"", CONTENT[:-1]])
def test_a_file_that_is_there_and_wrong_is_replaced(server, tmp_path, content):
    (tmp_path / "model.bin").write_bytes(content)
    assert fetch_file(source(server, "plain"), tmp_path, progress=False).read_bytes() == CONTENT


def test_a_wrong_file_stays_where_no_mirror_has_the_right_one(server, tmp_path):
    (tmp_path / "model.bin").write_bytes(OTHER)
    with pytest.raises(LabError):
        fetch_file(source(server, "absent"), tmp_path, progress=False)
    assert (tmp_path / "model.bin").read_bytes() == OTHER


def test_a_part_is_gone_on_with(server, tmp_path):
    (tmp_path / "model.bin.part").write_bytes(CONTENT[:123_456])
    assert fetch_file(source(server, "ranges"), tmp_path, progress=False).read_bytes() == CONTENT
    assert server.asked == [("/ranges", "bytes=123456-")]


def test_a_part_that_is_whole_already_asks_nobody(server, tmp_path):
    (tmp_path / "model.bin.part").write_bytes(CONTENT)
    assert fetch_file(source(server, "ranges"), tmp_path, progress=False).read_bytes() == CONTENT
    assert server.asked == []
    assert visible(tmp_path) == ["model.bin"]


def test_answers_that_break_off_are_put_together(server, tmp_path):
    fetch_file(source(server, "halting"), tmp_path, progress=False)
    starts = [None, *(f"bytes={i}-" for i in range(70_000, 300_000, 70_000))]
    assert server.asked == [("/halting", start) for start in starts]


@pytest.mark.parametrize("kind", ["ranges", "plain", "refuses", "halting"])
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(1, len(CONTENT) + 10), good=st.booleans())
def test_whatever_part_was_left_the_file_is_right(server, tmp_path_factory, kind, length, good):
    folder = tmp_path_factory.mktemp("left")
    left = (CONTENT + bytes(10))[:length] if good else (OTHER + bytes(10))[:length]
    (folder / "model.bin.part").write_bytes(left)
    assert fetch_file(source(server, kind), folder, progress=False).read_bytes() == CONTENT
    assert visible(folder) == ["model.bin"]


BAD = {
    "absent": "answered 404 Not Found",
    "faulty": "answered 503",
    "wrong": "another content: sha256",
    "long": f"has {len(CONTENT) + 4} bytes, where {len(CONTENT)} are expected",
    "unsized": f"sends more than the {len(CONTENT)} bytes",
    "page": "has 27 bytes",
    "nonsense": "hello",
    "stuck": f"broke off after 50000 of {len(CONTENT)} bytes",
    "silent": "was silent for 0.3 s",
}


@pytest.mark.parametrize("kind", BAD)
def test_the_next_mirror_steps_in(server, tmp_path, kind):
    chosen = source(server, kind, "ranges")
    assert fetch_file(chosen, tmp_path, progress=False, timeout_s=0.3).read_bytes() == CONTENT
    assert visible(tmp_path) == ["model.bin"]


@pytest.mark.parametrize("kind", BAD)
def test_the_reason_is_named(server, tmp_path, kind):
    with pytest.raises(LabError) as caught:
        fetch_file(source(server, kind), tmp_path, progress=False, timeout_s=0.3)
    assert BAD[kind] in caught.value.found


@pytest.mark.parametrize("kind", ["wrongparts", "elsewhere"])
def test_a_part_of_another_file_does_not_spoil_the_right_one(server, tmp_path, kind):
    (tmp_path / "model.bin.part").write_bytes(CONTENT[:1000])
    chosen = source(server, kind, "plain")
    assert fetch_file(chosen, tmp_path, progress=False).read_bytes() == CONTENT


def test_a_good_mirror_is_not_blamed_for_the_beginning_of_a_bad_one(server, tmp_path):
    (tmp_path / "model.bin.part").write_bytes(OTHER[:1000])
    assert fetch_file(source(server, "ranges"), tmp_path, progress=False).read_bytes() == CONTENT
    assert server.asked == [("/ranges", "bytes=1000-"), ("/ranges", None)]


def test_when_all_fail_each_is_named_and_the_cure_by_hand(server, tmp_path):
    refused = f"http://127.0.0.1:{closed_port()}/model.bin"
    urls = (address(server, "absent"), refused, address(server, "wrong"), "ftp://127.0.0.1/x", "http://[/x")
    with pytest.raises(LabError) as caught:
        fetch_file(source(server, urls=urls), tmp_path, progress=False)
    lines = caught.value.found.splitlines()[1:]
    assert [line.strip().startswith(url) for line, url in zip(lines, urls, strict=True)] == [True] * 5
    assert "refused" in lines[1]
    for fact in (str(tmp_path / "model.bin"), "MODEL_DIR"):
        assert fact in caught.value.cure
    assert SHA256 in caught.value.expected
    assert str(len(CONTENT)) in caught.value.expected
    assert "model.bin" not in visible(tmp_path)


def test_without_addresses_the_file_is_asked_for_by_hand(tmp_path):
    with pytest.raises(LabError, match="no address is known"):
        fetch_file(SourceFile("a.bin", SHA256, 5, ()), tmp_path, progress=False)


def test_what_arrived_survives_a_failure_and_is_gone_on_with(server, tmp_path):
    with pytest.raises(LabError, match="broke off"):
        fetch_file(source(server, "stuck"), tmp_path, progress=False)
    assert (tmp_path / "model.bin.part").stat().st_size == 50_000
    fetch_file(source(server, "ranges"), tmp_path, progress=False)
    assert server.asked[-1] == ("/ranges", "bytes=50000-")


def test_a_file_larger_than_the_disk_is_refused_before_anything_is_asked(server, tmp_path):
    with pytest.raises(LabError, match="MB free"):
        fetch_file(source(server, "plain", size_bytes=1 << 60), tmp_path, progress=False)
    assert server.asked == []


def test_processes_that_want_the_same_file_fetch_it_once(server, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: fetch_file(source(server, "plain"), tmp_path, False), range(4)))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert len(server.asked) == 1


def test_a_killed_download_goes_on(server, tmp_path):
    code = (
        "import os, sys; from pathlib import Path; import helpers.fetch as f; write = f.chunks\n"
        "def chunks(answer, timeout_s):\n"
        "    for number, chunk in enumerate(write(answer, timeout_s)):\n"
        "        yield chunk[:9000]\n"
        "        os.kill(os.getpid(), 9)\n"
        "f.chunks = chunks\n"
        f"f.fetch_file({source(server, 'ranges')!r}, Path(sys.argv[1]), False)"
    ).replace("SourceFile(", "f.SourceFile(")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True)
    assert done.returncode == -9
    assert "model.bin" not in visible(tmp_path)
    assert fetch_file(source(server, "ranges"), tmp_path, progress=False).read_bytes() == CONTENT


def test_a_checksum_that_nobody_states_is_kept_from_the_first_time(server, tmp_path):
    unknown = source(server, "plain", sha256="", size_bytes=0)
    path = fetch_file(unknown, tmp_path, progress=False)
    assert (tmp_path / "model.bin.sha256").read_text() == f"{SHA256}  model.bin\n"
    path.write_bytes(OTHER)
    assert fetch_file(unknown, tmp_path, progress=False).read_bytes() == CONTENT
    path.unlink()
    with pytest.raises(LabError, match="another content"):
        fetch_file(source(server, "wrong", sha256="", size_bytes=0), tmp_path, progress=False)


def test_without_checksum_and_length_nobody_knows_whether_it_is_whole(server, tmp_path):
    with pytest.raises(LabError, match="how long the file is"):
        fetch_file(source(server, "unsized", sha256="", size_bytes=0), tmp_path, progress=False)
    with pytest.raises(LabError, match="broke off"):
        fetch_file(source(server, "halting", sha256="", size_bytes=0), tmp_path, progress=False)


@pytest.mark.parametrize("changes", [{"name": "../a"}, {"name": "a/b"}, {"name": ""}, {"sha256": "12"}])
def test_entries_that_make_no_sense_are_refused(changes):
    with pytest.raises(LabError, match="a source with the name"):
        SourceFile(**{"name": "a", "sha256": SHA256, "size_bytes": 1, "urls": ()} | changes)


@pytest.mark.parametrize("where", ["model.bin", "a/model.bin", "a/b/model.bin"])
def test_a_file_in_a_folder_of_ones_own_is_found_by_name_and_content(server, tmp_path, where):
    (tmp_path / "own" / "a" / "b").mkdir(parents=True)
    (tmp_path / "own" / "c").mkdir()
    (tmp_path / "own" / "c" / "model.bin").write_bytes(OTHER)
    assert place(source(server), [tmp_path / "own"]) is None
    (tmp_path / "own" / where).write_bytes(CONTENT)
    assert place(source(server), [tmp_path / "absent", tmp_path / "own"]) == tmp_path / "own" / where


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


def test_a_handle_has_an_address():
    assert archive_url(HANDLE) == f"https://www.kaggle.com/api/v1/models/{HANDLE}/download"


@pytest.mark.parametrize(
    "handle", ["", "a/b", HANDLE[:-2], HANDLE + "/2", "a/b/c/d/0", "a/../c/d/1", "a/b/c/d/x"]
)
def test_what_is_no_handle_is_explained(handle):
    with pytest.raises(LabError, match="Kaggle handle"):
        archive_url(handle)


def test_without_kagglehub_the_way_by_hand_is_told():
    if importlib.util.find_spec("kagglehub"):
        pytest.skip("kagglehub is installed here")
    with pytest.raises(LabError, match="not installed") as caught:
        kaggle_folder(HANDLE)
    assert archive_url(HANDLE) in caught.value.cure


@pytest.mark.parametrize("works", [True, False])
def test_with_kagglehub_its_folder_or_its_complaint_is_given(tmp_path, monkeypatch, works):
    body = "return r'" + str(tmp_path) + "/' + handle" if works else "raise RuntimeError('403 Forbidden')"
    (tmp_path / "kagglehub.py").write_text(f"def model_download(handle):\n    {body}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "kagglehub", raising=False)
    if works:
        assert kaggle_folder(HANDLE) == tmp_path / HANDLE
    else:
        with pytest.raises(LabError, match="403 Forbidden"):
            kaggle_folder(HANDLE)
    monkeypatch.delitem(sys.modules, "kagglehub", raising=False)
