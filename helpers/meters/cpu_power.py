"""Power per busy core of this host's processor, from its rated power (TDP) in a database.

A core's share of the rated power, TDP / cores, is multiplied by two factors, which are assumptions:

* ``LEAST``, 0.5: two threads on one core each get CPU time of their own, so a second of CPU time may be half
  a second of a core.
* ``MOST``, 4: a core that is busy alone runs at its highest clock, and takes power that the others leave. The
  whole processor may draw up to 2.5 times its rated power by itself (AnandTech's review of Ryzen 5000, 2020).

The range is refused, in favour of ``estimate.POWER_W``, where TDP / cores means nothing: an unknown name,
cores of two kinds, or a virtual machine, whose number of cores is not the processor's (unless the name tells
it, as AMD's names do).
"""

import re
from dataclasses import dataclass
from pathlib import Path

import psutil

from helpers.lab import host
from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent
from helpers.meters.codecarbon_data import CPU_POWER, cited, cpu_powers
from helpers.meters.estimate import POWER_W

LEAST, MOST = 0.5, 4.0
EFFICIENCY_CORES = Path("/sys/devices/cpu_atom")  # Linux shows it on processors with cores of two kinds
CORES_IN_NAME = re.compile(r"\b(\d+)-core\b")
NO_PART_OF_THE_NAME = re.compile(
    r"\((r|tm|c)\)|@.*|\bwith\b.*|\b\d+-core\b|\b(cpu|processor)\b|\b\d+th gen\b|\bquad-core\b|[®™]"
)


@dataclass(frozen=True)
class PowerRange:
    """W per busy core, (low, high), and where they come from, as a clause without a full stop."""

    power_w: tuple[float, float]
    source: str


def plain_name(name: str) -> str:
    """ "Intel(R) Xeon(R) Gold 6226R CPU @ 2.90GHz" -> "intel xeon gold 6226r"."""
    return " ".join(NO_PART_OF_THE_NAME.sub(" ", name.lower()).split())


def rated_power_w(name: str) -> float | Absent:
    """Rated power of the processor of that name. Near names are other processors, and do not count."""
    known = {plain_name(entry): watts for entry, watts in cpu_powers().items()}
    return known.get(plain_name(name)) or Absent(f"the database does not know the processor {name!r}")


def cores_per_processor(name: str) -> int | Absent:
    """Physical cores in one socket."""
    if EFFICIENCY_CORES.exists() or name.startswith("Apple"):
        return Absent("this processor has cores of two kinds, which differ in power")
    if told := CORES_IN_NAME.search(name.lower()):
        return int(told[1])
    if host.hypervisor() not in ("no", None):
        return Absent("a virtual machine does not show how many cores the processor has")
    counted = host.parse_cpuinfo(host.read_text(host.CPUINFO) or "").get("cpu cores", "")
    return int(counted) if counted.isdecimal() else psutil.cpu_count(logical=False) or Absent("cores unknown")


def known_range(name: str) -> PowerRange | Absent:
    """The range of a processor by name; ``LEAST`` to ``MOST`` times TDP / cores."""
    try:
        tdp_w = rated_power_w(name)
    except LabError as error:
        return Absent(error.found.rstrip("."))
    cores = tdp_w if isinstance(tdp_w, Absent) else cores_per_processor(name)
    if isinstance(cores, Absent):
        return cores
    share_w = tdp_w / cores
    source = (
        f"{LEAST:g} to {MOST:g} times rated power / cores of the {plain_name(name)}, {tdp_w:g} W / {cores}"
        f" ({cited(CPU_POWER)}); the factors are assumed"
    )
    return PowerRange((round(LEAST * share_w, 2), round(MOST * share_w, 2)), source)


def host_range() -> PowerRange:
    """The range of this host's processor, or the one stated for any, with the reason."""
    found = known_range(host.cpu()[0])
    if isinstance(found, PowerRange):
        return found
    return PowerRange(POWER_W, f"that of any processor, since {found.reason}")
