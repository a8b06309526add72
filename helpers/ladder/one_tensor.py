"""One output channel of one layer, and what each kind of quantization leaves of its weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from helpers.ladder.stage import Ladder
from helpers.quantize.float_layers import float_layers
from helpers.quantize.kinds.catalogue import get_kind
from helpers.quantize.kinds.coding import decode
from helpers.quantize.layers.decibels import power, sqnr_db

SHOWN = (
    "uniform-4-tensor-minmax", "uniform-4-tensor-lse", "uniform-4-channel-minmax", "uniform-4-channel-lse",
    "uniform-4-block-lse", "mxfp4", "float8-e4m3", "log2-4", "apot-4", "codebook-16", "vector-4-256",
    "uniform-2-channel-lse", "ternary", "binary",
)  # fmt: skip
NOTHING = "No channel to open: the model has no layer whose weights could be quantized."


@dataclass(frozen=True)
class OneTensor:
    """One channel of a model's layer.

    Attributes:
        layer: its name; ``channel``: number of the output channel.
        weights: float32 ``[n]``.
        kept: kind -> float32 ``[n]``: the values that its codes stand for.
        bits: kind -> mean bits of a weight of the whole layer.
    """

    model: str
    layer: str
    channel: int
    weights: np.ndarray
    kept: Mapping[str, np.ndarray]
    bits: Mapping[str, float]

    def noise_db(self, kind: str) -> float:
        """Signal to noise of the channel, in dB."""
        values = self.weights.astype(np.float64)
        return sqnr_db(power(values), power(self.kept[kind] - values))


def open_tensor(ladder: Ladder, kinds: Sequence[str] = SHOWN) -> OneTensor | None:
    """Of the layer whose channels have most weights that channel whose range is the median one.

    None where no layer has weights that can be quantized.
    """
    layers = float_layers(ladder.float_file)
    if not layers:
        return None
    layer = layers[int(np.argmax([each.rows.shape[1] for each in layers]))]
    rows, axis = layer.rows, layer.axis
    widest = np.abs(rows).max(1)
    channel = int(np.argsort(widest, kind="stable")[len(widest) // 2])
    coded = {kind: get_kind(kind).encode(layer.weights, axis) for kind in kinds}
    kept = {kind: np.moveaxis(decode(each), axis, 0)[channel].ravel() for kind, each in coded.items()}
    bits = {kind: each.bits_per_weight for kind, each in coded.items()}
    return OneTensor(ladder.model.id, layer.name, channel, rows[channel].copy(), kept, bits)
