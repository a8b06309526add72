"""Inference on a Dask cluster: shards as tasks, each lost worker costs those that it worked on."""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from helpers.evaluate.detect import ShardResult
from helpers.evaluate.remote import Wanted, differences, find, numerics
from helpers.lab.errors import LabError
from helpers.lab.paths import ROOT
from helpers.lab.units import how_many

EXTRA = "make setup RUNTIMES=dask"
CONNECT_S, LOOK_S = 20, 5
RETRIES = 3
WAITING = 2  # tasks of each worker that are on their way, so that none waits for photos

Job = tuple[int, Callable[[], Wanted]]  # number of the shard, and what makes its task


def library() -> Any:
    """Dask's ``distributed``; raises ``LabError`` where it is not installed."""
    try:
        import distributed
    except ImportError as error:
        raise ClusterError(
            "a cluster is asked for, and distributed is not installed.", "Dask's distributed", f"`{EXTRA}`."
        ) from error
    return distributed


class ClusterError(LabError):
    """The cluster is at fault, not a model or a variant: nothing is recorded as failed."""


def become_worker(address: str, name: str = "") -> NoReturn:
    """Turn this process into a worker of one core."""
    become("dask_worker", address, "--nthreads", "1", *(["--name", name] if name else []))


def become_scheduler(port: int) -> NoReturn:
    """Turn this process into a scheduler."""
    become("dask_scheduler", "--port", str(port))


def become(program: str, *arguments: str) -> NoReturn:
    """A program of Dask, which finds the project as this process does."""
    library()
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", f"distributed.cli.{program}", *arguments, "--no-dashboard"]
    os.execve(sys.executable, command, environment)


class Cluster:
    """The workers of a scheduler that are as this machine is.

    Args:
        address: of the scheduler: ``tcp://host:8786``.

    Attributes:
        refused: name of a worker -> in what it differs.

    Raises:
        LabError: there is no such scheduler, or no worker that could be used.
    """

    def __init__(self, address: str):
        distributed = library()
        try:
            self.client = distributed.Client(address, timeout=CONNECT_S)
        except (OSError, ValueError, TimeoutError) as error:
            raise ClusterError(
                f"no scheduler answers at {address}: {error}.",
                "the address that `python -m helpers scheduler` prints, such as tcp://10.0.0.1:8786",
                f"run `python -m helpers scheduler`, and `python -m helpers worker {address}`, or "
                "leave --scheduler out.",
            ) from error
        self.address = address
        self.refused: dict[str, str] = {}
        self._judged: dict[str, str] = {}
        self.require_workers()

    def close(self) -> None:
        self.client.close()

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def workers(self) -> list[str]:
        """Addresses of those that are there now and as this machine is; others are refused by name."""
        known = self.client.scheduler_info(n_workers=-1)["workers"]
        unseen = [address for address in known if address not in self._judged]
        found = self.client.run(numerics, workers=unseen, on_error="return") if unseen else {}
        for address, setting in found.items():
            self._judged[address] = (
                differences(numerics(), setting) if isinstance(setting, dict) else f"it fails: {setting}"
            )
            if self._judged[address]:
                self.refused[f"{known[address]['name']} ({address})"] = self._judged[address]
        return [address for address in known if self._judged.get(address) == ""]

    def require_workers(self) -> list[str]:
        usable = self.workers()
        if not usable:
            refused = "; ".join(f"{name}: {why}" for name, why in self.refused.items())
            raise ClusterError(
                f"no worker is left that could be used{f' (refused: {refused})' if refused else ''}.",
                "workers with this machine's libraries and instruction sets",
                f"start one (`python -m helpers worker {self.address}`) where the project is the same, "
                "then give the same command again: what is found is kept.",
            )
        return usable

    def told(self) -> str:
        """Who works, and who may not."""
        text = f"Cluster: {how_many(len(self.require_workers()), 'worker')}."
        refused = [f"Refused: {name}: {why}." for name, why in self.refused.items()]
        return " ".join([text, *refused])

    def found(self, jobs: Iterator[Job]) -> Iterator[tuple[int, Mapping[str, ShardResult | str]]]:
        """What each task found, in the order in which they end; few are on their way at any time.

        A task whose worker is lost goes to another one.

        Raises:
            LabError: no worker is left.
        """
        running: dict[Any, int] = {}
        try:
            while True:
                self.submit(jobs, running)
                if not running:
                    return
                for future in self.ended(running):
                    yield running.pop(future), self.result(future)
        finally:
            with contextlib.suppress(Exception):  # the scheduler may be gone
                self.client.cancel(list(running))

    def result(self, future: Any) -> Mapping[str, ShardResult | str]:
        """What a task found; a task that no worker could end is the cluster's fault."""
        try:
            return future.result()
        except Exception as error:  # of the library, of the network, of a worker that is unlike this machine
            raise ClusterError(
                f"a task ended on no worker: {' '.join(str(error).split()) or type(error).__name__}.",
                "workers that stay, and are as this machine is",
                "look at what the workers and the scheduler print, then give the same command again: what is "
                "found is kept.",
            ) from error

    def submit(self, jobs: Iterator[Job], running: dict[Any, int]) -> None:
        usable = self.require_workers()
        while len(running) < WAITING * len(usable) and (job := next(jobs, None)) is not None:
            options = {"workers": usable, "allow_other_workers": True, "retries": RETRIES, "pure": False}
            running[self.client.submit(find, job[1](), **options)] = job[0]

    def ended(self, running: Mapping[Any, int]) -> list[Any]:
        """Those that are done, at least one; while none is, it is looked whether workers are left."""
        distributed = library()
        while True:
            try:
                done = distributed.wait(list(running), timeout=LOOK_S, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                self.require_workers()
                continue
            return list(done)


def away(result: ShardResult) -> ShardResult:
    """Without the time of the loop: it says nothing about this machine."""
    return dataclasses.replace(result, loop_s=0.0)
