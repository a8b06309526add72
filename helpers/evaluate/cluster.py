"""Inference on a Dask cluster: shards as tasks, each lost worker costs those that it worked on."""

import asyncio
import contextlib
import dataclasses
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from helpers.evaluate.detect import ShardResult
from helpers.evaluate.remote import Shipped, Wanted, find
from helpers.evaluate.roster import Roster
from helpers.lab.errors import LabError
from helpers.lab.paths import ROOT

EXTRA = "make setup RUNTIMES=dask"
CONNECT_S, CLOSE_S = 15, 5
RESULT_S = 30
LOOK_S = 5  # so often it is looked whether workers have come or gone
PATIENCE_S, PAUSE_S = 20, 0.5  # a worker that died is started again meanwhile
ANSWER_S = 60  # a worker imports the project before its first answer
RETRIES = 3
WAITING = 2  # tasks of each worker that are on their way, so that none waits for photos
SETTINGS = {"distributed.admin.large-graph-warning-threshold": "1 GiB"}  # photos are no large graph

Job = tuple[int, Callable[[], Wanted]]  # number of the shard, and what makes its task


class Sent(NamedTuple):
    """A job on its way, and the workers of which one may do it."""

    job: Job
    workers: frozenset[str]


class ClusterError(LabError):
    """The cluster is at fault, not a model or a variant: nothing is recorded as failed."""


