"""What disturbs a round, where the system tells: stolen time, preemption, frequency, temperature.

Disturbed rounds are kept and marked, never dropped: which rounds count is not decided after seeing them. The
rules look at the system alone, never at the latencies; a rule that did would choose its own result.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import psutil

from helpers.energy.rounds.records import Disturbed, Marked, Measurement, Observed
from helpers.energy.rounds.visiting import context_switches, since
from helpers.lab.intervals import Absent

PROC = Path("/proc")
CPU_FOLDER = Path("/sys/devices/system/cpu")
STEAL_SHARE = 0.01
# The kernel's own work interrupts a core a few times per second; a process that shares it, every 3 to 4 ms.
SWITCHES_PER_S = 20.0
FREQUENCY_OFF = 0.05
RULES: Mapping[str, str] = {
    "steal": f"other virtual machines took more than {STEAL_SHARE:.0%} of the cores' time",
    "switches": f"this process, of one thread, was preempted more than {SWITCHES_PER_S:g} times per second",
    "frequency": f"frequency off the median of all rounds by more than {FREQUENCY_OFF:.0%}",
}
UNWATCHED = Absent("the rounds were not watched, or nothing that disturbs them can be read on this system")


def read_text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def cpu_ticks(cpus: Sequence[int] | None, proc: Path = PROC) -> tuple[int, int] | None:
    """``(stolen, all)`` ticks of 10 ms of these cores (None: of all) since the start; None if unreadable.

    Fields as in proc(5): the first eight add up to all time, the eighth is steal.
    """
    wanted = {"cpu"} if cpus is None else {f"cpu{cpu}" for cpu in cpus}
    lines = [line.split() for line in (read_text(proc / "stat") or "").splitlines()]
    ticks = [[int(field) for field in line[1:9]] for line in lines if line and line[0] in wanted]
    if not ticks or len(ticks) < len(wanted) or any(len(fields) < 8 for fields in ticks):
        return None
    return sum(fields[7] for fields in ticks), sum(sum(fields) for fields in ticks)


def frequency_mhz(
    cpus: Sequence[int] | None, cpu_folder: Path = CPU_FOLDER, proc: Path = PROC
) -> float | None:
    """Mean current frequency of these cores (None: of all) in MHz: cpufreq's, else that of /proc/cpuinfo."""
    names = [f"cpu{cpu}" for cpu in cpus] if cpus else [p.name for p in cpu_folder.glob("cpu[0-9]*")]
    khz = [read_text(cpu_folder / name / "cpufreq" / "scaling_cur_freq") for name in names]
    if khz and all(entry and entry.strip().isdigit() for entry in khz):
        return float(np.mean([int(entry) for entry in khz])) / 1000
    listed = re.findall(r"^cpu MHz\s*:\s*([\d.]+)", read_text(proc / "cpuinfo") or "", re.MULTILINE)
    chosen = [float(listed[cpu]) for cpu in (cpus or range(len(listed))) if cpu < len(listed)]
    return float(np.mean(chosen)) if chosen else None


def temperature_c() -> float | None:
    """Highest temperature of all sensors in degrees Celsius; None where there are none."""
    try:
        sensors = psutil.sensors_temperatures()
    except (AttributeError, OSError, RuntimeError, ValueError):
        return None
    values = [entry.current for entries in sensors.values() for entry in entries if entry.current]
    return max(values, default=None)


class Watch:
    """Counters of the system from now on.

    Args:
        cpus: cores to watch; None for all.
        proc, cpu_folder: where the kernel tells.
    """

    def __init__(self, cpus: Sequence[int] | None, proc: Path = PROC, cpu_folder: Path = CPU_FOLDER):
        self._cpus, self._proc, self._cpu_folder = cpus, proc, cpu_folder
        self._ticks, self._switches = cpu_ticks(cpus, proc), context_switches()
        self._started_s = time.perf_counter()

    def observed(self) -> Observed:
        watched_s = time.perf_counter() - self._started_s
        ticks = since(self._ticks, cpu_ticks(self._cpus, self._proc))
        switches = since(self._switches, context_switches()) or (None, None)
        return Observed(
            watched_s,
            steal_share=ticks[0] / ticks[1] if ticks and ticks[1] > 0 else None,
            voluntary_switches=switches[0],
            involuntary_switches=switches[1],
            frequency_mhz=frequency_mhz(self._cpus, self._cpu_folder, self._proc),
            temperature_c=temperature_c(),
        )


def column(observed: Sequence[Observed], name: str) -> np.ndarray:
    """One observed quantity of every round: float ``[rounds]``, NaN where it is not known."""
    values = [getattr(seen, name) for seen in observed]
    return np.array([np.nan if value is None else value for value in values], float)


def off_steal(observed: Sequence[Observed], threads: int) -> np.ndarray:
    return column(observed, "steal_share") - STEAL_SHARE


def off_switches(observed: Sequence[Observed], threads: int) -> np.ndarray:
    """Unknown for several threads: those of one process preempt each other, hundreds of times per second."""
    if threads > 1:
        return np.full(len(observed), np.nan)
    return column(observed, "involuntary_switches") - SWITCHES_PER_S * column(observed, "watched_s")


def off_frequency(observed: Sequence[Observed], threads: int) -> np.ndarray:
    mhz = column(observed, "frequency_mhz")
    median = np.median(mhz[np.isfinite(mhz)]) if np.isfinite(mhz).any() else np.nan
    return np.abs(mhz / median - 1) - FREQUENCY_OFF


_CHECKS: Mapping[str, Callable[[Sequence[Observed], int], np.ndarray]] = {
    "steal": off_steal,
    "switches": off_switches,
    "frequency": off_frequency,
}


def excess_of(raw: Measurement) -> dict[str, np.ndarray]:
    """Rule -> by how much each round breaks it, ``[rounds]``; NaN where it cannot be read."""
    observed = [played.observed for played in raw.rounds]
    return {name: check(observed, raw.settings.threads) for name, check in _CHECKS.items()}


def disturbed_rounds(raw: Measurement) -> dict[int, tuple[str, ...]] | Absent:
    """Number of each disturbed round -> names of the ``RULES`` that mark it; absent if no rule can be read.

    A rule is broken by more than its bound; one that cannot be read marks nothing.
    """
    excess = excess_of(raw)
    if not any(np.isfinite(values).any() for values in excess.values()):
        return UNWATCHED
    marked = {n: tuple(name for name in RULES if excess[name][n] > 0) for n in range(len(raw.rounds))}
    return {number: names for number, names in marked.items() if names}


def disturbed_count(raw: Measurement) -> int | Absent:
    """How many rounds are marked as disturbed."""
    marked = disturbed_rounds(raw)
    return marked if isinstance(marked, Absent) else len(marked)


def disturbance_facts(raw: Measurement) -> Disturbed:
    """For the record."""
    marked = disturbed_rounds(raw)
    found = {} if isinstance(marked, Absent) else marked
    unreadable = (name for name, values in excess_of(raw).items() if not np.isfinite(values).any())
    return Disturbed(dict(RULES), tuple(unreadable), tuple(Marked(*each) for each in found.items()))
