"""``python -m helpers.suite.install``: the locked packages into the running Python, with progress.

``requirements.in`` states what the project works with; ``requirements.txt`` is one choice of it, the lock.
``requirements-runtimes.in`` and its lock are the extras: further runtimes, which are installed where
``RUNTIMES`` in the environment names them (``openvino,onnxruntime``, or ``all``), and from then on always.

Imports the standard library alone: it runs before anything is installed.
"""

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from helpers.lab.errors import LabError
from helpers.lab.files import require_free_space
from helpers.lab.paths import ROOT

STATED = ROOT / "requirements.in"
LOCK = ROOT / "requirements.txt"
EXTRAS_STATED = ROOT / "requirements-runtimes.in"
EXTRAS_LOCK = ROOT / "requirements-runtimes.txt"
ASKED, ALL = "RUNTIMES", "all"
NEEDED_BYTES = 5_000_000_000
CURE = "run the same command again: packages already downloaded are kept."
PACKAGE_LINE = re.compile(r"Collecting ([\w.\[\]-]+)")
EXTRA_LINE = re.compile(r"# ([a-z]+):")
LARGE_DOWNLOAD = re.compile(r"\s*Downloading (\S+?)-\S+ \(([\d.]+) MB\)")


def pip_command(arguments: Sequence[str]) -> list[str]:
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    return [sys.executable, "-m", "pip", "install", *quiet, *arguments]


def requirement_lines(file: Path) -> list[str]:
    """The requirements of a file, those for other systems included, without comments."""
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("-")]


def extras() -> dict[str, list[str]]:
    """Extra -> its requirements; in the file a line ``# name:`` begins each."""
    found: dict[str, list[str]] = {}
    for line in EXTRAS_STATED.read_text().splitlines():
        begins = EXTRA_LINE.fullmatch(line)
        if begins:
            lines = found.setdefault(begins[1], [])
        elif requirement := line.partition("#")[0].strip():
            lines.append(requirement)
    return found


def asked_extras(text: str) -> list[str]:
    """Extras by their names, as ``RUNTIMES`` has them: ``a,b``, or ``all``.

    Raises:
        LabError: there is none of such a name.
    """
    known, names = list(extras()), [name for name in re.split(r"[,\s]+", text) if name]
    unknown = [name for name in names if name not in (*known, ALL)]
    if unknown:
        raise LabError(
            f"{ASKED}={text}: there is no runtime {', '.join(unknown)} to install.",
            f"of {', '.join(known)} some, separated by commas, or {ALL}",
            f"run `make setup {ASKED}={','.join(known[:2])}`.",
        )
    return [name for name in known if name in names or ALL in names]


def kept_extras() -> Path:
    """The file with the names of the extras that this Python has had installed, one per line."""
    return Path(sys.prefix) / ".extras"


def chosen_extras() -> list[str]:
    """What is asked for now, and what was before."""
    file, known = kept_extras(), extras()
    before = file.read_text().split() if file.is_file() else []
    asked = asked_extras(os.environ.get(ASKED, ""))
    return [name for name in known if name in {*before, *asked}]


def name_of(requirement: str) -> str:
    """Name of a package as registries spell it, from a requirement or another spelling of it."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def progress_lines(output: Iterable[str], total: int) -> Iterator[str]:
    """What is worth telling of pip's output: every 20th package, large downloads, the last step."""
    seen = set()
    for line in output:
        package, download = PACKAGE_LINE.match(line), LARGE_DOWNLOAD.match(line)
        if package and package[1] not in seen:
            seen.add(package[1])
            if len(seen) % 20 == 0:
                yield f"  {len(seen)} of about {total} packages: {package[1]}"
        elif download and float(download[2]) >= 20:
            yield f"  downloading {download[1]}, {float(download[2]):.0f} MB"
        elif line.startswith("Installing collected"):
            yield f"  unpacking {line.count(',') + 1} packages: a minute or two"


def install_lock() -> None:
    """Install every package of the lock at its version, with the extras; raises as ``install_packages``."""
    chosen = chosen_extras()
    more = f" with {', '.join(chosen)}" if chosen else ""
    print(
        f"Installing the project's packages{more}: minutes the first time, seconds when they are there.",
        flush=True,
    )
    arguments = ["-r", str(LOCK), *extra_arguments(chosen)]
    install_packages(arguments, len(requirement_lines(LOCK)))
    kept_extras().write_text("".join(f"{name}\n" for name in chosen))


def extra_arguments(chosen: Iterable[str]) -> list[str]:
    """What pip is told of extras: their requirements, at the lock's versions."""
    lines = [line for name in chosen for line in extras()[name]]
    return [*lines, "-c", str(EXTRAS_LOCK)] if lines else []


def install_packages(arguments: Sequence[str], total: int) -> None:
    """``pip install`` with progress; ``total`` is about how many packages it looks at.

    Raises:
        LabError: pip failed; carries pip's last lines.
    """
    tail: deque[str] = deque(maxlen=8)
    with subprocess.Popen(
        pip_command(arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in progress_lines(remembered(process.stdout, tail), total):
            print(line, flush=True)
    if process.returncode:
        raise LabError(
            f"pip failed:\n{''.join(tail).rstrip()}", "the project's packages installed by pip", CURE
        )


def remembered(lines: Iterable[str], tail: deque[str]) -> Iterator[str]:
    """Pass ``lines`` on and keep the last ones in ``tail``."""
    for line in lines:
        tail.append(line)
        yield line


def first_installation() -> bool:
    return not any(Path(sys.prefix).glob("lib*/**/site-packages/tensorflow"))


def main() -> int:
    """Exit status for the shell: 0, 1 with a message, or 130 when interrupted."""
    try:
        if first_installation():
            require_free_space(Path(sys.prefix), NEEDED_BYTES)
        install_lock()
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"Interrupted. To go on, {CURE}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
