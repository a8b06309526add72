"""Ranges of activations: from the extremes, or narrower ones that clip what is rare.

Each way looks at a histogram of a tensor's values over the calibration photos. What a range costs is told
behind the activation function that reads the tensor, if one does: of a leaky ReLU's negative inputs a tenth
arrives.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from helpers.quantize.cures.observed import Seen
from helpers.quantize.cures.plan import HIGHEST, LOWEST, Range
from helpers.runtimes.litert.graph import Graph, Tensor

Curve = Callable[[np.ndarray], np.ndarray]
PERCENTILES = MappingProxyType({"percentile-99.99": 1e-4, "percentile-99.9": 1e-3})
# Shares of the extremes that a search for the least error tries.
SHARES = np.round(np.geomspace(1, 0.05, 24), 4)
KL_LEVELS = HIGHEST - LOWEST + 1
WAYS = ("minmax", *PERCENTILES, "least-squares", "entropy")


def identity(x: np.ndarray) -> np.ndarray:
    return x


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -80, 80)))


def curve_behind(graph: Graph, model, tensor: Tensor) -> Curve:
    """What the operators that read a tensor make of it, where they are one activation function."""
    users = graph.users[tensor.index]
    types = sorted({user.type for user in users})
    if types == ["LEAKY_RELU"]:
        alpha = float(model.subgraphs[0].operators[users[0].index].builtinOptions.alpha)
        return lambda x: np.where(x > 0, x, alpha * x)
    if types == ["RELU"] or types == ["RELU6"]:
        most = 6.0 if types == ["RELU6"] else np.inf
        return lambda x: np.clip(x, 0, most)
    if types == ["HARD_SWISH"]:
        return lambda x: x * np.clip(x + 3, 0, 6) / 6
    if types == ["LOGISTIC"]:
        return sigmoid
    if types == ["LOGISTIC", "MUL"] and is_silu(users):
        return lambda x: x * sigmoid(x)
    return identity


def is_silu(users: list) -> bool:
    """Whether a tensor's two readers are x * sigmoid(x)."""
    gate = next(user for user in users if user.type == "LOGISTIC")
    product = next(user for user in users if user.type == "MUL")
    return len(users) == 2 and gate.outputs[0].index in {tensor.index for tensor in product.inputs}


def minmax(seen: Seen) -> Range:
    return Range.around(seen.low.min(), seen.high.max())


def bins_of(seen: Seen) -> tuple[np.ndarray, np.ndarray]:
    """Centres and counts of the histogram, float64."""
    low, high = float(seen.low.min()), float(seen.high.max())
    edges = np.linspace(low, high if high > low else low + 1, len(seen.counts) + 1)
    return (edges[1:] + edges[:-1]) / 2, seen.counts.astype(float)


def percentile(seen: Seen, tail: float) -> Range:
    """Between the values of which a share ``tail`` lies below, and above."""
    centres, counts = bins_of(seen)
    shares = np.cumsum(counts) / counts.sum()
    low = centres[np.searchsorted(shares, tail)]
    high = centres[min(np.searchsorted(shares, 1 - tail), len(centres) - 1)]
    return Range.around(max(low, seen.low.min()), min(high, seen.high.max()))


def least_squares(seen: Seen, curve: Curve = identity) -> Range:
    """The range of least squared error behind ``curve``, among shares of both extremes."""
    centres, counts = bins_of(seen)
    whole, wanted = minmax(seen), curve(centres)
    # A constant's levels are exact at any range.
    if whole.high == whole.low:
        return whole

    def error(grid: Range) -> float:
        levels = np.clip(np.rint(centres / grid.step) + grid.zero_point, LOWEST, HIGHEST)
        made = curve((levels - grid.zero_point) * grid.step)
        # Within a level values lie evenly: what a histogram of coarse bins hides.
        return float(counts @ np.square(made - wanted))

    lows = SHARES if whole.low < 0 else SHARES[:1]
    highs = SHARES if whole.high > 0 else SHARES[:1]
    options = [Range(whole.low * a, whole.high * b) for a in lows for b in highs]
    return min(options, key=error)


def entropy(seen: Seen) -> Range:
    """The range whose 256 levels keep most of the distribution: least Kullback-Leibler divergence of the
    histogram, clipped, to itself in levels (Migacz 2017, "8-bit Inference with TensorRT")."""
    centres, counts = bins_of(seen)
    whole = minmax(seen)

    def divergence(share: float) -> float:
        grid = Range(whole.low * share, whole.high * share)
        levels = np.clip(np.rint(centres / grid.step) + grid.zero_point, LOWEST, HIGHEST) - LOWEST
        place = levels.astype(int)
        inside = (centres >= grid.low) & (centres <= grid.high)
        clipped = np.where(inside, counts, 0)
        ends = np.flatnonzero(inside)
        if not len(ends):
            return np.inf
        clipped[ends[0]] += counts[: ends[0]].sum()
        clipped[ends[-1]] += counts[ends[-1] + 1 :].sum()
        sums = np.bincount(place[inside], counts[inside], KL_LEVELS)
        filled = np.bincount(place[inside], (counts[inside] > 0).astype(float), KL_LEVELS)
        spread = np.where(counts > 0, sums[place] / np.maximum(filled[place], 1), 0) * inside
        p, q = clipped / clipped.sum(), spread / max(spread.sum(), 1e-30)
        used = p > 0
        return float((p[used] * np.log(p[used] / np.maximum(q[used], 1e-12))).sum())

    return Range(*(end * min(SHARES, key=divergence) for end in (whole.low, whole.high)))


def ranges_by(way: str, graph: Graph, model, seen: Mapping[str, Seen]) -> dict[str, Range]:
    """Tensor -> its range.

    Args:
        way: one of ``WAYS``.
        seen: of each tensor, with histograms.
    """
    names = {tensor.name: tensor for tensor in graph.tensors}
    return {
        name: range_by(way, known, curve_behind(graph, model, names[name])) for name, known in seen.items()
    }


def range_by(way: str, seen: Seen, curve: Curve) -> Range:
    if way == "minmax":
        return minmax(seen)
    if way == "least-squares":
        return least_squares(seen, curve)
    return entropy(seen) if way == "entropy" else percentile(seen, PERCENTILES[way])
