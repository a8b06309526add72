"""Something that stands for ``pynvml``: GPUs whose readings a test sets."""

from collections.abc import Callable
from dataclasses import dataclass


class NVMLError(Exception):
    pass


class NVMLError_LibraryNotFound(NVMLError):  # noqa: N801, N818
    pass


class NVMLError_NotSupported(NVMLError):  # noqa: N801, N818
    pass


class NVMLError_GpuIsLost(NVMLError):  # noqa: N801, N818
    pass


@dataclass
class FakeGpu:
    """Readings, each a number or a function of none; None is not supported.

    Attributes:
        energy_mj: mJ since the driver was loaded.
        power_mw: mW.
        lost: whether the GPU has fallen off the bus.
    """

    energy_mj: int | None = None
    power_mw: float | Callable[[], float] | None = None
    lost: bool = False


class FakeNvml:
    NVMLError = NVMLError

    def __init__(self, *gpus: FakeGpu, failure: NVMLError | None = None):
        self.gpus, self.failure = gpus, failure

    def nvmlInit(self):  # noqa: N802
        if self.failure:
            raise self.failure

    def nvmlDeviceGetCount(self):  # noqa: N802
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, number):  # noqa: N802
        return self.gpus[number]

    def nvmlDeviceGetName(self, gpu):  # noqa: N802
        return "Fake GPU"

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu):  # noqa: N802
        return self._told(gpu, gpu.energy_mj)

    def nvmlDeviceGetPowerUsage(self, gpu):  # noqa: N802
        return self._told(gpu, gpu.power_mw)

    def _told(self, gpu, reading):
        if gpu.lost:
            raise NVMLError_GpuIsLost("GPU is lost")
        if reading is None:
            raise NVMLError_NotSupported("Not Supported")
        return reading() if callable(reading) else reading
