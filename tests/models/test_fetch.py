"""Downloads from servers of every kind: whole, halting, lying and absent ones."""

import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.lab.paths import ROOT
from helpers.models.files.fetch import SourceFile, fetch_file, place
from tests.support.file_server import CONTENT, OTHER, SHA256, Handler, address, source, visible


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


def closed_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


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
        "import os, sys; from pathlib import Path; import helpers.models.files.fetch as f; write = f.chunks\n"
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
