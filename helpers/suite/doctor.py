"""What this machine offers, and the cure of each thing that it lacks."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from rich.markup import escape
from rich.table import Table

from helpers.lab import host, mongo
from helpers.lab.paths import data_dir
from helpers.lab.units import format_bytes
from helpers.suite.install import ASKED, LOCK, STATED, extras, name_of, requirement_lines

OK, LIMITED, OPTIONAL, MISSING = "ok", "limited", "optional, absent", "missing"
STATE_STYLES = {OK: "green", LIMITED: "yellow", OPTIONAL: "dim", MISSING: "red"}
PYTHON_RANGE = ((3, 11), (3, 14))
POWERCAP = Path("/sys/class/powercap")
MEMORY_NEEDED_BYTES = 4_000_000_000
DISK_NEEDED_BYTES = 3_000_000_000
CURE_RAPL_READ = (
    "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj (until the next boot: kernels let only "
    "root read it). Without it, energy is an estimate (grade C)."
)
CURE_RAPL_ABSENT = (
    "run on a physical Linux machine with an Intel or AMD CPU: virtual machines and Colab hide the counters. "
    "Without them, energy is an estimate (grade C)."
)


@dataclass(frozen=True)
class Finding:
    """One thing examined.

    Attributes:
        name: what was examined.
        state: "ok", "limited" (works, with a loss), "optional, absent" (nothing is lost) or "missing".
        detail: what was found.
        cure: what would put it right; empty if ok, "none needed" where the loss does not matter.
    """

    name: str
    state: str
    detail: str
    cure: str = ""


def examine() -> list[Finding]:
    """All findings, in the order of reading. Takes a few seconds; changes nothing."""
    return [
        examine_python(sys.version_info[:2]),
        examine_packages(LOCK.read_text().splitlines(), requirement_lines(STATED)),
        *(examine_extra(name, lines) for name, lines in extras().items()),
        examine_mongod(),
        examine_cpu(*host.cpu()),
        examine_rapl(),
        examine_pyrapl(),
        examine_gpu(),
        examine_memory(host.memory_bytes()),
        examine_disk(data_dir()),
        examine_git(),
    ]


def examine_python(version: tuple[int, int]) -> Finding:
    lowest, too_high = PYTHON_RANGE
    if lowest <= version < too_high:
        return Finding("Python", OK, platform.python_version())
    cure = (
        "install Python 3.11, 3.12 or 3.13, delete .venv and run `make setup` (PYTHON=python3.12 picks one)."
    )
    return Finding("Python", MISSING, f"{version[0]}.{version[1]}, outside 3.11 to 3.13", cure)


def locked_requirements(lines: Iterable[str]) -> list[Requirement]:
    """The pins of a lock file that apply to this Python and system."""
    pins = [Requirement(line) for line in lines if line.strip() and not line.lstrip().startswith(("#", "-"))]
    return [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]


def differing_packages(lines: Iterable[str]) -> list[str]:
    """ "name found (locked)" of each package that is absent or of another version than locked."""
    differing = []
    for pin in locked_requirements(lines):
        try:
            found = importlib.metadata.version(pin.name)
        except importlib.metadata.PackageNotFoundError:
            found = "absent"
        if found == "absent" or not pin.specifier.contains(found, prereleases=True):
            differing.append(f"{pin.name} {found} (locked {pin.specifier})")
    return differing


def examine_packages(lines: list[str], stated: list[str]) -> Finding:
    """Installed packages against the lock's lines, and against the ranges that the project works with."""
    differing = differing_packages(lines)
    if not differing:
        return Finding("Packages", OK, f"all {len(locked_requirements(lines))} at their locked versions")
    more = f" and {len(differing) - 4} more" if len(differing) > 4 else ""
    detail = ", ".join(differing[:4]) + more
    if not differing_packages(stated):
        return Finding("Packages", LIMITED, detail, f"none needed: {STATED.name} allows these versions.")
    state = MISSING if any(" absent " in entry for entry in differing) else LIMITED
    return Finding("Packages", state, detail, "run `make setup`.")


def examine_extra(name: str, stated: Sequence[str]) -> Finding:
    """A further runtime, or what else is installed only where it is asked for.

    Args:
        stated: its requirements.
    """
    names, cure = list(map(name_of, stated)), f"run `make setup {ASKED}={name}`."
    found = {package: host.package_version(package) for package in names}
    detail = ", ".join(f"{package} {version}" for package, version in found.items())
    if "absent" in found.values():
        return Finding(name, OPTIONAL, detail, cure)
    differing = differing_packages(stated)
    return Finding(name, LIMITED, ", ".join(differing), cure) if differing else Finding(name, OK, detail)


