"""``python -m helpers.install``: the locked packages into the running Python, with progress.

Imports the standard library alone: it runs before anything is installed.
"""

import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from helpers.errors import LabError
from helpers.files import require_free_space
from helpers.paths import ROOT

LOCK = ROOT / "requirements.txt"
NEEDED_BYTES = 5_000_000_000
CURE = "run the same command again: packages already downloaded are kept."
PACKAGE_LINE = re.compile(r"Collecting ([\w.\[\]-]+)")
LARGE_DOWNLOAD = re.compile(r"\s*Downloading (\S+?)-\S+ \(([\d.]+) MB\)")


def pip_command(lock: Path) -> list[str]:
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    return [sys.executable, "-m", "pip", "install", *quiet, "-r", str(lock)]


def count_pins(lock: Path) -> int:
    """Packages in a lock file, those for other systems included."""
    return sum("==" in line for line in lock.read_text().splitlines() if not line.lstrip().startswith("#"))


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


def install_packages(lock: Path = LOCK) -> None:
    """Install every package of ``lock`` at its version.

    Raises:
        LabError: too little disk, or pip failed; carries pip's last lines.
    """
    print(
        "Installing the project's packages: minutes the first time, seconds when they are there.", flush=True
    )
    tail: deque[str] = deque(maxlen=8)
    with subprocess.Popen(
        pip_command(lock),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in progress_lines(remembered(process.stdout, tail), count_pins(lock)):
            print(line, flush=True)
    if process.returncode:
        raise LabError(
            f"pip failed:\n{''.join(tail).rstrip()}", f"every package of {lock.name} installed", CURE
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
        install_packages()
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"Interrupted. To go on, {CURE}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
