"""Sums over photos for one layer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from helpers.quantize.layers.decibels import NEGLIGIBLE_DB
from helpers.quantize.layers.layer_error import COARSE_LEVELS
from helpers.runtimes.litert.grid import Grid

PROPERTIES = (
    "error_per_std", "clipped", "seen_range", "step_per_std", "levels_used", "coarse_channels",
    "half_channels",
)  # fmt: skip


@dataclass
class Tally:
    """What is added up over photos; ``grid``: of the output as the variant stores it, None for floats."""

    grid: Grid | None
    sqnr_db: list[float] = field(default_factory=list)
    own_sqnr_db: list[float] = field(default_factory=list)
    drop_db: list[float] = field(default_factory=list)
    input_sqnr_db: list[float] = field(default_factory=list)
    grid_sqnr_db: list[float] = field(default_factory=list)
    count: int = 0
    outside: int = 0
    total: float = 0.0
    signal: float = 0.0
    noise: float = 0.0
    lowest: np.ndarray | None = None
    highest: np.ndarray | None = None
    own_noise: np.ndarray | None = None
    levels: np.ndarray = field(default_factory=lambda: np.zeros(256, bool))

    def add_values(self, values: np.ndarray, signal: float) -> None:
        """float32's values of one photo and their sum of squares; channels are on the last axis."""
        by_channel = channels_last(values)
        low, high = by_channel.min(0), by_channel.max(0)
        self.lowest = low if self.lowest is None else np.minimum(self.lowest, low)
        self.highest = high if self.highest is None else np.maximum(self.highest, high)
        self.count += values.size
        self.total += float(values.sum(dtype=np.float64))
        self.signal += signal
        if self.grid:
            self.outside += outside(values, self.grid, float(low.min()), float(high.max()))

    def add_error(self, stored: np.ndarray, found_db: float, noise: float, before_db: float) -> None:
        """The variant's output on one photo, as stored, its error, and SQNR of the layer's worst input."""
        self.sqnr_db.append(found_db)
        self.noise += noise
        self.drop_db.append(min(before_db, NEGLIGIBLE_DB) - found_db)
        if stored.dtype in (np.int8, np.uint8):
            self.levels[stored.reshape(-1).view(np.uint8)] = True

    def add_own(self, error: np.ndarray, own_db: float, input_db: float) -> None:
        """The layer's own error on one photo, its SQNR, and that of its worst input by rounding alone."""
        by_channel = channels_last(error)
        noise = np.einsum("ij,ij->j", by_channel, by_channel)
        self.own_noise = noise if self.own_noise is None else self.own_noise + noise
        self.own_sqnr_db.append(own_db)
        self.input_sqnr_db.append(input_db)

    @property
    def std(self) -> float:
        return float(np.sqrt(max(0.0, self.signal / self.count - (self.total / self.count) ** 2)))

    @property
    def error_per_std(self) -> float | None:
        return float(np.sqrt(self.noise / self.count)) / self.std if self.std else None

    @property
    def seen_range(self) -> tuple[float, float]:
        return float(self.lowest.min()), float(self.highest.max())

    @property
    def clipped(self) -> float | None:
        return self.outside / self.count if self.grid else None

    @property
    def step_per_std(self) -> float | None:
        return self.grid.scale / self.std if self.grid and self.std else None

    @property
    def levels_used(self) -> float | None:
        return float(self.levels.mean()) if self.grid and self.grid.levels == 256 else None

    @property
    def coarse_channels(self) -> float | None:
        """A channel that spans n levels takes (highest - lowest) / scale + 1 of them."""
        if not self.grid:
            return None
        spans = np.clip(self.highest, self.grid.low, self.grid.high)
        spans = (spans - np.clip(self.lowest, self.grid.low, self.grid.high)) / self.grid.scale + 1
        return float((spans <= COARSE_LEVELS).mean())

    @property
    def half_channels(self) -> int | None:
        if self.own_noise is None or not 0 < self.own_noise.sum() < np.inf:
            return None
        shares = np.cumsum(np.sort(self.own_noise)[::-1]) / self.own_noise.sum()
        return int(np.searchsorted(shares, 0.5)) + 1

    def summary(self) -> dict[str, Any]:
        """The fields of ``LayerError`` that come from the photos."""
        return {
            "sqnr_db": middle(self.sqnr_db),
            "sqnr_low_db": min(self.sqnr_db),
            "sqnr_high_db": max(self.sqnr_db),
            "own_sqnr_db": middle(self.own_sqnr_db),
            "drop_db": middle(self.drop_db),
            "input_sqnr_db": middle(self.input_sqnr_db),
            "grid_sqnr_db": middle(self.grid_sqnr_db),
            "stored_range": (self.grid.low, self.grid.high) if self.grid else None,
            **{name: getattr(self, name) for name in PROPERTIES},
        }


def channels_last(values: np.ndarray) -> np.ndarray:
    """As ``[places, channels]``; a vector is one channel."""
    return values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)


def outside(values: np.ndarray, grid: Grid, low: float, high: float) -> int:
    """How many values are more than half a step beyond the grid's ends: more than rounding."""
    floor, ceiling = grid.low - grid.scale / 2, grid.high + grid.scale / 2
    if low >= floor and high <= ceiling:
        return 0
    return int(np.count_nonzero(values < floor) + np.count_nonzero(values > ceiling))


def middle(numbers: Sequence[float]) -> float | None:
    """The median; None of nothing."""
    return float(np.median(numbers)) if len(numbers) else None
