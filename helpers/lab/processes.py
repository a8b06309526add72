"""Processes of our own: what they are started with, and why one ended without a result."""

import os
import signal
import subprocess

from helpers.lab.paths import ROOT


def probe_environment() -> dict[str, str]:
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), inherited]))}


def why_dead(ended: subprocess.CompletedProcess, process: str = "the memory probe") -> str:
    """Why a process ended without a result."""
    if ended.returncode < 0:
        name = signal.Signals(-ended.returncode).name
        hint = " (often: out of memory)" if name == "SIGKILL" else ""
        return f"{process} was killed by {name}{hint}"
    last = ended.stderr.strip().splitlines()[-1:] or ["it said nothing"]
    return f"{process} failed: {last[0]}"
