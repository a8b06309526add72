"""What this machine could do at best: measured peaks of arithmetic, measured bandwidth, the bound they set.

Roofline: Williams, Waterman and Patterson 2009, doi:10.1145/1498765.1498785. One thread. The peaks are
LiteRT's own, on large fully-connected layers made for it: what its best kernel reaches here, not what the
processor's maker states.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from helpers.energy.why.layer import fully_connected
from helpers.energy.why.records import Bound, Copy, Machine
from helpers.lab.conditions import pinned
from helpers.lab.intervals import Absent
from helpers.runtimes.ends import image_for
from helpers.runtimes.litert.core import Core
from helpers.runtimes.litert.graph import Graph, Operator

# Rows, inputs and outputs of a fully-connected layer: much arithmetic, and at most 1 MiB of weights.
SHAPES = ((256, 512, 512), (1024, 256, 512))
COPY_BYTES = tuple(2**power for power in range(16, 29))
LEAST_S, MOST_REPEATS = 0.25, 2000
COMPUTED = ("float32", "int8", "int8-dynamic")
NO_PEAK = "no peak was measured for {} arithmetic"


def measure_machine(least_s: float = LEAST_S) -> Machine:
    """Peaks and bandwidths of this machine, one thread.

    Each is the best of repeats during ``least_s`` seconds, so that a busy machine lowers it little.
    """
    with pinned(1):
        peaks = {dtype: measure_peak(dtype, least_s) for dtype in COMPUTED}
        return Machine(peaks, tuple(measure_copy(size, least_s) for size in COPY_BYTES))


def measure_peak(dtype: str, least_s: float = LEAST_S) -> float:
    """Multiply-adds per second of LiteRT's fully-connected kernel of this compute dtype."""
    with tempfile.TemporaryDirectory() as folder:
        return max(measure_layer(Path(folder) / "layer.tflite", dtype, shape, least_s) for shape in SHAPES)


def measure_layer(path: Path, dtype: str, shape: tuple[int, int, int], least_s: float) -> float:
    path.write_bytes(fully_connected(dtype, *shape))
    core = Core(path, threads=1)
    core.set_input(image_for(core))
    return float(np.prod(shape)) / fastest_s(core.invoke, least_s)


def measure_copy(size_bytes: int, least_s: float = LEAST_S) -> Copy:
    """Bandwidth of NumPy's copy: half of ``size_bytes`` is read and half written."""
    source = np.ones(size_bytes // 8, np.float32)
    target = np.zeros_like(source)
    seconds = fastest_s(lambda: np.copyto(target, source), least_s)
    return Copy(size_bytes, size_bytes / seconds)


def fastest_s(work: Callable[[], object], least_s: float) -> float:
    """Seconds of the fastest of many calls; the first two are warm-ups."""
    best, ends = float("inf"), time.perf_counter() + least_s
    for number in range(MOST_REPEATS):
        start = time.perf_counter()
        work()
        now = time.perf_counter()
        best = min(best, now - start) if number >= 2 else best
        if now > ends and number >= 4:
            break
    return best


def bandwidth_for(machine: Machine, moved_bytes: int) -> float:
    """Bytes per second of the largest measured copy that moves no more than ``moved_bytes``.

    An operator whose tensors fit a cache finds its input there, written by the one before; so it is held
    against a copy of its own size. Larger copies are slower: taking the one below keeps the bound a bound.
    """
    copies = sorted(machine.bandwidth, key=lambda copy: copy.size_bytes)
    return ([copy for copy in copies if copy.size_bytes <= moved_bytes] or copies[:1])[-1].bytes_per_s


def bound_s(operator: Operator, machine: Machine) -> tuple[float, float] | None:
    """Seconds that an operator takes at least, for its arithmetic and for its bytes; None without a peak.

    ``macs / peak`` and ``bytes / bandwidth``; at best both go on at once, so the larger is the bound.
    """
    moving = operator.bytes_moved / bandwidth_for(machine, operator.bytes_moved)
    if not operator.macs:
        return 0.0, moving
    peak = machine.peak_macs_per_s.get(operator.compute_dtype)
    return None if peak is None else (operator.macs / peak, moving)


def bound_of(graph: Graph, machine: Machine) -> Bound | Absent:
    """Bound of a file; absent where there is no peak for one of its operators."""
    kinds: dict[str, float] = {}
    limits = {"arithmetic_ms": 0.0, "bytes_ms": 0.0}
    for operator in graph.running():
        both = bound_s(operator, machine)
        if both is None:
            return Absent(NO_PEAK.format(operator.compute_dtype))
        milliseconds = 1e3 * max(both)
        kinds[operator.kind] = kinds.get(operator.kind, 0.0) + milliseconds
        limits["arithmetic_ms" if both[0] > both[1] else "bytes_ms"] += milliseconds
    return Bound(sum(kinds.values()), kinds, **limits)
