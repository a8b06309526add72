"""How many bits a file of a runtime takes for a weight, and what of float32's weights it keeps."""

from dataclasses import dataclass
from pathlib import Path

from helpers.lab.intervals import Absent
from helpers.quantize.float_layers import float_layers
from helpers.quantize.layers.decibels import power, sqnr_db
from helpers.quantize.layers.match import Wiring, match
from helpers.quantize.layers.opened import read_whole
from helpers.quantize.layers.weights import read_weights
from helpers.runtimes.catalogue import LITERT, get_runtime, runtime_of
from helpers.runtimes.litert.graph import Graph, Tensor
from helpers.runtimes.litert.reader import read_graph

BYTE, SCALE_BITS = 8, 32


@dataclass(frozen=True)
class StoredWeights:
    """Of all convolutions of a file.

    Attributes:
        bits: mean bits of a weight: what its buffer takes, and 32 for each scale of integers.
        sqnr_db: of all of them together against float32's; NaN where a storage is not read here.
    """

    bits: float
    sqnr_db: float


def stored_weights(float_file: Path, file: Path) -> StoredWeights:
    """Compare a file with the float32 file that it was made from. Of other files than ``.tflite`` only the
    bits are told."""
    if runtime_of(file) != LITERT.id:
        return StoredWeights(bits_by_bytes(float_file, file), float("nan"))
    return StoredWeights(mean_bits(read_graph(file)), whole_sqnr_db(float_file, file))


def bits_by_bytes(float_file: Path, file: Path) -> float:
    """By the bytes of weights in ``file``, and how many weights the float32 file has; NaN without any."""
    stored = get_runtime(runtime_of(file)).stored(file)
    count = sum(layer.weights.size for layer in float_layers(float_file))
    return BYTE * stored.weights_bytes / count if count and not isinstance(stored, Absent) else float("nan")


def mean_bits(graph: Graph) -> float:
    """NaN for a file without convolutions."""
    weights = {tensor.buffer: tensor for tensor in map(graph.stored_weights, graph.convolutions)}
    count = sum(tensor.elements for tensor in weights.values())
    return sum(map(stored_bits, weights.values())) / count if count else float("nan")


def stored_bits(tensor: Tensor) -> int:
    scales = 0 if tensor.dtype.startswith("float") else len(tensor.scales)
    return BYTE * tensor.stored_bytes + SCALE_BITS * scales


def whole_sqnr_db(float_file: Path, file: Path) -> float:
    base, other = (Wiring(read_graph(path)) for path in (float_file, file))
    models = read_whole(float_file), read_whole(file)
    signal = noise = 0.0
    for layer in match(base, other):
        if layer.operator.weights is None:
            continue
        pair = base.graph.stored_weights(layer.operator), other.graph.stored_weights(layer.same)
        values, kept = (read_weights(*side) for side in zip(models, pair, strict=True))
        if values is None or kept is None or values.shape != kept.shape:
            return float("nan")
        signal, noise = signal + power(values), noise + power(values - kept)
    return sqnr_db(signal, noise) if signal else float("nan")
