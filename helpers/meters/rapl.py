"""Grade A: the processor's own energy counters (RAPL), read through pyRAPL 0.2.3.1.

What pyRAPL leaves open and this wrapper closes: counters that wrap, files that only root may read, hosts
without RAPL, counters that vanish. ``pyRAPL.Measurement`` is not used: it drops a wrapped counter, and
subtracts clock times that may be set back. Its ``Sensor`` finds the counters and reads them, in µJ.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent
from helpers.meters import rapl_files
from helpers.meters.base import Grade, Quantity, Reading, bounded, counted_window_s

# Khan et al., "RAPL in Action" (ACM TOMPECS 2018): the counters are updated about once per millisecond.
UPDATE_S = 1e-3
# More than any socket draws; a window in which a counter could wrap twice at this power is not trusted.
HIGHEST_POWER_W = 1000.0
# Some virtual machines show counters that never move; a zero from them would be no measurement.
STUCK_UPDATES = 20
DOMAIN_WORDS = ("package", "dram")
USE_ESTIMATE = "choose the meter 'estimate', which needs no counter, or measure on a bare-metal Linux host."
MAKE_READABLE = (
    "`sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj` (lasts until the next boot; the files are "
    "closed by default because precise energy readings can leak secrets of other users), or " + USE_ESTIMATE
)


@dataclass(frozen=True)
class Counter:
    """One RAPL counter.

    Attributes:
        domain: "package-0", "dram-1", ...
        place: where pyRAPL's ``Sensor.energy()`` puts it.
        range_uj: value at which it wraps to 0, in µJ; None if the host does not say.
    """

    domain: str
    place: int
    range_uj: float | None


def open_sensor() -> Any:
    """pyRAPL's sensor over all sockets. Raises ``LabError``, with the cure, where there is none to read."""
    # pyRAPL imports pandas, which hosts without RAPL should not wait for at import.
    from pyRAPL.exception import PyRAPLException
    from pyRAPL.sensor import Sensor

    try:
        return Sensor()
    except PermissionError as error:
        raise LabError(
            f"{error.filename} is not readable by this user.", "readable RAPL counters", MAKE_READABLE
        ) from error
    except (PyRAPLException, OSError, ValueError, IndexError) as error:
        if found := rapl_files.find_files():
            return open_files(found)
        raise LabError(
            f"this host offers no RAPL counters: pyRAPL finds none ({type(error).__name__}), and there is no "
            "package below /sys/class/powercap/intel-rapl. Virtual machines rarely pass them on.",
            "counters below /sys/class/powercap/intel-rapl",
            USE_ESTIMATE,
        ) from error


def open_files(found: Sequence[tuple[str, Path]]) -> rapl_files.FileSensor:
    try:
        return rapl_files.FileSensor(found)
    except (OSError, ValueError) as error:
        denied = isinstance(error, PermissionError)
        raise LabError(
            f"{getattr(error, 'filename', None) or found[0][1]} cannot be read by this user: {error}.",
            "readable RAPL counters",
            MAKE_READABLE if denied else USE_ESTIMATE,
        ) from error


def list_counters(sensor: Any) -> tuple[Counter, ...]:
    """The counters that were opened, packages first, then DRAM, by socket."""
    if isinstance(sensor, rapl_files.FileSensor):
        pairs = zip(sensor.domains, sensor.files, strict=True)
        return tuple(Counter(d, place, read_range_uj(str(f))) for place, (d, f) in enumerate(pairs))
    return tuple(
        # pyRAPL's layout: package of socket 0, DRAM of socket 0, package of socket 1, ...
        Counter(f"{DOMAIN_WORDS[device]}-{socket}", socket * 2 + device, read_range_uj(file.name))
        for device, api in sorted(sensor._device_api.items())
        for socket, file in zip(api._socket_ids, api._sys_files, strict=True)
    )


def read_range_uj(energy_file: str) -> float | None:
    try:
        return float((Path(energy_file).parent / "max_energy_range_uj").read_text())
    except (OSError, ValueError):
        return None


def counted_uj(before_uj: float, after_uj: float, range_uj: float | None) -> float | Absent:
    """µJ between two readings of a counter that may have wrapped once."""
    if after_uj >= before_uj:
        return after_uj - before_uj
    if range_uj is None:
        return Absent("the counter wrapped, and the host does not say where (max_energy_range_uj)")
    return after_uj - before_uj + range_uj


def energy_between(counter: Counter, before_uj: float, after_uj: float, duration_s: float) -> Quantity:
    """Energy in J; its bounds are the power of one update more or less at the ends of the window."""
    if counter.range_uj and duration_s * HIGHEST_POWER_W * 1e6 >= counter.range_uj:
        return Absent(f"a window of {duration_s:.0f} s is so long that the counter may have wrapped twice")
    if after_uj == before_uj and duration_s >= STUCK_UPDATES * UPDATE_S:
        return Absent(f"the counter {counter.domain} did not move in {duration_s:.2g} s")
    energy_uj = counted_uj(before_uj, after_uj, counter.range_uj)
    if isinstance(energy_uj, Absent):
        return energy_uj
    energy_j = energy_uj * 1e-6
    stale_j = energy_j * min(1.0, UPDATE_S / duration_s)
    return bounded(energy_j, energy_j - stale_j, energy_j + stale_j)


def read_counters(sensor: Any) -> Sequence[float] | Absent:
    try:
        return sensor.energy()
    except (OSError, ValueError) as error:
        return Absent(f"the RAPL counters could not be read during the measurement ({error})")


class RaplWindow:
    def __init__(self, sensor: Any, counters: tuple[Counter, ...], clock: Callable[[], float]):
        self._sensor, self._counters, self._clock = sensor, counters, clock
        self._before = read_counters(sensor)
        self._started_s = clock()

    def close(self) -> Reading:
        duration_s = self._clock() - self._started_s
        after = read_counters(self._sensor)
        return Reading(duration_s, {c.domain: self._energy(c, after, duration_s) for c in self._counters})

    def _energy(self, counter: Counter, after: Sequence[float] | Absent, duration_s: float) -> Quantity:
        for values in (self._before, after):
            if isinstance(values, Absent):
                return values
        return energy_between(counter, self._before[counter.place], after[counter.place], duration_s)


class RaplMeter:
    """Energy of all processor packages, and of DRAM where the host counts it.

    Args:
        clock: seconds, as ``time.perf_counter`` gives them; ``proof`` brings its own.

    Raises ``LabError`` on a host without RAPL, or where its files may not be read.
    """

    name = "pyRAPL"
    grade: Grade = "A"
    resolution_s = UPDATE_S
    shortest_window_s = counted_window_s(UPDATE_S)
    sees_idle = True
    shared_range = False

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self._clock = clock
        self._sensor = open_sensor()
        self._counters = list_counters(self._sensor)
        self.domains = tuple(counter.domain for counter in self._counters)

    def describe(self) -> str:
        has_dram = any(domain.startswith("dram") for domain in self.domains)
        dram = "" if has_dram else " This host has no DRAM counter: the memory's energy is in no figure."
        itself = isinstance(self._sensor, rapl_files.FileSensor)
        way = "from Linux's files, since pyRAPL does not find them" if itself else "through pyRAPL"
        return (
            f"Measured by the processor's own counters (RAPL, {way}): {', '.join(self.domains)}. "
            f"They count the whole socket, other programs included.{dram}"
        )

    def open(self) -> RaplWindow:
        return RaplWindow(self._sensor, self._counters, self._clock)
