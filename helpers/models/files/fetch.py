"""Files from the network: resumed where they broke off, verified, taken from several mirrors."""

import contextlib
import http.client
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError, URLError

from tqdm import tqdm

from helpers.lab.database import start_lock
from helpers.lab.errors import LabError
from helpers.lab.files import disk_errors_explained, require_free_space, sha256_file, write_text
from helpers.lab.progress import progress as progress_bar
from helpers.models.files.sources import SourceFile

TIMEOUT_S = 30.0
CHUNK_BYTES = 1 << 20
MOST_ANSWERS = 50  # of one mirror, each of which breaks off further on
RANGE_NOT_SATISFIABLE = 416
AGENT = "quantization-lab"


class MirrorError(Exception):
    """Why a mirror gave no file. It does not leave this module."""


class BrokenOffError(MirrorError):
    """The answer ended early: what has arrived can be gone on with."""


def fetch_file(source: SourceFile, folder: Path, progress: bool = True, timeout_s: float = TIMEOUT_S) -> Path:
    """``folder / source.name``, downloaded unless it is there and right.

    What arrives lies in ``NAME.part`` until it is whole and verified; a part that is there already is gone
    on with. Processes that want the same file wait for one another.

    Args:
        progress: whether to show a bar.
        timeout_s: how long a silent mirror is waited for.

    Raises:
        LabError: every mirror failed (each is named with its reason), or the disk is full or read-only.
    """
    path = folder / source.name
    if right(path, source):
        return path
    with disk_errors_explained(path):
        folder.mkdir(parents=True, exist_ok=True)
        with start_lock(folder / f".{source.name}.lock"):
            if not right(path, source):
                from_mirrors(source, path, progress, timeout_s)
    return path


def place(source: SourceFile, folders: Sequence[Path]) -> Path | None:
    """The file in folders of the user's own, at most two levels down; None if it is in none of them.

    A file of that name with another checksum is passed over.
    """
    patterns = [f"{levels}{source.name}" for levels in ("", "*/", "*/*/")]
    found = (path for folder in folders for pattern in patterns for path in sorted(folder.glob(pattern)))
    return next((path for path in found if right(path, source)), None)


def right(path: Path, source: SourceFile) -> bool:
    return path.is_file() and not mismatch(path, kept_checksum(source, path))


def mismatch(path: Path, source: SourceFile) -> str:
    """How a file differs from what its source states; empty if it does not."""
    size_bytes = path.stat().st_size
    if source.size_bytes and size_bytes != source.size_bytes:
        return f"{size_bytes} bytes, where {source.size_bytes} are expected"
    digest = sha256_file(path) if source.sha256 else ""
    return f"another content: sha256 {digest}" if digest != source.sha256 else ""


def checksum_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def kept_checksum(source: SourceFile, path: Path) -> SourceFile:
    """The source with the checksum that was kept when its file first arrived, if it states none itself."""
    kept = checksum_file(path)
    if source.sha256 or not kept.is_file():
        return source
    return replace(source, sha256=kept.read_text().split()[0])


def from_mirrors(source: SourceFile, path: Path, progress: bool, timeout_s: float) -> None:
    """Put the file in place from the first mirror that gives the right one."""
    part, expected, failures = path.with_name(f"{path.name}.part"), kept_checksum(source, path), []
    require_free_space(path.parent, source.size_bytes - size_of(part))
    options = {"total": source.size_bytes or None, "unit_scale": True, "disable": not progress}
    with progress_bar(None, f"fetching {source.name}", "B", **options) as bar:
        for url in source.urls:
            try:
                download(url, part, expected, timeout_s, bar)
            except MirrorError as error:
                failures.append(f"{url}: {error}")
                continue
            if not source.sha256:
                write_text(checksum_file(path), f"{sha256_file(part)}  {path.name}\n")
            part.replace(path)
            return
    raise all_failed(source, path, failures)


def all_failed(source: SourceFile, path: Path, failures: Sequence[str]) -> LabError:
    lines = "".join(f"\n  {line}" for line in failures) or " no address is known for it."
    size = f"{source.size_bytes} bytes, " if source.size_bytes else ""
    return LabError(
        f"{source.name} could not be downloaded:{lines}",
        f"{source.name}, {size}sha256 {source.sha256 or 'not stated by its publisher'}",
        f"run the same command again when there is a network: it goes on from what has arrived. Or get the "
        f"file by another way and put it at {path}, or into the folder that MODEL_DIR names.",
    )


