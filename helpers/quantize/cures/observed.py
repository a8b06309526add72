"""What the calibration photos show of every tensor of a float32 core."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers.quantize.activations import activations, each_photo
from helpers.runtimes.litert.graph import Graph, Tensor

BINS = 2048


@dataclass
class Seen:
    """Of one tensor, over all photos.

    Attributes:
        low, high: float32 ``[channels]``, extremes of each channel (the last axis).
        mean: float64 ``[channels]``.
        counts: int64 ``[BINS]`` at equal steps from the lowest to the highest value; None until taken.
    """

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    counts: np.ndarray | None = None


def observe(content: bytes, graph: Graph, photos: Sequence[np.ndarray]) -> dict[str, Seen]:
    """Tensor's name -> extremes and means of its channels over all photos."""
    found: dict[str, Seen] = {}

    def look(tensor: Tensor, values: np.ndarray) -> None:
        rows = values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, 1)
        low, high, mean = rows.min(0), rows.max(0), rows.mean(0, dtype=np.float64) / len(photos)
        known = found.get(tensor.name)
        if known is None:
            found[tensor.name] = Seen(low, high, mean)
        else:
            known.low, known.high = np.minimum(known.low, low), np.maximum(known.high, high)
            known.mean = known.mean + mean

    each_photo(content, activations(graph), photos, look)
    return found


def count(content: bytes, graph: Graph, photos: Sequence[np.ndarray], seen: dict[str, Seen]) -> None:
    """Add histograms."""

    def look(tensor: Tensor, values: np.ndarray) -> None:
        known = seen[tensor.name]
        low, high = float(known.low.min()), float(known.high.max())
        counts = np.histogram(values, BINS, (low, high if high > low else low + 1))[0]
        known.counts = counts if known.counts is None else known.counts + counts

    each_photo(content, activations(graph), photos, look)
