"""The scale of a fixed set of levels that leaves the least squared error: exact, for every group at once."""

import numpy as np

# Elements that are sorted at once; each takes some 40 bytes meanwhile.
AT_ONCE = 2_000_000


def best_scales(magnitudes: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The scale s of each group with the least sum of (|w| - s * nearest level)^2.

    For fixed codes c the best scale is <|w|,c> / <c,c>, and the error is <w,w> less <|w|,c>^2 / <c,c>. As s
    falls from infinity, a weight passes from level a to b at s = |w| / ((a + b) / 2): sorting these places
    gives every set of codes that rounding to the nearest can give, and two running sums the error of each.
    With the levels 0 and 1 it is the best prefix of the sorted magnitudes: ternary weights.

    Args:
        magnitudes: ``[groups, n]``, 0 or more.
        levels: ascending, 0 or more; two at least.

    Returns:
        float64 ``[groups]``; 0 for a group of zeros. Time and memory grow with n * levels.
    """
    size = max(1, AT_ONCE // (magnitudes.shape[1] * (len(levels) - 1)))
    starts = range(0, len(magnitudes), size)
    return np.concatenate([swept(magnitudes[start : start + size], levels) for start in starts])


def swept(magnitudes: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """``best_scales`` of some groups."""
    weights = magnitudes.astype(np.float64)[:, :, None]
    passed = (weights / ((levels[1:] + levels[:-1]) / 2)).reshape(len(weights), -1)
    order = np.argsort(-passed, axis=1)
    # Codes before the first passage: the lowest level for every weight.
    products = running(levels[0] * weights.sum((1, 2)), weights * np.diff(levels), order)
    squares = running(
        levels[0] ** 2 * np.full(len(weights), weights.shape[1]),
        np.broadcast_to(np.diff(levels**2), (*weights.shape[:2], len(levels) - 1)),
        order,
    )
    removed = np.divide(products**2, squares, out=np.zeros_like(products), where=squares > 0)
    best = removed.argmax(1)[:, None]
    return quotient(np.take_along_axis(products, best, 1)[:, 0], np.take_along_axis(squares, best, 1)[:, 0])


def running(first: np.ndarray, steps: np.ndarray, order: np.ndarray) -> np.ndarray:
    """``[groups, passages + 1]``: ``first`` and the sums after each of the steps ``[groups, n, m]``."""
    sorted_steps = np.take_along_axis(steps.reshape(len(steps), -1), order, 1)
    return np.cumsum(np.concatenate([first[:, None], sorted_steps], 1), 1)


def quotient(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """``above / below``; 0 where ``below`` is."""
    return np.divide(above, below, out=np.zeros(np.shape(above)), where=below > 0)


def nonzero(scales: np.ndarray) -> np.ndarray:
    """Scales to divide by: 1 in place of 0, the scale of zeros and of what is too small to have one."""
    return np.where(scales > 0, scales, scales.dtype.type(1))
