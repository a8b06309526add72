"""Tar archives of models: fetched, and unpacked so that nothing lands outside their folder."""

import gzip
import lzma
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from helpers.lab.errors import LabError
from helpers.lab.files import atomic_folder, require_free_space, sha256_file
from helpers.models.files.fetch import fetch_file
from helpers.models.files.sources import SourceFile

NOT_AN_ARCHIVE = (tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, EOFError, zlib.error, UnicodeError)


def fetch_archive(source: SourceFile, folder: Path, progress: bool = True) -> Path:
    """Fetch a tar archive and unpack it beside itself, into a folder named by its checksum; return that."""
    archive = fetch_file(source, folder, progress)
    key = (source.sha256 or sha256_file(archive))[:12]
    return unpack(archive, folder / f"{source.name.split('.tar')[0]}-{key}")


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a tar archive (plain, gzip, bzip2, xz) into ``folder``, which is then whole or absent.

    Nothing is done where the folder exists.

    Raises:
        LabError: it is damaged or no archive, or holds links, devices or names that lead out of the folder.
    """
    if folder.is_dir():
        return folder
    with atomic_folder(folder) as temporary:
        try:
            with tarfile.open(archive) as tar:
                members = tar.getmembers()
                require_plain(members)
                require_free_space(temporary, sum(member.size for member in members))
                tar.extractall(temporary, members, filter="data")
        except NOT_AN_ARCHIVE as error:
            raise LabError(
                f"{archive} cannot be unpacked: {error}.",
                "a whole tar archive of plain files and folders that stay within their folder",
                f"delete {archive} and run the same command again; if it persists, do not trust its source.",
            ) from error
    return folder


def require_plain(members: Sequence[tarfile.TarInfo]) -> None:
    """Links could lead later members out of the folder; models need none."""
    odd = next((member for member in members if not (member.isreg() or member.isdir())), None)
    if odd is not None:
        raise tarfile.TarError(f"{odd.name!r} is a link or a device")
