"""What a quantizer must know beside the float32 file, as JSON that another program can apply."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

BITS = 8
LOWEST, HIGHEST = -128, 127
# LiteRT's kernels bound their step from below, and so does the int32 bias.
LEAST_STEP = 1e-8


@dataclass(frozen=True)
class Range:
    """Real numbers that a tensor's 256 levels span; 0 is among them, and is one of the levels exactly."""

    low: float
    high: float

    @staticmethod
    def around(low: float, high: float) -> "Range":
        """The smallest that holds both and 0."""
        return Range(min(float(low), 0.0), max(float(high), 0.0))

    @property
    def step(self) -> float:
        return max((self.high - self.low) / (HIGHEST - LOWEST), LEAST_STEP)

    @property
    def zero_point(self) -> int:
        return int(np.clip(round(LOWEST - self.low / self.step), LOWEST, HIGHEST))

    def joined(self, other: "Range") -> "Range":
        return Range(min(self.low, other.low), max(self.high, other.high))


@dataclass(frozen=True)
class Plan:
    """How a float32 ``.tflite`` becomes an int8 one.

    Tensors and operators go by names in the float32 file: an operator by that of its first output.

    Attributes:
        ranges: of activations; a tensor that has none makes its operators stay float.
        floats: operators that stay float.
        apart: concatenations whose inputs keep ranges of their own, and are stored anew for it.
        steps: weights' tensor -> float32 ``[channels]``; else its channels' largest magnitudes / 127.
        codes: weights' tensor -> whole numbers of its shape; else each weight's nearest.
        biases: operator -> what is added to its bias, float32 ``[channels]``.
        weight_bits: of the grid of weights: 8, or fewer, stored as int8.
    """

    ranges: Mapping[str, Range]
    floats: frozenset[str] = frozenset()
    apart: frozenset[str] = frozenset()
    steps: Mapping[str, np.ndarray] = field(default_factory=dict)
    codes: Mapping[str, np.ndarray] = field(default_factory=dict)
    biases: Mapping[str, np.ndarray] = field(default_factory=dict)
    weight_bits: int = BITS

    def as_json(self) -> dict[str, Any]:
        """Plain values; arrays as lists."""
        return {
            "ranges": {name: [r.low, r.high] for name, r in self.ranges.items()},
            "floats": sorted(self.floats),
            "apart": sorted(self.apart),
            "steps": listed(self.steps),
            "codes": listed(self.codes),
            "biases": listed(self.biases),
            "weight_bits": self.weight_bits,
        }

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> "Plan":
        return Plan(
            {name: Range(*pair) for name, pair in stored["ranges"].items()},
            frozenset(stored["floats"]),
            frozenset(stored["apart"]),
            arrays(stored["steps"], np.float32),
            arrays(stored["codes"], np.int8),
            arrays(stored["biases"], np.float32),
            stored["weight_bits"],
        )


def listed(values: Mapping[str, np.ndarray]) -> dict[str, list]:
    return {name: np.asarray(value).tolist() for name, value in values.items()}


def arrays(values: Mapping[str, list], dtype: type) -> dict[str, np.ndarray]:
    return {name: np.asarray(value, dtype) for name, value in values.items()}
