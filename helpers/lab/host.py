"""What a result was computed on: this machine, its CPU, its libraries, the commit. Never raises.

A fact that cannot be read is None (a text is "unknown"): provenance is worth having in part.
"""

import functools
import importlib.metadata
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from helpers.lab.files import sha256_json
from helpers.lab.paths import ROOT

UNKNOWN = "unknown"
PACKAGES_OF_RESULTS = (
    "numpy", "tensorflow", "ai-edge-litert", "ai-edge-quantizer", "fiftyone",
)  # fmt: skip
PACKAGES = (
    *PACKAGES_OF_RESULTS, "tf-keras", "tensorflow-hub", "pillow", "scipy", "pandas",
    "matplotlib", "papermill", "pyRAPL", "psutil", "openvino", "nncf", "onnxruntime", "onnx", "distributed",
)  # fmt: skip
ISA_FLAGS = (
    "sse4_1", "sse4_2", "avx", "avx2", "f16c", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni",
    "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16",
    "asimd", "asimdhp", "asimddp", "dotprod", "i8mm", "bf16", "sve",
)  # fmt: skip
CPUINFO = Path("/proc/cpuinfo")
SYS_CPU0 = Path("/sys/devices/system/cpu/cpu0/cpufreq")
CGROUP = Path("/sys/fs/cgroup")


def read_text(path: Path) -> str | None:
    """Stripped content of a small file; None where it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def read_int(path: Path) -> int | None:
    text = read_text(path)
    return int(text) if text and text.isdecimal() else None


def parse_cpuinfo(text: str) -> dict[str, str]:
    """First value of each key of Linux's ``/proc/cpuinfo``."""
    facts: dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.partition(":")
        if separator:
            facts.setdefault(key.strip(), value.strip())
    return facts


@functools.cache
def cpu() -> tuple[str, frozenset[str]]:
    """CPU model and all its instruction-set flags, as the system names them."""
    facts = parse_cpuinfo(read_text(CPUINFO) or "")
    flags = frozenset((facts.get("flags") or facts.get("Features") or "").split())
    model = facts.get("model name") or facts.get("Model") or ""
    return (model, flags) if model and flags else asked_cpu(model, flags)


def asked_cpu(model: str, flags: frozenset[str]) -> tuple[str, frozenset[str]]:
    """The same by py-cpuinfo, which takes a second and works elsewhere than on Linux too."""
    try:
        import cpuinfo

        info = cpuinfo.get_cpu_info()
    except Exception:  # it runs other programs and parses what they print
        info = {}
    named = model or info.get("brand_raw") or platform.processor() or UNKNOWN
    return named, flags or frozenset(info.get("flags", ()))


def isa_flags() -> list[str]:
    """The flags of this CPU that decide which kernels a runtime picks."""
    return [flag for flag in ISA_FLAGS if flag in cpu()[1]]


def os_family() -> str:
    """System and its release family: "debian 12", "Darwin 24". Security updates leave it as it is."""
    try:
        release = platform.freedesktop_os_release()
        return f"{release['ID']} {release.get('VERSION_ID', '')}".strip()
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release().split('.')[0]}"


def hypervisor() -> str | None:
    """Name of the virtual machine's vendor, "yes" if only known to be one, "no", or None if unknown."""
    if "hypervisor" in cpu()[1]:
        return read_text(Path("/sys/class/dmi/id/sys_vendor")) or "yes"
    return "no" if CPUINFO.exists() and platform.machine() == "x86_64" else None


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int:
    """Memory that this process may use: the machine's, or its container's if that is less."""
    limit = read_int(CGROUP / "memory.max") or read_int(CGROUP / "memory" / "memory.limit_in_bytes")
    total = psutil.virtual_memory().total
    return min(total, limit) if limit else total


@functools.cache
def package_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def versions(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    return {name: package_version(name) for name in names}


def git(*arguments: str) -> str | None:
    """Output of a git command in the project; None without git or outside a repository."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments],
            capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def commit() -> dict[str, Any]:
    """``commit`` (40 hex digits) and ``dirty`` (whether any file differs from it); None if unknown."""
    changes = git("status", "--porcelain")
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}


def frequency() -> dict[str, Any]:
    """Frequency governor and range in MHz, where the system shows them (virtual machines do not)."""
    limits_khz = {name: read_int(SYS_CPU0 / f"cpuinfo_{name}_freq") for name in ("min", "max")}
    no_turbo = read_int(Path("/sys/devices/system/cpu/intel_pstate/no_turbo"))
    return {
        "governor": read_text(SYS_CPU0 / "scaling_governor") or UNKNOWN,
        "turbo": None if no_turbo is None else not no_turbo,
        **{f"{name}_mhz": khz and khz / 1000 for name, khz in limits_khz.items()},
    }


@functools.cache
def host_id() -> str:
    """Hash of what makes latencies comparable: CPU model and flags, cores, architecture, OS family."""
    identity = [cpu()[0], isa_flags(), os.cpu_count(), usable_cores(), platform.machine(), os_family()]
    return sha256_json(identity)[:16]


def setting() -> dict[str, Any]:
    """Host and library versions: results of equal settings may stand in one table (``records.Origin``)."""
    return {
        "host_id": host_id(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "packages": versions(PACKAGES_OF_RESULTS),
    }


def provenance() -> dict[str, Any]:
    """What a reader needs to judge a result; for records, never compared. JSON-serializable.

    Memory in bytes, frequencies in MHz, time in UTC (ISO 8601).
    """
    return {
        "host_id": host_id(),
        "cpu": cpu()[0],
        "isa_flags": isa_flags(),
        "logical_cores": os.cpu_count(),
        "physical_cores": psutil.cpu_count(logical=False),
        "usable_cores": usable_cores(),
        "frequency": frequency(),
        "hypervisor": hypervisor(),
        "memory_bytes": memory_bytes(),
        "machine": platform.machine(),
        "os": os_family(),
        "kernel": re.sub(r"[-+].*", "", platform.release()) or UNKNOWN,
        "python": platform.python_version(),
        "packages": versions(),
        **commit(),
        "time_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }
