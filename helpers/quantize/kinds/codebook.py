"""A table of values for each layer, and an index into it for each weight."""

from dataclasses import dataclass

import numpy as np

from helpers.quantize.kinds.coding import Coded, Part
from helpers.quantize.kinds.groups import by_channel, from_channels
from helpers.quantize.kinds.line_clusters import best_centroids
from helpers.quantize.kinds.small_layers import in_eight_bits, told


@dataclass(frozen=True)
class Codebook:
    """k-means of a layer's weights (Han et al. 2016, arXiv:1510.00149): the optimum, see ``best_centroids``.

    The table is float32, ascending, and always has ``levels`` entries; of fewer distinct weights, which it
    then holds without error, the last is repeated. A layer that takes fewer bits with 8-bit codes and a scale
    per channel than with its table (a few dozen weights) is coded so: ``small_layers``. A byte says which.
    Neither 0 nor symmetry is promised.

    Attributes:
        levels: a power of two from 2 to 256.
    """

    levels: int

    @property
    def name(self) -> str:
        return f"codebook-{self.levels}"

    @property
    def bits(self) -> int:
        return self.levels.bit_length() - 1

    def encode(self, weights: np.ndarray, channel_axis: int) -> Coded:
        rows = by_channel(weights, channel_axis)
        table = best_centroids(rows.ravel(), self.levels).astype(np.float32)
        middles = (table[1:].astype(np.float64) + table[:-1]) / 2
        codes = np.searchsorted(middles, rows).astype(np.uint8)
        whole = np.pad(table, (0, self.levels - len(table)), mode="edge")
        parts = (Part("codes", codes, self.bits), Part("table", whole, 32))
        coded = told(Coded(self, weights.shape, channel_axis, parts), 1)
        return min(coded, in_eight_bits(weights, channel_axis), key=lambda one: one.bits)

    def decode(self, coded: Coded) -> np.ndarray:
        return from_channels(coded["table"][coded["codes"]], coded.shape, coded.channel_axis)