def size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def download(url: str, part: Path, source: SourceFile, timeout_s: float, bar: tqdm) -> None:
    """Bring ``part`` to the right content; a wrong one is removed."""
    if not source.sha256 or size_of(part) > source.size_bytes > 0:
        part.unlink(missing_ok=True)  # a splice of two files would go unseen
    resumed = size_of(part) > 0
    receive_all(url, part, source, timeout_s, bar)
    if fault := mismatch(part, source):
        part.unlink()
        if not resumed:
            raise MirrorError(f"gave {fault}")
        download(url, part, source, timeout_s, bar)  # the beginning may have been another mirror's


def receive_all(url: str, part: Path, source: SourceFile, timeout_s: float, bar: tqdm) -> None:
    """Ask until the file is whole; an answer that breaks off has to bring it further."""
    for _ in range(MOST_ANSWERS):
        before = size_of(part)
        if before and before == source.size_bytes:
            return
        try:
            return receive(url, part, source, timeout_s, bar)
        except BrokenOffError:
            if size_of(part) <= before or not source.sha256:
                raise
    raise MirrorError(f"broke off {MOST_ANSWERS} times")


def receive(url: str, part: Path, source: SourceFile, timeout_s: float, bar: tqdm) -> None:
    """Write one answer into ``part``, behind what is there if the mirror goes on from it."""
    with contextlib.closing(ask(url, size_of(part), timeout_s)) as answer:
        start = first_byte(answer, size_of(part))
        total_bytes = stated_total(answer, start)
        if source.size_bytes and total_bytes not in (None, source.size_bytes):
            raise MirrorError(f"has {total_bytes} bytes, where {source.size_bytes} are expected")
        bar.n = start
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            for chunk in chunks(answer, timeout_s):
                file.write(chunk)
                bar.update(len(chunk))
                if file.tell() > source.size_bytes > 0:
                    raise MirrorError(f"sends more than the {source.size_bytes} bytes that are expected")
    require_whole(size_of(part), total_bytes or source.size_bytes, answer)


def require_whole(size_bytes: int, total_bytes: int, answer: http.client.HTTPResponse) -> None:
    if not total_bytes and not answer.chunked:
        raise MirrorError("does not say how long the file is, so that nobody knows whether it is whole")
    if size_bytes < total_bytes:
        raise BrokenOffError(f"broke off after {size_bytes} of {total_bytes} bytes")


def ask(url: str, start: int, timeout_s: float) -> http.client.HTTPResponse:
    """The mirror's answer to a request for all from byte ``start``, or for the whole if it cannot do that."""
    if not url.startswith(("http://", "https://")):
        raise MirrorError("is no http or https address")
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout_s)
    except HTTPError as error:
        error.close()
        if error.code == RANGE_NOT_SATISFIABLE and start:
            return ask(url, 0, timeout_s)
        raise MirrorError(f"answered {error.code} {error.reason}") from error
    except URLError as error:
        raise MirrorError(cause(error.reason, timeout_s)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise MirrorError(cause(error, timeout_s)) from error


def cause(error: object, timeout_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"was silent for {timeout_s:g} s"
    return str(error) or type(error).__name__


def first_byte(answer: http.client.HTTPResponse, asked: int) -> int:
    """Where the answer begins in the file: a mirror may ignore that a part was asked for."""
    if answer.status != http.client.PARTIAL_CONTENT:
        return 0
    if not answer.headers.get("Content-Range", "").startswith(f"bytes {asked}-"):
        raise MirrorError("answered with another part of the file than the one asked for")
    return asked


def stated_total(answer: http.client.HTTPResponse, start: int) -> int | None:
    """Length of the whole file as the mirror states it, in bytes."""
    total = answer.headers.get("Content-Range", "").rpartition("/")[2]
    if total.isdecimal():
        return int(total)
    length = answer.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else None


def chunks(answer: http.client.HTTPResponse, timeout_s: float) -> Iterator[bytes]:
    """The answer's bytes; what the network does wrong is kept apart from what the disk does."""
    while True:
        try:
            chunk = answer.read1(CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise BrokenOffError(cause(error, timeout_s)) from error
        if not chunk:
            return
        yield chunk
