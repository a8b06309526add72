"""Which meter this host gets: a counter where it has one, an estimate with the reason otherwise."""

from helpers.errors import LabError, unknown_name
from helpers.meters.absent import AbsentMeter
from helpers.meters.base import Meter
from helpers.meters.estimate import POWER_W, EstimateMeter
from helpers.meters.rapl import RaplMeter

METERS = ("auto", "pyRAPL", "estimate", "none")


def choose_meter(name: str = "auto", power_w: tuple[float, float] = POWER_W) -> Meter:
    """The meter called ``name``; ``auto`` is pyRAPL where it works, else the estimate.

    Args:
        name: one of ``METERS``.
        power_w: watts per busy core, (low, high), for the estimate.

    Raises ``LabError`` for an unknown name, an impossible ``power_w``, or ``pyRAPL`` asked for by name on a
    host that has none to read.
    """
    if name not in METERS:
        raise unknown_name("meter", name, METERS)
    if name == "none":
        return AbsentMeter("the meter 'none' was asked for")
    if name == "estimate":
        return EstimateMeter(power_w, "the estimate was asked for")
    return RaplMeter() if name == "pyRAPL" else best_meter(power_w)


def best_meter(power_w: tuple[float, float]) -> Meter:
    try:
        return RaplMeter()
    except LabError as error:
        return EstimateMeter(power_w, error.found.rstrip("."))
