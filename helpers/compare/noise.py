"""The noise floor: what measuring shows where nothing differs.

Two things tell of it. The control, float32 measured twice in the same rounds, shows what this run takes for a
difference; the self-test, many such measurements, shows how far they stray. The larger rules.
"""

import math
from dataclasses import dataclass

import pandas as pd

from helpers.lab.intervals import Interval
from helpers.lab.quantities import has_bounds, number
from helpers.run.variants import is_control
from helpers.show.rows import records_of

BY_CONTROL, BY_SELFTEST = "control", "self-test"
SELFTEST_COLUMNS = {"latency": "latency_selftest_noise"}


@dataclass(frozen=True)
class NoiseFloor:
    """Ratios from ``1 - relative`` to ``1 + relative`` cannot be told from no difference.

    ``source``: what told, the control or the self-test.
    """

    relative: float
    source: str = BY_CONTROL

    @property
    def low(self) -> float:
        return 1 - self.relative

    @property
    def high(self) -> float:
        return 1 + self.relative

    def overlaps(self, ratio: Interval) -> bool:
        return ratio.low <= self.high and ratio.high >= self.low

    def text(self) -> str:
        """``1 ± 0.019 (self-test)``."""
        return f"1 ± {self.relative:.3f} ({self.source})"


def noise_floor(frame: pd.DataFrame, quantity: str) -> NoiseFloor | None:
    """The larger of what control and self-test show; None where neither tells.

    The control's band reaches as far to both sides of 1 as the interval of its ratio on its worse side.

    Args:
        frame: rows of one model.
        quantity: ``latency`` or ``energy``.
    """
    rows = records_of(frame)
    reaches = [(control_reach(row, quantity), BY_CONTROL) for row in rows]
    reaches += [(number(row, SELFTEST_COLUMNS.get(quantity, "")), BY_SELFTEST) for row in rows]
    found = [NoiseFloor(*reach) for reach in reaches if math.isfinite(reach[0])]
    return max(found, key=lambda floor: floor.relative, default=None)


def control_reach(row: dict, quantity: str) -> float:
    """How far from 1 the interval of the control's ratio reaches; NaN for other rows, or without bounds."""
    ratio = ratio_of(row, quantity) if is_control(str(row["variant"])) else None
    return max(abs(ratio.low - 1), abs(ratio.high - 1)) if ratio and has_bounds(ratio) else math.nan


def speed_ratio(row: dict) -> Interval | None:
    """Latency relative to the model's float32, across runtimes; that to the float32 of the same runtime where
    there is no other."""
    return ratio_of(row, "latency_across") or ratio_of(row, "latency")


def ratio_of(row: dict, quantity: str) -> Interval | None:
    """``<quantity>_ratio`` with its bounds; None where there is none."""
    value, low, high = (number(row, f"{quantity}_ratio{end}") for end in ("", "_low", "_high"))
    return Interval(value, low, high) if math.isfinite(value) else None
