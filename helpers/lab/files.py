"""Files that are whole or absent: atomic writing, content hashes, JSON with a clear error."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers.lab.errors import LabError


def sha256_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sha256_json(value: Any) -> str:
    """Hash of a JSON-serializable value, independent of the order of keys."""
    return sha256_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def sha256_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_folder(folder: Path) -> str:
    """Hash over the relative names and contents of all files below ``folder``."""
    names = sorted(p for p in folder.rglob("*") if p.is_file())
    return sha256_json({str(p.relative_to(folder)): sha256_file(p) for p in names})


def sha256_path(path: Path) -> str:
    return sha256_folder(path) if path.is_dir() else sha256_file(path)


ELSEWHERE = "or set QUANTLAB_DATA to a folder that you may write to, and run the same command again."
FREE = (
    "free some space (`python -m helpers clean` removes old runs) and run the same command again: it goes on "
    "from what is already on disk."
)
RIGHTS = "give yourself the right to it (`ls -ld` shows whose it is), " + ELSEWHERE
# What the system says -> what is needed, and the cure.
DISK_ERRORS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), ("a disk with free space", FREE)),
    errno.EROFS: ("a disk that can be written", "make it writable, " + ELSEWHERE),
    **dict.fromkeys((errno.EACCES, errno.EPERM), ("the right to read and write there", RIGHTS)),
    **dict.fromkeys(
        (errno.EEXIST, errno.ENOTDIR, errno.EISDIR),
        (
            "a folder where a folder is needed, and a file where a file is",
            "move away what is there, " + ELSEWHERE,
        ),
    ),
    errno.ENAMETOOLONG: ("a name that the system takes", "give the file or the run a shorter name."),
}


@contextlib.contextmanager
def disk_errors_explained(path: Path) -> Iterator[None]:
    """Turn what a disk refuses into a ``LabError`` that names the file and why; let everything else pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        expected, cure = DISK_ERRORS[error.errno]
        named = error.filename2 or error.filename
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            found = f"{path} cannot be written"
        else:
            found = (
                f"{os.fsdecode(named) if isinstance(named, str | bytes) else path} cannot be read or written"
            )
        raise LabError(f"{found}: {error.strerror}.", expected, cure) from error


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it into place only if the block succeeds."""
    with disk_errors_explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; swap it into place only if the block succeeds."""
    with disk_errors_explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        try:
            yield temporary
            temporary.chmod(0o755)
            aside = temporary.with_name(f"{temporary.name}-old")
            if path.exists():
                path.replace(aside)
            temporary.replace(path)
            shutil.rmtree(aside, ignore_errors=True)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    write_bytes(path, content.encode())


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path, cure: str) -> Any:
    """Parse a JSON file; a missing or broken one is a ``LabError`` that carries ``cure``."""
    try:
        return json.loads(path.read_bytes())  # bytes: UTF-8 or 16, with or without a mark at the beginning
    except FileNotFoundError:
        raise LabError(f"{path} does not exist.", "a JSON file there", cure) from None
    except (ValueError, RecursionError) as error:
        raise LabError(f"{path} is not valid JSON ({error}).", "a whole JSON file", cure) from None


def require_free_space(folder: Path, needed_bytes: int) -> None:
    """Raise a ``LabError`` unless the disk that holds ``folder`` has ``needed_bytes`` free."""
    existing = next(p for p in [folder, *folder.parents] if p.exists())
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < needed_bytes:
        raise LabError(
            f"{free_bytes / 1e6:.0f} MB free on the disk of {existing}.",
            f"at least {needed_bytes / 1e6:.0f} MB",
            "free some space (`python -m helpers clean` removes old runs), or set "
            "QUANTLAB_DATA to a folder on a larger disk.",
        )


UTF16 = (b"\xff\xfe", b"\xfe\xff")


def decoded(content: bytes) -> str:
    """Raises UnicodeDecodeError for what is no text."""
    if content.startswith(UTF16):
        return content.decode("utf-16")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252")
    odd = next(
        (place for place, sign in enumerate(text) if ord(sign) < 32 and sign not in "\t\n\r\f\v"), None
    )
    if odd is not None:
        raise UnicodeDecodeError("text", content, odd, odd + 1, "a control character")
    return text
