"""Time by operator of one ``.tflite``.

``python -m helpers.runtimes.litert.operator_times_probe FILE INVOCATIONS THREADS``.

A program of its own because it calls LiteRT through ctypes, where a mistake ends the process. Prints one
line of JSON: ``{"invocations": [[[type, tag, node, elapsed_us], ...], ...], "plain_us": [...]}``. The latter
are invocations of the usual interpreter, without a profiler, each taken beside a profiled one.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from helpers.lab.errors import LabError
from helpers.runtimes.litert.c_interface import ProfiledModel
from helpers.runtimes.litert.core import Core

WARM_UPS = 5


def take(path: Path, invocations: int, threads: int) -> dict[str, Any]:
    profiled, core = ProfiledModel(path, threads), Core(path, threads)
    core.set_input(image_for(core))
    for _ in range(WARM_UPS):
        profiled.invoke()
        core.invoke()
    taken: dict[str, Any] = {"invocations": [], "plain_us": []}
    for _ in range(invocations):
        taken["invocations"].append(list(profiled.profiled()))
        core.invoke()  # the other model has just left the caches cold
        start_ns = time.perf_counter_ns()
        core.invoke()
        taken["plain_us"].append((time.perf_counter_ns() - start_ns) / 1000)
        profiled.invoke()
    return taken


def image_for(core: Core) -> np.ndarray:
    """Random pixels of the core's input shape and dtype: -1..1, or the whole range of an integer dtype."""
    generator = np.random.default_rng(0)
    if core.input_dtype.kind == "f":
        return generator.uniform(-1, 1, core.input_shape).astype(core.input_dtype)
    limits = np.iinfo(core.input_dtype)
    return generator.integers(limits.min, limits.max, core.input_shape, core.input_dtype, endpoint=True)


def main(arguments: list[str]) -> int:
    try:
        taken = take(Path(arguments[0]), int(arguments[1]), int(arguments[2]))
    except (LabError, OSError, RuntimeError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    print(json.dumps(taken))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
