"""RAPL's counters as Linux shows them, for hosts where pyRAPL does not find them.

pyRAPL 0.2.3.1 looks for ``package-N`` of every socket that the list of present CPUs gives: it stops at a CPU
that is offline (SMT switched off) and at packages named by their dies (``package-0-die-1``). The layout is
that of Linux's ``Documentation/power/powercap/powercap.rst``.
"""

import re
from collections.abc import Sequence
from pathlib import Path

ROOT = Path("/")
FOLDER = "sys/class/powercap/intel-rapl"
PACKAGE = re.compile(r"package-(\d+)(-die-\d+)?")
ENERGY = "energy_uj"


class FileSensor:
    """What ``pyRAPL.sensor.Sensor`` is to the meter: reads all counters, in µJ.

    Attributes:
        domains: ``package-0``, ``package-0-die-1``, ``dram-0``, ...
        files: the file of each.

    Raises:
        PermissionError: a counter may not be read.
    """

    def __init__(self, found: Sequence[tuple[str, Path]]):
        self.domains = tuple(domain for domain, _ in found)
        self.files = tuple(file for _, file in found)
        self.energy()

    def energy(self) -> list[float]:
        return [float(file.read_text()) for file in self.files]


def find_files() -> list[tuple[str, Path]]:
    """(domain, file of its counter) of every package, then of every DRAM; empty where there is none."""
    packages, memories = [], []
    for folder in sorted((ROOT / FOLDER).glob("intel-rapl:*")):
        name = PACKAGE.fullmatch(name_of(folder))
        if not name or not (folder / ENERGY).exists():
            continue
        packages.append((name[0], folder / ENERGY))
        inner = (each for each in sorted(folder.glob("intel-rapl:*")) if name_of(each) == "dram")
        memories += [(name[0].replace("package", "dram"), each / ENERGY) for each in inner]
    return packages + memories


def name_of(folder: Path) -> str:
    try:
        return (folder / "name").read_text().strip()
    except OSError:
        return ""
