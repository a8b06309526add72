"""A scheduler and workers of Dask, each a process as users start it, that end with the test."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from helpers.lab.paths import ROOT

STARTED_S = 60


class Processes:
    """Processes of ``python -m helpers``, each with all that it starts.

    Args:
        folder: for what they print, and for their own files.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.running: dict[str, subprocess.Popen] = {}
        self.address = ""

    def start(self, name: str, *arguments: str, preload: Path | None = None) -> None:
        environment = {**os.environ, "DASK_TEMPORARY_DIRECTORY": str(self.folder)}
        if preload:
            environment["DASK_DISTRIBUTED__WORKER__PRELOAD"] = str([str(preload)])
        with (self.folder / f"{name}.txt").open("wb") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", "helpers", *arguments],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def scheduler(self) -> str:
        """Start one at a port that is free; its address."""
        self.start("scheduler", "scheduler", "--port", "0")
        log = self.folder / "scheduler.txt"
        self.address = waited_for(lambda: addresses(log.read_text()), "a scheduler's address")
        return self.address

    def worker(self, name: str, preload: Path | None = None) -> None:
        self.start(name, "worker", self.address, "--name", name, preload=preload)

    def kill(self, name: str) -> None:
        """End a process and all that it started at once, as a machine that loses its power."""
        process = self.running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill_all(self) -> None:
        for name in list(self.running):
            self.kill(name)


def addresses(printed: str) -> str:
    return next((word for word in printed.split() if word.startswith("tcp://")), "")


def waited_for(look, what: str):
    """What ``look`` gives as soon as it is something."""
    import time

    end = time.monotonic() + STARTED_S
    while not (found := look()):
        if time.monotonic() > end:
            raise TimeoutError(f"no {what} in {STARTED_S} s")
        time.sleep(0.05)
    return found


@contextlib.contextmanager
def processes(folder: Path) -> Iterator[Processes]:
    """With a scheduler."""
    folder.mkdir(parents=True, exist_ok=True)
    started = Processes(folder)
    try:
        started.scheduler()
        yield started
    finally:
        started.kill_all()
