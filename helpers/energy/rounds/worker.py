"""A process that loads cores of one runtime and times visits to them.

``python -m helpers.energy.rounds.worker THREADS``, started and told what to do by ``team``: one line of JSON
in, one line out, until the input ends. The first line out says that it is ready. Nothing is decided here.

In: ``{"variant", "path", "photos", "places", "warmups", "delay", "keep"}``: name of the core and its file, a
``.npy`` of inputs ``[n, 1, H, W, 3]``, which of them to take, untimed invocations before them, the share by
which every invocation is made longer, and whether the core stays loaded. Out: ``{"warmup_ns", "timed_ns",
"load_s", "switches"}``, or ``{"failed": reason}``.
"""

import functools
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from helpers.energy.rounds.loading import RUNTIME_FAILURES, one_line
from helpers.energy.rounds.visiting import DelayedCore, context_switches, since, time_visit
from helpers.runtimes.catalogue import load_core

READY: Mapping[str, Any] = {"ready": True}


@functools.cache
def photos_in(path: str) -> np.ndarray:
    """``[n, 1, H, W, 3]``, mapped into memory: all processes share its pages."""
    return np.load(path, mmap_mode="r")


class Loaded:
    """Cores of this process by name.

    Args:
        threads: threads of the runtime's kernels.
    """

    def __init__(self, threads: int):
        self._threads, self._cores = threads, {}

    def core(self, variant: str, path: str) -> Any:
        """Loaded now, unless it is."""
        if variant not in self._cores:
            self._cores[variant] = load_core(Path(path), self._threads)
        return self._cores[variant]

    def drop(self, variant: str) -> None:
        self._cores.pop(variant, None)


def visit(loaded: Loaded, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one request."""
    switches, started_s = context_switches(), time.perf_counter()
    core = loaded.core(request["variant"], request["path"])
    load_s = time.perf_counter() - started_s
    photos = photos_in(request["photos"])
    images = [np.asarray(photos[place % len(photos)]) for place in request["places"]]
    timed = DelayedCore(core, request["delay"]) if request["delay"] else core
    warmup_ns, timed_ns = time_visit(timed, images, request["warmups"])
    found = {"warmup_ns": warmup_ns, "timed_ns": timed_ns, "load_s": load_s}
    return found | {"switches": since(switches, context_switches())}


def answer(loaded: Loaded, request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return visit(loaded, request)
    except RUNTIME_FAILURES as error:
        return {"failed": one_line(error)}
    finally:
        if not request["keep"]:
            loaded.drop(request["variant"])


def own_output() -> TextIO:
    """What standard output was; from here on all that libraries print there goes to standard error."""
    kept = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return kept


def main(arguments: list[str]) -> int:
    # An interrupt is for the parent, which ends this process by closing its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    output, loaded = own_output(), Loaded(int(arguments[0]))
    print(json.dumps(READY), file=output)
    for line in sys.stdin:
        print(json.dumps(answer(loaded, json.loads(line))), file=output)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
