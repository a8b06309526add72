"""What the options of a run may hold, whether a command or a notebook gives them."""

import math
import numbers
import re
from collections.abc import Sequence
from typing import Any

from helpers.lab.errors import LabError

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LONGEST_RUN_NAME = 80  # leaves room for the names of files below it, of which most systems allow 255 letters
MOST_THREADS = 1024
MOST_POINTS = 100  # AP is at most 100 points
WIDTH_PERCENT = 2.0  # of the interval of a latency ratio
MARGIN_POINTS = 1.0  # AP points
POWER_BOUNDS_W = (0.01, 1000.0)  # of one busy core


def as_names(parameter: str, given: Sequence[str] | str | None) -> list[str]:
    """The names that a parameter holds: papermill's ``-p`` gives one name as text, and None for nothing.

    Raises:
        LabError: it holds something else.
    """
    if given is None or isinstance(given, str):
        return [given] if given and given.strip() else []
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise LabError(
            f"{parameter} = {given!r}.",
            "a list of names, or one name as text",
            f'write ["NAME", ...]; to papermill, -p {parameter} NAME or -y "{parameter}: [NAME, NAME]".',
        )
    return list(given)


def as_text(parameter: str, given: Any) -> str:
    """A parameter that is a text; None is an empty one.

    Raises:
        LabError: it is something else.
    """
    if given is None or isinstance(given, str):
        return given or ""
    cure = f'write {parameter} = "{given}"; to papermill, -r {parameter} {given}.'
    raise LabError(f"{parameter} = {given!r}.", "a text", cure)


def is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def require_run_name(given: Any) -> str:
    """A name that can be that of a folder below ``data/runs``.

    Raises:
        LabError: it cannot.
    """
    name = as_text("run_name", given)
    if not RUN_NAME.fullmatch(name) or name == "latest" or len(name) > LONGEST_RUN_NAME:
        shown = name if len(name) <= LONGEST_RUN_NAME else f"{name[:20]}... of {len(name)} letters"
        raise LabError(
            f"run name {shown!r}.",
            f"at most {LONGEST_RUN_NAME} letters, digits, dots, dashes and underscores; not 'latest', which "
            "names the last run",
            "choose another name.",
        )
    return name


def require_scheduler(address: str) -> str:
    """The address of a scheduler, or nothing."""
    if address and "://" not in address:
        raise LabError(
            f"scheduler {address!r}.",
            "the address that `python -m helpers scheduler` prints, such as tcp://10.0.0.1:8786",
            "give it with its tcp:// in front.",
        )
    return address


def require_threads(threads: Any) -> int:
    if not (is_number(threads) and threads == int(threads) and 1 <= threads <= MOST_THREADS):
        raise LabError(
            f"{threads!r} threads.",
            f"a whole number, 1 to {MOST_THREADS}",
            "give the threads of the runtime.",
        )
    return int(threads)


def require_margin_points(points: Any) -> float:
    if not (is_number(points) and 0 < points < MOST_POINTS):
        raise LabError(
            f"a margin of {points!r} AP points.",
            f"AP points above 0 and below {MOST_POINTS}, such as 1",
            "say how many AP points a variant may lose at most.",
        )
    return float(points)


def require_width(percent: Any) -> float:
    if not (is_number(percent) and 0 < percent <= 100):
        raise LabError(
            f"a width of {percent!r} %.",
            "a number above 0 and at most 100",
            "say how wide, in percent, the interval of a latency ratio may be: 2 is usual.",
        )
    return float(percent)


def require_power_w(power_w: Any) -> tuple[float, float] | None:
    """Lowest and highest power of one busy core, in W; None where none is given."""
    if power_w is None:
        return None
    least, most = POWER_BOUNDS_W
    pair = tuple(power_w) if isinstance(power_w, list | tuple) else ()
    if not (len(pair) == 2 and all(map(is_number, pair)) and least <= pair[0] <= pair[1] <= most):
        raise LabError(
            f"power_w = {power_w!r}.",
            f"two numbers from {least} to {most:g} W per busy core, the lower first, such as 3 and 9",
            "give the range of power of one busy core (--power-w LOW HIGH), or leave it out.",
        )
    return float(pair[0]), float(pair[1])
