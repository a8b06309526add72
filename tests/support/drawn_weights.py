"""Tensors of weights for tests of what quantizes them."""

import numpy as np
from hypothesis import strategies as st

# Shape and channel axis, as LiteRT has them: dense, depthwise, fully connected; of one weight, one channel,
# many; two that are large enough for tables of subvectors, which have to be filled up in the last.
LAYOUTS = (
    ((4, 3, 3, 5), 0), ((1, 3, 3, 6), 3), ((7, 11), 0), ((1, 1), 0), ((1, 1, 1, 40), 0), ((40, 1), 0),
    ((64, 1, 1, 48), 0), ((96, 35), 0),
)  # fmt: skip
SHAPES = ("normal", "uniform", "long tails", "few values", "mostly zero", "all equal", "zero")


def drawn(layout: int, form: str, scale: float, seed: int) -> tuple[np.ndarray, int]:
    shape, axis = LAYOUTS[layout]
    generator = np.random.default_rng(seed)
    values = {
        "normal": lambda: generator.normal(size=shape),
        "uniform": lambda: generator.uniform(-1, 2, shape),
        "long tails": lambda: generator.standard_t(1.5, size=shape),
        "few values": lambda: generator.integers(-3, 4, shape) / 4,
        "mostly zero": lambda: generator.normal(size=shape) * (generator.random(shape) < 0.2),
        "all equal": lambda: np.full(shape, generator.normal()),
        "zero": lambda: np.zeros(shape),
    }[form]()
    return (values * scale).astype(np.float32), axis


def weights(
    forms: tuple[str, ...] = SHAPES, scales: tuple[float, ...] = (1e-30, 1e-3, 1.0, 1e30)
) -> st.SearchStrategy:
    """(weights, channel axis)."""
    return st.builds(
        drawn,
        st.integers(0, len(LAYOUTS) - 1),
        st.sampled_from(forms),
        st.sampled_from(scales),
        st.integers(0, 1000),
    )


def error(weights: np.ndarray, values: np.ndarray) -> float:
    """Sum of squares of the difference."""
    return float(((weights.astype(np.float64) - values.astype(np.float64)) ** 2).sum())
