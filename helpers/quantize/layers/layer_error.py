"""What is known of the layers' errors in a variant."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LayerError:
    """One layer's output in a variant against the same output in float32, on some photos.

    Ratios are SQNR: signal-to-quantization-noise, 10 log10 of sum x² / sum (x - x_variant)², in dB,
    within ±140 (140: no difference above float32's own rounding). None: there is no such thing here.

    Attributes:
        name: short and for people; ``tensor``: the tensor's name in the float32 file.
        place: place among the layers of the float32 file, from 0; ``depth``: the same as 0..1.
        operator, kind: of the float32 file; ``kind`` is one of ``kinds_of_operators.KINDS``.
        shape: of the output.
        weights_dtype: what the variant's file stores the layer's weights as; empty without weights.
        computes: dtype that the variant computes it in; as ``FileFacts.compute_dtype`` for a convolution.
        sqnr_db: accumulated, whole variant against whole float32 model: median over photos, and
            ``sqnr_low_db``, ``sqnr_high_db``: smallest and largest over photos.
        own_sqnr_db: of this layer alone: fed with float32's inputs, rounded as the variant stores them.
        drop_db: how far ``sqnr_db`` lies below that of the layer's worst input, in dB; negative where it is
            above. Inputs above ``NEGLIGIBLE_DB`` (40 dB, 1 % of error) count as that: what is lost above it
            is not felt.
        half_channels: the smallest number of channels that hold half of the layer's own error.
        error_per_std: RMS of the accumulated error / standard deviation of the values.
        weights_sqnr_db: the weights as stored against float32's.
        input_sqnr_db: float32's inputs rounded as the variant stores them: the worst of them.
        grid_sqnr_db: float32's output rounded as the variant stores it.
        clipped: share of float32's values outside the range that the variant can store.
        stored_range: that range, as calibrated; ``seen_range``: float32's smallest and largest value.
        step_per_std: distance of two neighbouring levels / standard deviation of the values.
        levels_used: share of the levels that occur at all.
        coarse_channels: share of channels whose values span ``COARSE_LEVELS`` levels or fewer.
    """

    name: str
    tensor: str
    place: int
    depth: float
    operator: str
    kind: str
    shape: tuple[int, ...]
    weights_dtype: str
    computes: str
    sqnr_db: float
    sqnr_low_db: float
    sqnr_high_db: float
    own_sqnr_db: float | None
    drop_db: float
    error_per_std: float | None
    weights_sqnr_db: float | None
    input_sqnr_db: float | None
    grid_sqnr_db: float | None
    clipped: float | None
    stored_range: tuple[float, float] | None
    seen_range: tuple[float, float]
    step_per_std: float | None
    levels_used: float | None
    coarse_channels: float | None
    half_channels: int | None

    @property
    def channels(self) -> int:
        """Size of the last axis."""
        return self.shape[-1] if len(self.shape) > 1 else 1

    def six_digits(self) -> "LayerError":
        """Floats to six significant digits, None for what is not finite: what a record keeps."""
        return LayerError(**{name: rounded(value) for name, value in vars(self).items()})


@dataclass(frozen=True)
class ComparedLayers:
    """All layers of a variant against float32's.

    Attributes:
        photos: on how many they were compared.
        diagnosis: where the error begins, in sentences.
        layers: in the order of the network.
    """

    photos: int
    diagnosis: str
    layers: tuple[LayerError, ...]


# 16 of 256 levels are 4 bits.
COARSE_LEVELS = 16


def rounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(rounded, value))
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
