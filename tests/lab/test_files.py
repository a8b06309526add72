"""Files are whole or absent, whatever interrupts the writing."""

import errno
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.lab.errors import LabError
from helpers.lab.files import (
    atomic_file,
    atomic_folder,
    read_json,
    require_free_space,
    sha256_bytes,
    sha256_file,
    sha256_folder,
    sha256_json,
    sha256_path,
    write_bytes,
    write_json,
    write_text,
)
from helpers.lab.paths import ROOT

# SHA-256 of "abc": FIPS 180-4's own example.
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

HALF_WRITTEN = """
import sys
from pathlib import Path
from helpers.lab.files import atomic_file
with atomic_file(Path(sys.argv[1])) as temporary, temporary.open("wb") as file:
    file.write(b"half of the new")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(path: Path, error: type[BaseException]) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text("half of the new")
        raise error("half-way")


def fill_half(folder: Path, error: type[BaseException]) -> None:
    with atomic_folder(folder) as temporary:
        (temporary / "new.txt").write_text("half of the new")
        raise error("half-way")


def test_writing_makes_the_folders_and_leaves_only_the_file(tmp_path):
    path = tmp_path / "a" / "b" / "note.txt"
    write_text(path, "é\n")
    assert path.read_bytes() == b"\xc3\xa9\n"
    assert names(path.parent) == ["note.txt"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_writing_replaces_the_old_content(tmp_path):
    path = tmp_path / "note.bin"
    for content in (b"a long old content", b"new"):
        write_bytes(path, content)
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_an_exception_inside_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(error):
        write_half(path, error)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["note.txt"]


def test_an_exception_inside_a_first_writing_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="half"):
        write_half(tmp_path / "note.txt", ValueError)
    assert names(tmp_path) == []


def test_the_old_file_stays_whole_while_the_new_one_is_written(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("old")
    with atomic_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent
        assert temporary.suffix == path.suffix
    assert path.read_text() == "new"


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "note.bin"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", HALF_WRITTEN, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"writing\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


def test_folders_are_swapped_whole(tmp_path):
    folder = tmp_path / "model"
    with atomic_folder(folder) as temporary:
        (temporary / "old.txt").write_text("old")
    with atomic_folder(folder) as temporary:
        (temporary / "new.txt").write_text("new")
        assert names(folder) == ["old.txt"]
    assert names(folder) == ["new.txt"]
    assert names(tmp_path) == ["model"]


def test_an_exception_inside_leaves_the_old_folder_and_nothing_else(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    with pytest.raises(ValueError, match="half"):
        fill_half(folder, ValueError)
    assert (folder / "old.txt").read_text() == "old"
    assert names(tmp_path) == ["model"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_explained_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(LabError) as caught, atomic_file(path):
        Path("/dev/full").write_bytes(b"one byte too many")
    assert "No space left" in caught.value.found
    assert str(path) in caught.value.found
    assert "helpers clean" in caught.value.cure
    assert path.read_text() == "old"
    assert names(tmp_path) == ["note.txt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("block", [atomic_file, atomic_folder])
def test_disks_that_cannot_be_written_are_explained(tmp_path, block, number):
    with pytest.raises(LabError, match=r"cannot be (read or )?written"), block(tmp_path / "x"):
        raise OSError(number, "as the system says it")
    assert names(tmp_path) == []


def test_other_system_errors_are_not_called_a_full_disk(tmp_path):
    with pytest.raises(ConnectionResetError), atomic_file(tmp_path / "x"):
        raise ConnectionResetError(errno.ECONNRESET, "reset")


def test_hashes_are_sha256(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256_bytes(b"abc") == sha256_file(path) == sha256_path(path) == ABC


def test_json_hash_ignores_the_order_of_keys_only():
    assert sha256_json({"a": 1, "b": [1, 2]}) == sha256_json({"b": [1, 2], "a": 1})
    assert sha256_json({"a": 1, "b": [1, 2]}) != sha256_json({"a": 1, "b": [2, 1]})
    assert sha256_json({"a": 1}) != sha256_json({"a": "1"})


def test_folder_hash_sees_names_contents_and_subfolders_but_not_the_place(tmp_path):
    def folder(name: str, files: dict[str, str]) -> str:
        for file, content in files.items():
            write_text(tmp_path / name / file, content)
        return sha256_path(tmp_path / name)

    base = folder("a", {"x": "1", "in/y": "2"})
    assert folder("b", {"x": "1", "in/y": "2"}) == base == sha256_folder(tmp_path / "a")
    assert folder("c", {"x": "1", "in/y": "3"}) != base
    assert folder("d", {"x": "1", "in/z": "2"}) != base
    assert folder("e", {"x": "1", "y": "2"}) != base
    assert folder("f", {"x": "1", "in/y": "2", "in/more": ""}) != base


def test_json_round_trips(tmp_path):
    value = {"text": "Ünï", "numbers": [1, 2.5, None, True]}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json", "") == value
    assert json.loads((tmp_path / "x.json").read_bytes()) == value


def test_json_has_no_nan_and_keeps_the_old_file(tmp_path):
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert read_json(tmp_path / "x.json", "") == {"a": 1}


def test_missing_json_names_file_and_cure(tmp_path):
    with pytest.raises(LabError) as caught:
        read_json(tmp_path / "x.json", "run 02_quantize.ipynb first.")
    assert "x.json does not exist" in caught.value.found
    assert caught.value.cure == "run 02_quantize.ipynb first."


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1', b'{"a": 1}}', b"\xff\xfe\x00", b"hello"])
def test_broken_json_names_file_and_cure(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(LabError, match=r"x.json is not valid JSON") as caught:
        read_json(tmp_path / "x.json", "do that")
    assert caught.value.cure == "do that"


def test_free_space_is_asked_of_the_disk_of_a_folder_to_come(tmp_path):
    folder = tmp_path / "not" / "yet"
    require_free_space(folder, 1)
    with pytest.raises(LabError) as caught:
        require_free_space(folder, 10**18)
    assert "MB free" in caught.value.found
    assert "1000000000000 MB" in caught.value.expected
    assert "QUANTLAB_DATA" in caught.value.cure
    assert not folder.parent.exists()
