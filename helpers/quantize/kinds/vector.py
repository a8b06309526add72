"""Product quantization: one index for several neighbouring weights."""

import math
import warnings
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from helpers.quantize.kinds.coding import Coded, Part
from helpers.quantize.kinds.groups import by_channel, from_channels, padded
from helpers.quantize.kinds.small_layers import in_eight_bits, told

TABLE_BITS = 16
TABLE_DTYPE = np.dtype(ml_dtypes.bfloat16)
# A layer may take this many times the bits of its codes at full table: half of them for the table.
MOST_SHARE = 2
# k-means looks at this many subvectors per centroid, as FAISS does (Douze et al. 2024, arXiv:2401.08281).
SAMPLE = 256
SEED = 0
ROUNDS = 25


@dataclass(frozen=True)
class Vector:
    """k-means of subvectors of a layer's weights (Jegou et al. 2011, doi:10.1109/TPAMI.2010.57; of networks
    Stock et al. 2020, arXiv:1907.05686).

    A channel's weights in their order are cut into subvectors of ``size``; the last is filled up with zeros,
    whose codes count. A layer has one table of centroids, in bfloat16: 16 bits, as Stock et al. have it;
    its rounding (2^-9) is far below the error of the codes, and unlike float16 it holds weights of any size.
    Centroids and the choice of the nearest are scikit-learn's k-means with a fixed seed: a local optimum.

    Small layers are decided by total bits. A layer has the most centroids, a power of two up to
    ``centroids``, with which table and codes take at most twice the bits of the codes at full table. Where
    that leaves fewer than the square root of ``centroids``, so less than half the bits of an index (depthwise
    layers, as a rule), it takes 8 bits a weight and a scale per channel.

    Attributes:
        size: weights of a subvector.
        centroids: the most; a power of two up to 256.
    """

    size: int
    centroids: int = 256

    @property
    def name(self) -> str:
        return f"vector-{self.size}-{self.centroids}"

    def encode(self, weights: np.ndarray, channel_axis: int) -> Coded:
        rows = by_channel(weights, channel_axis)
        vectors = padded(rows, self.size).reshape(-1, self.size)
        bits = self.index_bits(rows.size, len(vectors))
        if not bits:
            return in_eight_bits(weights, channel_axis)
        table, codes = clustered(vectors, 2**bits)
        parts = (
            Part("codes", codes.reshape(len(rows), -1).astype(np.uint8), bits),
            Part("table", table.astype(TABLE_DTYPE), TABLE_BITS),
        )
        return told(Coded(self, weights.shape, channel_axis, parts), bits)

    def index_bits(self, weights: int, vectors: int) -> int:
        """Bits of an index in a layer of so many weights; 0 where it takes 8 bits a weight instead."""
        most = int(math.log2(self.centroids))
        budget = MOST_SHARE * weights * most / self.size
        totals = {bits: vectors * bits + 2**bits * self.size * TABLE_BITS for bits in range(1, most + 1)}
        fitting = [bits for bits, total in totals.items() if total <= budget and 2 * bits >= most]
        return max(fitting, default=0)

    def decode(self, coded: Coded) -> np.ndarray:
        values = coded["table"].astype(np.float32)[coded["codes"]]
        return from_channels(values.reshape(len(values), -1), coded.shape, coded.channel_axis)


def clustered(vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Centroids, float32 ``[count, size]`` (numbers of bfloat16), and the index of each vector's, ``[n]``."""
    distinct, places = np.unique(vectors, axis=0, return_inverse=True)
    if len(distinct) <= count:
        return np.pad(as_stored(distinct), ((0, count - len(distinct)), (0, 0))), places.ravel()
    # k-means squares what it is given: float32 would lose the squares of tiny weights, and is slower.
    exact = vectors.astype(np.float64)
    table = as_stored(k_means(exact, count))
    return table, nearest(exact, table)


def as_stored(table: np.ndarray) -> np.ndarray:
    return table.astype(TABLE_DTYPE).astype(np.float32)


def k_means(vectors: np.ndarray, count: int) -> np.ndarray:
    """float64 centroids ``[count, size]``; on one thread, so that sums are taken in one order everywhere."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    if len(vectors) > SAMPLE * count:
        chosen = np.random.default_rng(SEED).choice(len(vectors), SAMPLE * count, replace=False)
        vectors = vectors[np.sort(chosen)]
    with threadpool_limits(1), warnings.catch_warnings():
        # Of vectors that differ by little but rounding, fewer clusters are found than asked for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = KMeans(count, n_init=1, max_iter=ROUNDS, random_state=SEED, copy_x=True)
        return model.fit(vectors).cluster_centers_


def nearest(vectors: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Index of the nearest row of ``table`` for each vector."""
    from scipy.spatial import KDTree

    return KDTree(table).query(vectors)[1]
