"""Time by operator of one ``.tflite``.

``python -m helpers.runtimes.litert.operator_times_probe FILE INVOCATIONS THREADS``.

A program of its own because it calls LiteRT through ctypes, where a mistake ends the process. Prints one
line of JSON: ``{"invocations": [[[type, tag, node, elapsed_us], ...], ...], "plain_us": [...]}``. The latter
are invocations of the usual interpreter, without a profiler, each taken beside a profiled one.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers.runtimes.litert.c_interface import ProfiledModel
from helpers.runtimes.litert.core import Core
from helpers.runtimes.operator_profile import alternately, run_as_program


def take(path: Path, invocations: int, threads: int) -> dict[str, Any]:
    profiled = ProfiledModel(path, threads)
    runs, plain_us = alternately(lambda: list(profiled.profiled()), Core(path, threads), invocations)
    return {"invocations": runs, "plain_us": plain_us}


def main(arguments: Sequence[str]) -> int:
    return run_as_program(take, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