def library() -> Any:
    """Dask's ``distributed``, quiet; raises ``ClusterError`` where it is not installed."""
    try:
        import dask
        import distributed
    except ImportError as error:
        raise ClusterError(
            "a cluster is asked for, and distributed is not installed.", "Dask's distributed", f"`{EXTRA}`."
        ) from error
    dask.config.set(SETTINGS)
    for name in ("distributed", *logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
    return distributed


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
        files: that tasks need, by key: every worker is given them before its first task.

    Raises:
        ClusterError: there is no such scheduler, or no worker that could be used.
    """

    def __init__(self, address: str, files: Sequence[Shipped] = ()):
        self.address = address
        self.client = connected(address)
        self.roster = Roster(self.ask, files)
        try:
            self.require_workers()
        except BaseException:  # an interrupt too
            self.close()
            raise

    def close(self) -> None:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self.client.close(timeout=CLOSE_S)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, function: Callable, *arguments: Any, addresses: Iterable[str]) -> dict[str, Any]:
        """What a function gives in each of the workers, or its error; each is asked at the same time."""

        async def one(address: str) -> Mapping[str, Any]:
            asked = self.client._run(function, *arguments, workers=[address], on_error="return")
            try:
                return await asyncio.wait_for(asked, ANSWER_S)
            except Exception as error:  # of the network, or what cannot be read
                return {address: error}

        async def every() -> dict[str, Any]:
            answers = await asyncio.gather(*map(one, addresses))
            return {address: answer for each in answers for address, answer in each.items()}

        return self.reached(every)

    def reached(self, question: Callable[[], Awaitable]) -> Any:
        """What the scheduler answers.

        Raises:
            ClusterError: it does not.
        """
        try:
            if self.client.status == "running":
                return self.client.sync(question, callback_timeout=2 * ANSWER_S)
        except (OSError, TimeoutError, RuntimeError, AttributeError) as error:  # what a closed client raises
            raise self.scheduler_lost() from error
        raise self.scheduler_lost()

    def scheduler_lost(self) -> ClusterError:
        return ClusterError(
            f"the scheduler at {self.address} is gone.",
            "a scheduler that stays until the run has ended",
            "start it and its workers again, then give the same command again: what is found is kept.",
        )

    def require_workers(self) -> list[str]:
        """Addresses of workers that may be given tasks; one that is started again is waited for."""
        end = time.monotonic() + PATIENCE_S
        while True:
            known = self.reached(lambda: self.client.scheduler.identity(n_workers=-1))["workers"]
            if usable := self.roster.usable(known):
                return usable
            if time.monotonic() > end:
                raise self.no_workers()
            time.sleep(PAUSE_S)

    def no_workers(self) -> ClusterError:
        refused = "; ".join(f"{name}: {why}" for name, why in self.roster.refused.items())
        return ClusterError(
            f"the scheduler at {self.address} has no worker that could be used"
            f"{f' (refused: {refused})' if refused else ''}.",
            "workers with this machine's libraries, instruction sets and code of the project",
            f"start one (`python -m helpers worker {self.address}`) where the project is the same, "
            "then give the same command again: what is found is kept.",
        )

    def found(self, jobs: Iterator[Job]) -> Iterator[tuple[int, Mapping[str, ShardResult | str]]]:
        """What each task found, in the order in which they end; few are on their way at any time.

        A task whose worker is lost goes to another one.

        Raises:
            ClusterError: no worker is left, or the scheduler is gone.
            LabError: a photo cannot be read.
        """
        running: dict[Any, Sent] = {}
        while True:
            usable = self.require_workers()
            for future in [each for each, sent in running.items() if sent.workers.isdisjoint(usable)]:
                self.send(running.pop(future).job, usable, running)
            while len(running) < WAITING * len(usable) and (job := next(jobs, None)) is not None:
                self.send(job, usable, running)
            if not running:
                return
            for future in self.ended(running):
                if (result := self.result(future)) is not None:
                    yield running.pop(future).job[0], result

    def send(self, job: Job, usable: Sequence[str], running: dict[Any, Sent]) -> None:
        """Give a task to one of these workers; if that is lost, Dask gives it to another one of them only."""
        future = self.client.submit(find, job[1](), workers=list(usable), retries=RETRIES, pure=False)
        running[future] = Sent(job, frozenset(usable))

    def ended(self, running: Mapping[Any, Sent]) -> list[Any]:
        """Those that are done by now, or in a few seconds."""
        from distributed import CancelledError, wait

        try:
            with self.client.as_current():
                return list(wait(list(running), timeout=LOOK_S, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            return []
        except CancelledError as error:  # of all, when the scheduler is gone
            raise self.scheduler_lost() from error

    def result(self, future: Any) -> Mapping[str, ShardResult | str] | None:
        """What a task found, or None if that was lost with its worker before it came here; a task that no
        worker could end is the cluster's fault."""
        if future.cancelled():
            raise self.scheduler_lost()
        try:
            return future.result(timeout=RESULT_S)
        except TimeoutError:
            return None
        except LabError:
            raise
        except Exception as error:  # of the library, of the network, of a worker's machine
            raise ClusterError(
                f"a task ended on no worker: {' '.join(str(error).split()) or type(error).__name__}.",
                "workers that stay, and have room for the cores and the photos",
                "look at what the workers and the scheduler print, then give the same command again: what is "
                "found is kept.",
            ) from error


def connected(address: str) -> Any:
    """Dask's client of a scheduler, quiet; raises ``ClusterError`` where none answers."""
    distributed = library()
    try:
        # Dask's client waits for ever where somebody listens and says nothing, and leaves its thread where
        # the address is none.
        in_time(lambda: distributed.comm.connect(address, timeout=CONNECT_S))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions: what matters of them is asked of each worker
            return distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
    except Exception as error:  # of the network, or of what another program than a scheduler answers
        raise ClusterError(
            f"no scheduler answers at {address}: {str(error).rstrip('.') or type(error).__name__}.",
            "the address that `python -m helpers scheduler` prints, such as tcp://10.0.0.1:8786",
            f"start it (`python -m helpers scheduler`) and a worker (`python -m helpers worker {address}`).",
        ) from error


def in_time(connect: Callable[[], Awaitable]) -> None:
    """Connect and part; raises what ``connect`` does, or ``TimeoutError``."""
    raised: list[BaseException] = [TimeoutError(f"no answer in {CONNECT_S} s")]

    async def tried() -> None:
        (await connect()).abort()

    def attempt() -> None:
        try:
            asyncio.run(asyncio.wait_for(tried(), CONNECT_S))
            raised.clear()
        except Exception as error:
            raised[:] = [error]

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(CONNECT_S + CLOSE_S)
    if raised:
        raise raised[0]


def away(result: ShardResult) -> ShardResult:
    """Without its times: they say nothing about this machine."""
    return dataclasses.replace(result, decode_s=0.0, loop_s=0.0, core_s=0.0, tail_s=0.0)
