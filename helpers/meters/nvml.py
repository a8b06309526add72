"""Grade B: the energy of NVIDIA GPUs, from their driver's library NVML (package nvidia-ml-py).

Two ways, for each GPU the better that it has:

* its counter (``nvmlDeviceGetTotalEnergyConsumption``, mJ since the driver was loaded; Volta and later);
* its power (``nvmlDeviceGetPowerUsage``, mW), sampled by a thread and integrated.

The meter is taken only when asked for by name. Inference here runs on the processor, of whose energy a GPU's
counter sees nothing, so "auto" picking it would put figures of an idle GPU beside the variants.

What is assumed of the hardware, none of it promised by NVIDIA's documentation: readings are at most
``UPDATE_S`` old (Yang, Adamek and Armour, "Part-time Power Measurements", arXiv:2312.02741, found updates
every 20 to 100 ms). That power may be a mean over the last second is documented (Ampere and later).
"""

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent
from helpers.meters.base import Grade, Quantity, Reading, bounded, counted_window_s

UPDATE_S = 0.1
SAMPLE_STEP_S = 0.02
POWER_LAG_S = 1.0
# A counter that stands still for so long is not one.
STUCK_UPDATES = 20
SHOW_GPUS = "`nvidia-smi` must list the GPU; on the processor alone, choose the meter 'auto'."
CAUSES = {
    "NVMLError_LibraryNotFound": "NVIDIA's driver library (libnvidia-ml) is not on this host",
    "NVMLError_DriverNotLoaded": "NVIDIA's driver is installed and not loaded",
    "NVMLError_NoPermission": "this user may not use NVIDIA's driver",
    "NVMLError_LibRmVersionMismatch": "NVIDIA's driver and its library are of different versions (reboot)",
}

Clock = Callable[[], float]
Samples = list[tuple[float, float]]


@dataclass(frozen=True)
class Gpu:
    """One GPU that says something of its energy.

    Attributes:
        domain: "gpu-0", ..., as NVML counts them (by PCI address; CUDA may count otherwise).
        way: what is read: its energy "counter", or its "power".
    """

    domain: str
    name: str
    handle: Any
    way: Literal["counter", "power"]


def open_library() -> Any:
    """The NVML bindings, initialized. Raises ``LabError`` with the reason where they cannot be."""
    try:
        import pynvml
    except ImportError as error:
        raise LabError(
            "the package nvidia-ml-py is not installed.", "the locked packages", "run `make setup`."
        ) from error
    return initialized(pynvml)


def initialized(library: Any) -> Any:
    try:
        library.nvmlInit()
        # Some broken drivers start and then fail at the first question.
        library.nvmlDeviceGetCount()
    except library.NVMLError as error:
        cause = CAUSES.get(type(error).__name__, "NVML could not be started")
        raise LabError(f"{cause} ({error}).", "a working NVIDIA driver", SHOW_GPUS) from error
    return library


def list_gpus(library: Any) -> tuple[list[Gpu], list[str]]:
    """GPUs that can be read, and the domains of those that cannot."""
    found, mute = [], []
    for number in range(library.nvmlDeviceGetCount()):
        gpu = find_gpu(library, number)
        mute += [] if gpu else [f"gpu-{number}"]
        found += [gpu] if gpu else []
    return found, mute


def find_gpu(library: Any, number: int) -> Gpu | None:
    """The GPU, read by its counter or else by its power; None if it has neither."""
    try:
        handle = library.nvmlDeviceGetHandleByIndex(number)
        name = library.nvmlDeviceGetName(handle)
    except library.NVMLError:
        return None
    for way in ("counter", "power"):
        gpu = Gpu(f"gpu-{number}", name, handle, way)
        if not isinstance(read(library, gpu), Absent):
            return gpu
    return None


def read(library: Any, gpu: Gpu) -> float | Absent:
    """What the GPU says now: J since the driver was loaded, or W."""
    functions = {"counter": "nvmlDeviceGetTotalEnergyConsumption", "power": "nvmlDeviceGetPowerUsage"}
    try:
        return getattr(library, functions[gpu.way])(gpu.handle) * 1e-3
    except library.NVMLError as error:
        return Absent(f"{gpu.domain} ({gpu.name}) could not be read during the measurement ({error})")


def counted_j(domain: str, before: float | Absent, after: float | Absent, duration_s: float) -> Quantity:
    """J between two readings of a counter; its bounds are one update more or less at the ends."""
    for value in (before, after):
        if isinstance(value, Absent):
            return value
    if after < before:
        return Absent(f"the counter of {domain} went backwards: the driver was loaded again")
    if after == before and duration_s >= STUCK_UPDATES * UPDATE_S:
        return Absent(f"the counter of {domain} did not move in {duration_s:.2g} s")
    energy_j = after - before
    stale_j = energy_j * min(1.0, UPDATE_S / duration_s)
    return bounded(energy_j, energy_j - stale_j, energy_j + stale_j)


