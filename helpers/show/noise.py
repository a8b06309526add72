"""The noise floor: what the control, float32 measured twice, shows where nothing differs."""

import math
from dataclasses import dataclass

import pandas as pd

from helpers.intervals import Interval
from helpers.show.rows import has_bounds, number, records_of
from helpers.variants import CONTROL


@dataclass(frozen=True)
class NoiseFloor:
    """Ratios from ``1 / factor`` to ``factor`` cannot be told from no difference."""

    factor: float

    @property
    def low(self) -> float:
        return 1 / self.factor

    @property
    def high(self) -> float:
        return self.factor

    def overlaps(self, ratio: Interval) -> bool:
        return ratio.low <= self.high and ratio.high >= self.low

    def text(self) -> str:
        return f"{self.low:.3f} to {self.high:.3f}"


def noise_floor(frame: pd.DataFrame, quantity: str) -> NoiseFloor | None:
    """From the interval of the control's ratio of one model; None where the control has none.

    The band is symmetric as ratios are: it reaches as far as the control's interval does on its worse side.

    Args:
        frame: rows of one model.
        quantity: ``latency`` or ``energy``.
    """
    for row in records_of(frame[frame["variant"] == CONTROL]):
        ratio = ratio_of(row, quantity)
        if ratio and has_bounds(ratio) and ratio.low > 0:
            return NoiseFloor(max(ratio.high, 1 / ratio.low, 1.0))
    return None


def ratio_of(row: dict, quantity: str) -> Interval | None:
    """``<quantity>_ratio`` with its bounds; None where there is none."""
    value, low, high = (number(row, f"{quantity}_ratio{end}") for end in ("", "_low", "_high"))
    return Interval(value, low, high) if math.isfinite(value) else None
