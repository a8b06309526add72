"""A second process that burns one core at random moments: what else a machine may have to do.

``python -m helpers.energy.selftest.burner SEED``; it ends with its input.
"""

import contextlib
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

from helpers.lab.processes import probe_environment

MEAN_S = 0.5  # of a burst, and of the rest between two; both exponential


def stretches(seed: int) -> Iterator[tuple[float, float]]:
    """Seconds of rest and of work, without an end."""
    generator = random.Random(seed)
    while True:
        yield generator.expovariate(1 / MEAN_S), generator.expovariate(1 / MEAN_S)


def burn(ended: threading.Event, seed: int) -> None:
    """Until ``ended``."""
    for rest_s, work_s in stretches(seed):
        if ended.wait(rest_s):
            return
        deadline_s = time.perf_counter() + work_s
        while time.perf_counter() < deadline_s and not ended.is_set():
            pass


@contextlib.contextmanager
def burning(seed: int) -> Iterator[None]:
    """Such a process, for as long as the block lasts, on whichever core the system gives it."""
    command = [sys.executable, "-m", "helpers.energy.selftest.burner", str(seed)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env=probe_environment())
    try:
        yield
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


def main(arguments: list[str]) -> int:
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    burn(ended, int(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