def integrated_j(samples: Samples, lag_s: float = POWER_LAG_S) -> Quantity:
    """J under power samples (s, W), by the trapezoid rule.

    The bounds take the lower or the higher of each two neighbours for the time between them, which holds
    wherever power rises or falls steadily between samples. ``lag_s``, the age that a sample may have, shifts
    the window: that exchanges a stretch of it for another of at most the power between the extremes.
    """
    if len(samples) < 2:
        return Absent("power was sampled fewer than twice")
    steps = [(later - s, w, then_w) for (s, w), (later, then_w) in itertools.pairwise(samples)]
    powers_w = [watts for _, watts in samples]
    shift_j = min(lag_s, samples[-1][0] - samples[0][0]) * (max(powers_w) - min(powers_w))
    low_j = sum(step_s * min(w, then_w) for step_s, w, then_w in steps) - shift_j
    high_j = sum(step_s * max(w, then_w) for step_s, w, then_w in steps) + shift_j
    return bounded(sum(step_s * (w + then_w) / 2 for step_s, w, then_w in steps), max(0.0, low_j), high_j)


class PowerSampler:
    """Samples the power of GPUs every ``step_s`` in a thread of its own, first and last at the ends.

    Args:
        sources: domain -> function that reads W, or why it could not.
    """

    def __init__(self, sources: Mapping[str, Callable[[], float | Absent]], step_s: float, clock: Clock):
        self._sources, self._step_s, self._clock = sources, step_s, clock
        self._samples: dict[str, Samples] = {domain: [] for domain in sources}
        self._failed: dict[str, Absent] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="NVML power", daemon=True)
        self.sample()
        if sources:
            self._thread.start()

    def sample(self) -> None:
        for domain, source in self._sources.items():
            watts = source()
            if isinstance(watts, Absent):
                self._failed[domain] = watts
            else:
                self._samples[domain].append((self._clock(), watts))

    def _run(self) -> None:
        while not self._stopped.wait(self._step_s):
            self.sample()

    def stop(self) -> dict[str, Quantity]:
        """Domain -> J since the start; absent where a single reading failed."""
        if self._sources:
            self._stopped.set()
            self._thread.join()
            self.sample()
        return {
            domain: self._failed.get(domain) or integrated_j(samples)
            for domain, samples in self._samples.items()
        }


class NvmlWindow:
    def __init__(self, library: Any, gpus: Sequence[Gpu], step_s: float, clock: Clock):
        self._library, self._clock = library, clock
        self._counters = [gpu for gpu in gpus if gpu.way == "counter"]
        # A name of its own in each function, since a loop's variable would be the last GPU in all.
        sources = {gpu.domain: lambda gpu=gpu: read(library, gpu) for gpu in gpus if gpu.way == "power"}
        self._before = self._read_counters()
        self._started_s = clock()
        self._sampler = PowerSampler(sources, step_s, clock)

    def _read_counters(self) -> dict[str, float | Absent]:
        return {gpu.domain: read(self._library, gpu) for gpu in self._counters}

    def close(self) -> Reading:
        duration_s = self._clock() - self._started_s
        after = self._read_counters()
        counted = {d: counted_j(d, self._before[d], after[d], duration_s) for d in after}
        return Reading(duration_s, dict(sorted((counted | self._sampler.stop()).items())))


class NvmlMeter:
    """Energy of all NVIDIA GPUs of this host that say something of it.

    Args:
        library: NVML's bindings, or what stands for them; the package's own if None.
        step_s: time between samples of power, for GPUs without a counter.
        clock: seconds, as ``time.perf_counter`` gives them.

    Raises ``LabError``, with the reason, without the package, the driver, or a GPU that can be read.
    """

    name = "NVML"
    grade: Grade = "B"
    resolution_s = UPDATE_S
    shortest_window_s = counted_window_s(UPDATE_S)
    sees_idle = True
    shared_range = False

    def __init__(self, library: Any = None, step_s: float = SAMPLE_STEP_S, clock: Clock = time.perf_counter):
        self._library = open_library() if library is None else initialized(library)
        self._step_s, self._clock = step_s, clock
        self.gpus, self.mute = list_gpus(self._library)
        if not self.gpus:
            raise no_gpu(self.mute)
        self.domains = tuple(gpu.domain for gpu in self.gpus)

    def describe(self) -> str:
        ways = {"counter": "its energy counter", "power": f"its power, sampled every {self._step_s:g} s"}
        read_how = ", ".join(f"{gpu.domain} ({gpu.name}) by {ways[gpu.way]}" for gpu in self.gpus)
        mute = f" In no figure, since they say nothing: {', '.join(self.mute)}." if self.mute else ""
        return (
            f"Measured by the driver of the GPUs (NVML): {read_how}. It counts whole boards, memory and other"
            " programs included, and nothing of the processor, on which inference runs here: where no program"
            " uses the GPU, that is its idle energy. NVIDIA states no accuracy; a board's own error, the same"
            f" in every window, is not in the bounds.{mute}"
        )

    def open(self) -> NvmlWindow:
        return NvmlWindow(self._library, self.gpus, self._step_s, self._clock)


def no_gpu(mute: Sequence[str]) -> LabError:
    found = f"{', '.join(mute)}: neither energy nor power can be read." if mute else "no NVIDIA GPU."
    return LabError(found, "a GPU that the driver can tell the energy or the power of", SHOW_GPUS)
