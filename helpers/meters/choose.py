"""Which meter this host gets: a counter where it has one, an estimate with the reason otherwise."""

from helpers.lab.errors import LabError, unknown_name
from helpers.meters.absent import AbsentMeter
from helpers.meters.base import Meter
from helpers.meters.cpu_power import host_range
from helpers.meters.estimate import EstimateMeter
from helpers.meters.nvml import NvmlMeter
from helpers.meters.rapl import RaplMeter

METERS = ("auto", "pyRAPL", "NVML", "estimate", "none")


def choose_meter(name: str = "auto", power_w: tuple[float, float] | None = None) -> Meter:
    """The meter called ``name``; ``auto`` is pyRAPL where it works, else the estimate.

    ``auto`` never takes NVML: inference runs on the processor, of which a GPU's counter sees nothing.

    Args:
        name: one of ``METERS``.
        power_w: watts per busy core, (low, high), for the estimate; None takes the range of this host's
            processor where a database knows it, and else ``estimate.POWER_W``.

    Raises ``LabError`` for an unknown name, an impossible ``power_w``, or ``pyRAPL`` or ``NVML`` asked for by
    name on a host that has none to read.
    """
    if require_meter(name) == "none":
        return AbsentMeter("the meter 'none' was asked for")
    if name == "estimate":
        return estimate_meter(power_w, "the estimate was asked for")
    if name == "NVML":
        return NvmlMeter()
    return RaplMeter() if name == "pyRAPL" else best_meter(power_w)


def require_meter(name: str) -> str:
    if name not in METERS:
        raise unknown_name("meter", name, METERS)
    return name


def best_meter(power_w: tuple[float, float] | None = None) -> Meter:
    try:
        return RaplMeter()
    except LabError as error:
        return estimate_meter(power_w, error.found.rstrip("."))


def estimate_meter(power_w: tuple[float, float] | None, reason: str) -> EstimateMeter:
    """The estimate by a stated range, or by that of this host's processor."""
    if power_w is not None:
        return EstimateMeter(power_w, reason)
    found = host_range()
    return EstimateMeter(found.power_w, reason, source=found.source)
