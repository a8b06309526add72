"""Fresh processes that time visits, one per runtime, one of them at work; the parent decides the rest.

Fresh processes make the luck that rounds of one process share part of the spread: where memory lies, and what
else follows from a start. How many rounds share their processes is a matter of cost, since with the same time
more processes of fewer rounds give the narrower interval, as long as a process starts quickly.

Measured on two cores, the embedded detector (2.5 ms per inference), five names of one file, 60 processes of 4
rounds of 10 invocations: a process of LiteRT starts in 0.1 to 0.25 s and loads five cores in 0.05 s; a round
takes 0.2 s. Log ratios of the file to itself vary by 0.7 to 1.5 % from round to round, and rounds of one
process are hardly more alike than those of two (rank correlation 0.04 with cores loaded once, 0.00 with cores
loaded for every visit). Other machines have processes that differ by some percent. So with LiteRT alone every
round has a process of its own, in which a core is loaded for its visit and dropped after it: simulated with
those spreads, an interval that 6 s buy is as wide as with two rounds per process and narrower than with three
(1.4, 1.4, 1.7 %), narrowest where one visit in ten is disturbed (2.1, 3.7, 2.4 %) and where processes differ
by as much as rounds.

With OpenVINO beside it a start takes 0.5 s and loading four files 0.7 s, a round of both runtimes 0.35 s.
There three rounds share their processes, with all cores kept loaded: 2.2 s for three rounds instead of 5. The
intervals are then about as wide for their time, and the median of three leaves one disturbed round out. All
cores of a runtime are in memory at once.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.energy.rounds import worker
from helpers.energy.rounds.loading import one_line
from helpers.lab.errors import LabError
from helpers.lab.processes import probe_environment, why_dead
from helpers.runtimes.catalogue import runtime_of

SHARED_ROUNDS, LEAST_PROCESSES = 3, 5
END_S = 5  # given to a process that has closed its output, before it is killed


def rounds_in_process(files: Iterable[Path], rounds: int) -> int:
    """Rounds that share their processes: one, or more where several runtimes start side by side and there are
    rounds enough for ``LEAST_PROCESSES``, with fewer of which an interval says next to nothing."""
    runtimes, _ = runtimes_of({str(file): Path(file) for file in files})
    shared = len(set(runtimes.values())) > 1 and rounds >= LEAST_PROCESSES * SHARED_ROUNDS
    return SHARED_ROUNDS if shared else 1


def runtimes_of(files: Mapping[str, Path]) -> tuple[dict[str, str], dict[str, str]]:
    """Variant -> runtime of its file; and variant -> reason, for files of none."""
    runtimes, failures = {}, {}
    for variant, path in files.items():
        try:
            runtimes[variant] = runtime_of(path)
        except LabError as error:
            failures[variant] = one_line(error)
    return runtimes, failures


class WorkerDiedError(Exception):
    """A worker ended without an answer; the reason is its text."""


class Worker:
    """One process of ``worker``. It has the affinity of the thread that starts it.

    Args:
        runtime: what it loads; for messages.
        threads: of the runtime.
    """

    def __init__(self, runtime: str, threads: int):
        self._runtime = runtime
        self._errors = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 (closed by ``end``)
        self._process = subprocess.Popen(
            [sys.executable, "-m", worker.__name__, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=probe_environment(),
        )
        self._ready = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def await_ready(self) -> None:
        """Raises ``WorkerDiedError``."""
        if not self._ready:
            self._ready = self._answer() == worker.READY

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Its answer; raises ``WorkerDiedError``."""
        self.await_ready()
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise WorkerDiedError(self._why_dead()) from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line.endswith("\n"):
            raise WorkerDiedError(self._why_dead())
        return json.loads(line)

    def _why_dead(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self._errors.seek(0)
        said = self._errors.read()
        self.end()
        ended = subprocess.CompletedProcess([], self._process.returncode, stderr=said)
        return why_dead(ended, f"the process that times {self._runtime}")

    def end(self) -> None:
        """No process is left afterwards, whatever it was doing: it keeps nothing that would be lost."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()


@dataclass(frozen=True)
class Timed:
    """A visit, as a worker answers it: nanoseconds of every invocation, seconds of loading, switches."""

    warmup_ns: tuple[int, ...]
    timed_ns: tuple[int, ...]
    load_s: float
    switches: tuple[int, int] | None


class Team:
    """The processes at work: one per runtime, all made anew by ``fresh``.

    A variant whose file cannot be loaded or run, or whose visit its process does not survive, is not visited
    again; the others go on, in a new process if need be.

    Args:
        files: variant -> file of a core.
        photos: variant -> ``.npy`` of its inputs.
        threads: threads of the runtimes.
        delays: variant -> share by which each of its invocations is made longer.
        keep: whether a core stays loaded for further visits in its process; if not, a process holds one at
            a time.

    Attributes:
        failures: variant -> why it could not be loaded or run.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        photos: Mapping[str, Path],
        threads: int,
        delays: Mapping[str, float] | None = None,
        keep: bool = True,
    ):
        self._files = {variant: Path(path).resolve() for variant, path in files.items()}
        self._photos, self._threads, self._delays, self._keep = photos, threads, delays or {}, keep
        self._workers: dict[str, Worker] = {}
        self._runtimes, self.failures = runtimes_of(self._files)

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def pids(self) -> list[int]:
        """Ids of the processes that are there."""
        return [each.pid for each in self._workers.values()]

    def end(self) -> None:
        while self._workers:
            self._workers.popitem()[1].end()

    def fresh(self) -> None:
        """New processes, side by side, for all runtimes with a variant that has not failed."""
        self.end()
        working = [runtime for variant, runtime in self._runtimes.items() if variant not in self.failures]
        for runtime in dict.fromkeys(working):
            self._workers[runtime] = Worker(runtime, self._threads)
        for runtime, each in list(self._workers.items()):
            try:
                each.await_ready()
            except WorkerDiedError as death:
                self._fail(runtime, str(death))

    def _fail(self, runtime: str, reason: str) -> None:
        """A runtime whose process does not even start: none of its variants can be measured."""
        self._workers.pop(runtime).end()
        own = [variant for variant, its in self._runtimes.items() if its == runtime]
        self.failures |= {variant: reason for variant in own if variant not in self.failures}

    def visit(self, variant: str, places: Sequence[int], warmups: int) -> Timed | None:
        """Load the core if it is not, and time it; None if the variant has failed, now or before."""
        if variant in self.failures:
            return None
        runtime = self._runtimes[variant]
        try:
            if runtime not in self._workers:
                self._workers[runtime] = Worker(runtime, self._threads)
            found = self._workers[runtime].ask(self._request(variant, places, warmups))
        except WorkerDiedError as death:
            self._workers.pop(runtime)
            found = {"failed": str(death)}
        if "failed" in found:
            self.failures[variant] = found["failed"]
            return None
        switches = found["switches"]
        return Timed(
            tuple(found["warmup_ns"]), tuple(found["timed_ns"]), found["load_s"],
            tuple(switches) if switches else None,
        )  # fmt: skip

    def _request(self, variant: str, places: Sequence[int], warmups: int) -> dict[str, Any]:
        return {
            "variant": variant,
            "path": str(self._files[variant]),
            "photos": str(self._photos[variant]),
            "places": list(places),
            "warmups": warmups,
            "delay": self._delays.get(variant, 0.0),
            "keep": self._keep,
        }


@contextlib.contextmanager
def photos_written(files: Mapping[str, Path], inputs: Any) -> Iterator[dict[str, Path]]:
    """Variant -> ``.npy`` of its inputs, in a folder that lasts as long as the block; one for all who share.

    Args:
        inputs: one sequence of arrays ``[1, H, W, 3]`` for all cores, or by the core's file.
    """
    shared = not isinstance(inputs, Mapping)
    with tempfile.TemporaryDirectory(prefix="latency-photos-") as folder:
        written: dict[int, Path] = {}
        photos = {}
        for variant, file in files.items():
            own = inputs if shared else inputs[Path(file)]
            if id(own) not in written:
                written[id(own)] = Path(folder) / f"{len(written)}.npy"
                np.save(written[id(own)], np.stack(list(own)))
            photos[variant] = written[id(own)]
        yield photos
