"""Proof of the RAPL meter on any host: counters of its own, driven at a known wattage by a clock of its own.

pyRAPL and the meter are the real ones; the files that they read are in a temporary folder. What this cannot
prove is that a processor's counters tell the truth.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from helpers.lab.intervals import Absent, Interval
from helpers.meters.base import Reading, summed
from helpers.meters.powercap import PowercapTree
from helpers.meters.rapl import UPDATE_S, RaplMeter

# 2^-14 J, the unit of most Intel processors (Software Developer's Manual, MSR_RAPL_POWER_UNIT).
UNIT_UJ = 61.03515625
# Below that of real counters (65 kJ and more), so that a minute holds wraps; above what a window may hold.
RANGE_UJ = 1_200_000_000
FIRST_FILL = 0.95
# No multiple of the counters' update, so that windows begin and end between two.
WINDOW_S = 1.00037


@dataclass(frozen=True)
class Proof:
    """A known energy, and what the meter said of it.

    Attributes:
        true_j: energy of all windows in J.
        measured_j: the meter's figure for them, within its own bounds.
        windows: how many there were.
        wraps: how often counters wrapped in them.
    """

    true_j: float
    measured_j: Interval
    windows: int
    wraps: int

    @property
    def relative_error(self) -> float:
        return abs(self.measured_j.value / self.true_j - 1)

    @property
    def within_bounds(self) -> bool:
        return not self.measured_j.excludes(self.true_j)


@dataclass
class KnownMachine:
    """Counters that move as those of a machine of constant power do, and its clock.

    Args:
        tree: where the counters are.
        power_w: (socket, "package" or "dram") -> W.
        fill: how full the counters are at first, 0 to 1.
    """

    tree: PowercapTree
    power_w: dict[tuple[int, str], float]
    fill: float = FIRST_FILL
    now_s: float = field(default=0.0, init=False)

    def __post_init__(self):
        self.advance(0)

    def clock(self) -> float:
        return self.now_s

    def energy_uj(self, power_w: float) -> float:
        """µJ that a counter has counted, unwrapped: up to its last update, in whole units."""
        updated_s = self.now_s // UPDATE_S * UPDATE_S
        return (self.fill * self.tree.range_uj + updated_s * power_w * 1e6) // UNIT_UJ * UNIT_UJ

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
        for (socket, domain), power_w in self.power_w.items():
            self.tree.set(int(self.energy_uj(power_w) % self.tree.range_uj), socket, domain)

    @property
    def wraps(self) -> int:
        return sum(int(self.energy_uj(power_w) // self.tree.range_uj) for power_w in self.power_w.values())


def measure_known_power(
    package_w: float = 95.0,
    dram_w: float | None = 7.0,
    sockets: int = 2,
    windows: int = 40,
    window_s: float = WINDOW_S,
    range_uj: int = RANGE_UJ,
) -> Proof:
    """What the meter makes of sockets that draw ``package_w`` each, and their memory ``dram_w``, in W.

    Takes well under a second: the clock is not the host's. ``dram_w=None`` is a host that does not count
    DRAM. While it lasts, pyRAPL finds these counters and no others. A window that the meter gives no figure
    for is a ``ValueError``: its reason.
    """
    parts = {"package": package_w} | ({} if dram_w is None else {"dram": dram_w})
    power_w = {(socket, part): watts for socket in range(sockets) for part, watts in parts.items()}
    with tempfile.TemporaryDirectory() as folder:
        tree = PowercapTree(Path(folder), sockets, dram_w is not None, range_uj)
        machine = KnownMachine(tree, power_w)
        with tree.in_place_of_sys():
            readings = read_windows(RaplMeter(machine.clock), machine, windows, window_s)
    true_j = sum(power_w.values()) * windows * window_s
    return Proof(true_j, total_j(readings), windows, machine.wraps)


def read_windows(meter: RaplMeter, machine: KnownMachine, windows: int, window_s: float) -> list[Reading]:
    readings = []
    for _ in range(windows):
        window = meter.open()
        machine.advance(window_s)
        readings.append(window.close())
    return readings


def total_j(readings: list[Reading]) -> Interval:
    total = summed([reading.total_j for reading in readings])
    if isinstance(total, Absent):
        raise ValueError(total.reason)
    return total
