"""Codes and steps of least squared output error, by the second moments of a layer's inputs.

For one output channel with weights w and inputs x the error is E[(ŵ·x - y)²], a quadratic form of ŵ. Nagel et
al. 2020 ("Up or Down? Adaptive Rounding for Post-Training Quantization", arXiv:2004.10568), equation 12, with
float32's output as y; minimized by exact coordinate descent on the grid, all channels at once.
"""

from dataclasses import dataclass

import numpy as np

BLOCK = 64
# Of the mean second moment: holds weights to float32's where the photos do not say better.
RIDGE = 0.01
NEIGHBOURS = (0.9, 1.0, 1.1)


@dataclass(frozen=True, eq=False)
class Quadratic:
    """The error of ``groups`` x ``rows`` channels, each of ``n`` weights, but for a constant.

    Attributes:
        weights: float32's own ``[groups, rows, n]``.
        moments: ``[groups, n, n]``, those of a group's inputs, positive definite.
        wanted: ``[groups, rows, n]``: of inputs with the output that is wanted.
    """

    weights: np.ndarray
    moments: np.ndarray
    wanted: np.ndarray

    def error(self, values: np.ndarray) -> np.ndarray:
        """``[groups, rows]``: v H v - 2 v g."""
        return np.einsum("grn,grn->gr", values, values @ self.moments - 2 * self.wanted)

    def best_steps(self, codes: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Of given codes the best steps ``[groups, rows]``; ``steps`` where there is none above 0."""
        up = np.einsum("grn,grn->gr", codes, self.wanted)
        down = np.einsum("grn,grn->gr", codes, codes @ self.moments)
        found = np.divide(up, down, out=np.zeros_like(up), where=down > 0)
        return np.where(found > 0, found, steps)


def quadratic(weights: np.ndarray, inputs: np.ndarray, wanted: np.ndarray, centred: bool) -> Quadratic:
    """Of samples.

    Args:
        weights: ``[groups, rows, n]``.
        inputs: ``[groups, samples, n]``, as the rounded network has them.
        wanted: ``[groups, samples, rows]``, float32's output without its bias.
        centred: means do not count: the bias answers for them.
    """
    if centred:
        inputs = inputs - inputs.mean(1, keepdims=True)
        wanted = wanted - wanted.mean(1, keepdims=True)
    count = inputs.shape[1]
    moments = (inputs.transpose(0, 2, 1) @ inputs).astype(np.float64) / count
    cross = (wanted.transpose(0, 2, 1) @ inputs).astype(np.float64) / count
    size = np.einsum("gnn->g", moments) / moments.shape[-1]
    # An input that never moves says nothing about its weights.
    ridge = np.where(size > 0, RIDGE * size, 1.0)
    moments += ridge[:, None, None] * np.eye(moments.shape[-1])
    return Quadratic(weights.astype(np.float64), moments, cross + ridge[:, None, None] * weights)


def nearest_codes(weights: np.ndarray, steps: np.ndarray, top: int) -> np.ndarray:
    """float64, as ``weights``; ``steps``: ``[groups, rows]``."""
    return np.clip(np.rint(weights / steps[..., None]), -top, top)


def descended(form: Quadratic, codes: np.ndarray, steps: np.ndarray, top: int, passes: int) -> np.ndarray:
    """Codes after each in turn took its best value, the others held; never worse than those given."""
    # float32: what a slope's last places say of a code does not matter, and it is twice as fast.
    codes, moments, steps = (np.float32(each) for each in (codes, form.moments, steps))
    slopes = (codes * steps[..., None]) @ moments - np.float32(form.wanted)
    for _ in range(passes):
        before = codes.copy()
        for first in range(0, codes.shape[-1], BLOCK):
            block = slice(first, first + BLOCK)
            moved = descend_block(codes[..., block], slopes[..., block], moments[:, block, block], steps, top)
            slopes += moved @ moments[:, block]
        if (codes == before).all():
            break
    return codes


def descend_block(
    codes: np.ndarray, slopes: np.ndarray, moments: np.ndarray, steps: np.ndarray, top: int
) -> np.ndarray:
    """Change ``codes`` in place; how far the values moved ``[groups, rows, block]``."""
    slopes, moved = slopes.copy(), np.zeros_like(codes)
    for n in range(codes.shape[-1]):
        ideal = codes[..., n] - slopes[..., n] / (moments[:, n, n, None] * steps)
        chosen = np.clip(np.rint(ideal), -top, top)
        moved[..., n] = (chosen - codes[..., n]) * steps
        codes[..., n] = chosen
        slopes += moved[..., n, None] * moments[:, None, n]
    return moved


def learned(
    form: Quadratic, steps: np.ndarray, top: int, factors: np.ndarray, passes: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Codes float64 ``[groups, rows, n]`` and steps float32 ``[groups, rows]`` of least error that is found.

    Each channel's step is first the best of ``steps`` times ``factors`` for nearest rounding, then of its
    neighbours for one pass of descent; then codes and step are fitted in turn.

    Args:
        steps: those that cover all weights, above 0.
        factors: 1 among them.
    """
    best_codes, best_steps = nearest_codes(form.weights, steps, top), steps
    least = form.error(best_codes * steps[..., None])
    for factor in factors:
        tried = np.float32(steps * factor)
        codes = nearest_codes(form.weights, tried, top)
        best_codes, best_steps, least = better(form, codes, tried, best_codes, best_steps, least)
    middle = best_steps
    for factor in NEIGHBOURS:
        tried = np.float32(middle * factor)
        codes = descended(form, nearest_codes(form.weights, tried, top), tried, top, 1)
        best_codes, best_steps, least = better(form, codes, tried, best_codes, best_steps, least)
    for _ in range(2):
        codes = descended(form, best_codes, best_steps, top, passes)
        tried = np.float32(form.best_steps(codes, best_steps))
        best_codes, best_steps, least = better(form, codes, best_steps, best_codes, best_steps, least)
        best_codes, best_steps, least = better(form, codes, tried, best_codes, best_steps, least)
    return best_codes, best_steps


def better(form: Quadratic, codes, steps, best_codes, best_steps, least):
    """Channel by channel the better of two pairs of codes and steps, and its error."""
    errors = form.error(codes * steps[..., None].astype(np.float64))
    wins = errors < least
    return (
        np.where(wins[..., None], codes, best_codes),
        np.where(wins, steps, best_steps),
        np.where(wins, errors, least),
    )
