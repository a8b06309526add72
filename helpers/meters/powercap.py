"""A ``/sys`` of one's own with RAPL counters, in the kernel's layout, that pyRAPL can be made to read.

For proving the meter where no counter is, and for tests. The layout is that of Linux's
``Documentation/power/powercap/powercap.rst``; processors of AMD show the same, without DRAM.
"""

import builtins
import contextlib
import os
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers.meters import rapl_files

POWERCAP = "sys/class/powercap/intel-rapl"


class PowercapTree:
    """Counters on disk.

    Args:
        root: folder that stands for ``/``.
        sockets: processor packages, one CPU each.
        dram: whether each package has a DRAM domain.
        range_uj: where all counters wrap to 0, in µJ.

    Attributes:
        unreadable: the counters refuse to be opened, as those of root do.
    """

    def __init__(self, root: Path, sockets: int = 1, dram: bool = True, range_uj: int = 10**9):
        self.root, self.range_uj, self.unreadable = root, range_uj, False
        self._write("sys/devices/system/cpu/present", f"0-{sockets - 1}" if sockets > 1 else "0")
        for socket in range(sockets):
            self._write(f"sys/devices/system/cpu/cpu{socket}/topology/physical_package_id", socket)
            self._add_domain(self.folder(socket), f"package-{socket}")
            # Core energy is part of the package's; a reader that added it would count it twice.
            self._add_domain(self.folder(socket) / f"intel-rapl:{socket}:0", "core")
            if dram:
                self._add_domain(self.folder(socket, "dram"), "dram")

    def folder(self, socket: int, domain: str = "package") -> Path:
        """Folder of a domain, from ``root``."""
        package = Path(POWERCAP) / f"intel-rapl:{socket}"
        return package / f"intel-rapl:{socket}:1" if domain == "dram" else package

    def set(self, energy_uj: int, socket: int = 0, domain: str = "package") -> None:
        self._write(self.folder(socket, domain) / "energy_uj", energy_uj)

    def write(self, name: str, content: str, socket: int = 0) -> None:
        """Put ``content`` into a file of a package's folder."""
        (self.root / self.folder(socket) / name).write_text(content)

    def remove(self, name: str, socket: int = 0) -> None:
        (self.root / self.folder(socket) / name).unlink()

    def _add_domain(self, folder: Path, name: str) -> None:
        self._write(folder / "name", name)
        self._write(folder / "max_energy_range_uj", self.range_uj)
        self._write(folder / "energy_uj", 0)

    def _write(self, path: str | Path, value: object) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")

    def stand_ins(self) -> dict[str, Any]:
        """Names in ``pyRAPL.device_api`` -> what makes it look below ``root`` for ``/sys``."""
        exists = types.SimpleNamespace(exists=lambda path: os.path.exists(self._moved(path)))  # noqa: PTH110
        return {"os": types.SimpleNamespace(path=exists), "open": self._open}

    @contextlib.contextmanager
    def in_place_of_sys(self) -> Iterator[None]:
        """All look here while this lasts; meters that are open already keep their own files."""
        from pyRAPL import device_api

        before, root = vars(device_api).copy(), rapl_files.ROOT
        vars(device_api).update(self.stand_ins())
        rapl_files.ROOT = self.root
        try:
            yield
        finally:
            rapl_files.ROOT = root
            vars(device_api).pop("open")
            vars(device_api).update(before)

    def _moved(self, path: str) -> str:
        return str(self.root / path.lstrip("/")) if path.startswith("/sys") else path

    def _open(self, path: str, *arguments):
        if self.unreadable and path.endswith("energy_uj"):
            raise PermissionError(13, "Permission denied", path)
        return builtins.open(self._moved(path), *arguments)  # noqa: PTH123
