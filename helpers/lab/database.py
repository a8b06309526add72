"""The project's own FiftyOne database: under ``data/fiftyone``, apart from the user's other FiftyOne data."""

import contextlib
import email.message
import functools
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from helpers.lab.errors import LabError
from helpers.lab.files import disk_errors_explained, require_free_space, sha256_bytes
from helpers.lab.mongo import check_mongod, require_usable, server_address
from helpers.lab.quietly import stderr_muted

NEEDED_BYTES = 500_000_000  # an empty MongoDB takes 300 MB: its journal is laid out in advance
GROWTH_BYTES = 20_000_000  # for one that is there already
LEAVING_TIMEOUT_S = 30
CONNECTED_PORT = "FIFTYONE_PRIVATE_DATABASE_PORT"  # FiftyOne sets it once connected; children inherit it
CURE_START = "run the same command again; if it persists, delete that folder: 01_download.ipynb refills it."


def fiftyone_environment(data_dir: Path) -> dict[str, str]:
    """Settings for FiftyOne, to be made defaults before it is imported (``prepare`` does that).

    The database name is the project's own as well, for servers that hold other people's data too.
    """
    folder = data_dir.resolve() / "fiftyone"
    return {
        "FIFTYONE_DATABASE_DIR": str(folder / "database"),
        "FIFTYONE_DATABASE_NAME": f"quantlab-{folder_id(data_dir)}",
        "FIFTYONE_DATABASE_VALIDATION": "false",  # `check_mongod` does that, without printing a notice
        "FIFTYONE_DEFAULT_DATASET_DIR": str(folder / "zoo"),
        "FIFTYONE_DO_NOT_TRACK": "true",
        "FIFTYONE_SHOW_PROGRESS_BARS": "false",
        "FIFTYONE_LOGGING_LEVEL": "WARNING",
    }


def folder_id(data_dir: Path) -> str:
    return sha256_bytes(str(data_dir.resolve()).encode())[:12]


def prepare(data_dir: Path) -> None:
    """Make ``fiftyone_environment`` the defaults of this process; what the user has set stays."""
    for name, value in fiftyone_environment(data_dir).items():
        os.environ.setdefault(name, value)


def connect(data_dir: Path) -> None:
    """Connect FiftyOne to the project's database, started if it is not running. Safe to call again.

    Processes that start at the same moment wait for one another: FiftyOne by itself would start two
    servers on one folder, of which one fails after a minute.

    Raises:
        LabError: no ``mongod``, a disk that is full or read-only, or a server that does not start.
    """
    prepare(data_dir)
    folder = Path(os.environ["FIFTYONE_DATABASE_DIR"])
    if CONNECTED_PORT in os.environ:
        return establish(folder)
    require_usable(check_mongod())
    if server_address():
        return establish(folder)
    with disk_errors_explained(folder):
        make_folder(folder)
        require_free_space(folder, GROWTH_BYTES if any(folder.glob("*.wt")) else NEEDED_BYTES)
        with start_lock(folder.with_name(f"{folder.name}.lock")):
            claim_service(folder)
            establish(folder)


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise LabError(
            f"{folder} cannot be made: {error.strerror}.",
            "a folder for FiftyOne's database",
            "set QUANTLAB_DATA to a folder that you may write to.",
        ) from error


@contextlib.contextmanager
def start_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path``; released by the system if the process dies. None on Windows."""
    with path.open("a") as file:
        with contextlib.suppress(ImportError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def claim_service(folder: Path) -> None:
    """Let FiftyOne share a server only with processes that use the same ``folder``.

    FiftyOne joins any server that it started for this user, whatever its folder, and finds it by the
    service name on its command line; so the name gets the folder's id.
    """
    with absent_metadata_allowed():
        service = importlib.import_module("fiftyone.core.service").DatabaseService
    service.service_name = f"db-{folder_id(folder)}"
    service.command = property(functools.partial(own_command, service.command.fget))
    wait_for_leaving(service.service_name)
    stop_orphans(folder)


@contextlib.contextmanager
def absent_metadata_allowed() -> Iterator[None]:
    """Let FiftyOne be imported after a library that brings ``importlib_metadata`` (Dask, OpenVINO's tools).

    That puts itself before Python's own and raises ``KeyError`` for what a package does not say of itself;
    FiftyOne's ``eta`` asks for more than is there, and expects None.
    """
    if "importlib_metadata" not in sys.modules:
        yield
        return
    adapters = importlib.import_module("importlib_metadata._adapters")
    strict = adapters.Message.__getitem__
    adapters.Message.__getitem__ = email.message.Message.__getitem__
    try:
        yield
    finally:
        adapters.Message.__getitem__ = strict


def own_command(command: Callable[[Any], list[str]], service: Any) -> list[str]:
    """FiftyOne's command without the ``sudo`` that it puts before it on Colab.

    The folder is the user's own; not every machine has ``sudo``; and as the server's parent it would hide to
    which service the server belongs (``is_orphan``).
    """
    return [part for part in command(service) if part != "sudo"]


def wait_for_leaving(service_name: str) -> None:
    """Wait for a server that is shutting down: it still holds the folder, but takes no new clients."""
    util = importlib.import_module("fiftyone.service.util")
    for process in util.find_processes_by_args(["--51-service", service_name, "--multi"]):
        try:
            accepted = util.send_ipc_message(process, ("register", os.getpid())) is True
        except (OSError, EOFError, psutil.Error):
            accepted = False
        if not accepted:
            psutil.wait_procs([process], timeout=LEAVING_TIMEOUT_S)


def is_orphan(process: psutil.Process, folder: Path) -> bool:
    """Whether ``process`` is a mongod on ``folder`` whose FiftyOne service was killed."""
    try:
        arguments = process.cmdline()
        parent = process.parent()
        served = parent is not None and "--51-service" in parent.cmdline()
    except psutil.Error:
        return False
    return "--dbpath" in arguments and str(folder) in arguments and not served


def stop_orphans(folder: Path) -> None:
    """End servers on ``folder`` that outlived a killed FiftyOne: they would keep every new one out."""
    own = [p for p in psutil.process_iter(["name"]) if (p.info["name"] or "").startswith("mongod")]
    orphans = [process for process in own if is_orphan(process, folder)]
    for process in orphans:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGTERM)
    psutil.wait_procs(orphans, timeout=LEAVING_TIMEOUT_S)


def establish(folder: Path) -> None:
    """FiftyOne's own connection; all that can go wrong becomes a ``LabError``."""
    database = importlib.import_module("fiftyone.core.odm.database")
    try:
        # The server's processes inherit this standard error: what they say when they die is in their log.
        with stderr_muted():
            database.ensure_connection()
    except Exception as error:  # FiftyOne raises many unrelated types here
        raise LabError(
            f"FiftyOne's database in {folder} did not start: {last_log_error(folder) or error}",
            "a MongoDB server that starts",
            CURE_START,
        ) from error


def last_log_error(folder: Path) -> str:
    """The last error line of MongoDB's log, shortened; empty if there is none."""
    try:
        lines = (folder / "log" / "mongo.log").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    errors = [line for line in lines if '"s":"E"' in line or '"s":"F"' in line]
    return errors[-1][-400:] if errors else ""
