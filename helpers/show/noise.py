"""The noise floor: what the control, float32 measured twice, shows where nothing differs."""

import math
from dataclasses import dataclass

import pandas as pd

from helpers.intervals import Interval
from helpers.show.rows import has_bounds, number, records_of
from helpers.variants import CONTROL


@dataclass(frozen=True)
class NoiseFloor:
    """Ratios from ``1 - relative`` to ``1 + relative`` cannot be told from no difference."""

    relative: float

    @property
    def low(self) -> float:
        return 1 - self.relative

    @property
    def high(self) -> float:
        return 1 + self.relative

    def overlaps(self, ratio: Interval) -> bool:
        return ratio.low <= self.high and ratio.high >= self.low

    def text(self) -> str:
        return f"1 ± {self.relative:.3f}"


def noise_floor(frame: pd.DataFrame, quantity: str) -> NoiseFloor | None:
    """From the interval of the control's ratio of one model; None where the control has none.

    As ``measure.summary.noise_floor``: the band reaches as far to both sides of 1 as that interval on its
    worse side.

    Args:
        frame: rows of one model.
        quantity: ``latency`` or ``energy``.
    """
    for row in records_of(frame[frame["variant"] == CONTROL]):
        ratio = ratio_of(row, quantity)
        if ratio and has_bounds(ratio):
            return NoiseFloor(max(abs(ratio.low - 1), abs(ratio.high - 1)))
    return None


def ratio_of(row: dict, quantity: str) -> Interval | None:
    """``<quantity>_ratio`` with its bounds; None where there is none."""
    value, low, high = (number(row, f"{quantity}_ratio{end}") for end in ("", "_low", "_high"))
    return Interval(value, low, high) if math.isfinite(value) else None
