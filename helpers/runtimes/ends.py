"""What goes into a core and comes out of it, as arrays of its own dtypes and as real numbers."""

import numpy as np

from helpers.runtimes.contract import Session


def as_dtype(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Real numbers as ``dtype``; integers are rounded to, and cut at the ends of their range."""
    if image.dtype == dtype:
        return image
    if dtype.kind in "iu" and image.dtype.kind == "f":
        limits = np.iinfo(dtype)
        image = np.clip(np.rint(image), limits.min, limits.max)
    return image.astype(dtype)


def as_real(values: np.ndarray) -> np.ndarray:
    """A copy: float32 of what is no float32 or float64."""
    return values.copy() if values.dtype in (np.float32, np.float64) else values.astype(np.float32)


def numbered(shape: object) -> tuple[int, ...] | None:
    """A shape of whole numbers alone; None for one with a free dimension."""
    sizes = tuple(shape)
    return tuple(map(int, sizes)) if all(isinstance(size, int) and size >= 0 for size in sizes) else None


def image_for(core: Session) -> np.ndarray:
    """Random pixels of a core's input shape and dtype: -1..1, or the whole range of an integer dtype."""
    generator = np.random.default_rng(0)
    if core.input_dtype.kind == "f":
        return generator.uniform(-1, 1, core.input_shape).astype(core.input_dtype)
    limits = np.iinfo(core.input_dtype)
    return generator.integers(limits.min, limits.max, core.input_shape, core.input_dtype, endpoint=True)