def examine_mongod() -> Finding:
    status = mongo.check_mongod()
    return Finding("MongoDB", OK if status.usable else MISSING, status.detail, status.cure)


def examine_cpu(model: str, flags: frozenset[str]) -> Finding:
    """Whether the CPU has the integer dot products that make int8 faster than float32."""
    shown = [flag for flag in host.ISA_FLAGS if flag in flags]
    detail = f"{model}, {host.usable_cores()} usable cores; {', '.join(shown) or 'no known flags'}"
    if flags & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "dotprod", "i8mm"}:
        return Finding("CPU", OK, detail)
    loss = "none for this CPU: it has no int8 dot product, so expect less gain from int8 than on newer ones."
    return Finding("CPU", LIMITED, detail, loss)


def examine_rapl(powercap: Path = POWERCAP) -> Finding:
    """Intel and AMD's energy counters, through Linux's powercap files."""
    counters = sorted(powercap.glob("intel-rapl:*/energy_uj"))
    if not counters:
        return Finding("RAPL", MISSING, f"no energy counters in {powercap}", CURE_RAPL_ABSENT)
    readable = [counter for counter in counters if host.read_int(counter) is not None]
    if not readable:
        return Finding("RAPL", LIMITED, "energy counters present but not readable", CURE_RAPL_READ)
    names = [host.read_text(counter.with_name("name")) or host.UNKNOWN for counter in readable]
    return Finding("RAPL", OK, f"energy counters of {', '.join(names)}")


def examine_pyrapl() -> Finding:
    version = host.package_version("pyRAPL")
    if version == "absent":
        return Finding("pyRAPL", MISSING, "not installed", "run `make setup`.")
    return Finding("pyRAPL", OK, version)


def examine_gpu() -> Finding:
    """NVIDIA's driver, by its own program; the suite measures CPUs and needs no GPU."""
    cure = "none needed: the suite runs on the CPU; a GPU only makes `make train` faster."
    program = shutil.which("nvidia-smi")
    if program is None:
        return Finding("GPU", OPTIONAL, "no NVIDIA driver", cure)
    query = [program, "--query-gpu=name,power.draw", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("GPU", LIMITED, f"nvidia-smi failed: {error}", cure)
    if done.returncode or not done.stdout.strip():
        return Finding("GPU", LIMITED, f"nvidia-smi: {(done.stdout + done.stderr).strip()[:120]}", cure)
    return Finding("GPU", OK, "; ".join(done.stdout.strip().splitlines()))


def examine_memory(total_bytes: int) -> Finding:
    detail = format_bytes(total_bytes)
    if total_bytes >= MEMORY_NEEDED_BYTES:
        return Finding("Memory", OK, detail)
    needed = format_bytes(MEMORY_NEEDED_BYTES)
    return Finding(
        "Memory", LIMITED, f"{detail}, {needed} advised", "close other programs, or use PROFILE=smoke."
    )


def examine_disk(folder: Path) -> Finding:
    """Free space and the right to write where data go."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free_bytes = shutil.disk_usage(existing).free
    if not existing.is_dir():
        return Finding("Disk", MISSING, f"{existing} is no folder", "set QUANTLAB_DATA to a folder.")
    if not os.access(existing, os.W_OK):
        return Finding(
            "Disk", MISSING, f"{existing} is not writable", "set QUANTLAB_DATA to a folder that is."
        )
    if free_bytes >= DISK_NEEDED_BYTES:
        return Finding("Disk", OK, f"{format_bytes(free_bytes)} free for {folder}")
    cure = "free some space (`python -m helpers clean`), or set QUANTLAB_DATA to a folder on a larger disk."
    needed = format_bytes(DISK_NEEDED_BYTES)
    return Finding("Disk", LIMITED, f"{format_bytes(free_bytes)} free, {needed} advised", cure)


def examine_git() -> Finding:
    facts = host.commit()
    if facts["commit"] is None:
        cure = "none needed; install git and use a clone to have records name their commit."
        return Finding("Git", LIMITED, "commit unknown", cure)
    return Finding("Git", OK, facts["commit"][:10] + (", with changes" if facts["dirty"] else ""))


def render(findings: Iterable[Finding]) -> Table:
    """A table for ``rich.console.Console.print``."""
    table = Table(title="What this machine offers", show_lines=False)
    for column in ("", "State", "Found", "Cure"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        state = f"[{STATE_STYLES[finding.state]}]{finding.state}[/]"
        table.add_row(finding.name, state, escape(finding.detail), escape(finding.cure))
    return table
