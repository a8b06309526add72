"""What 02 records of a variant's file."""

from dataclasses import dataclass

from helpers.lab.intervals import Absent
from helpers.quantize.layers.layer_error import ComparedLayers
from helpers.runtimes.litert.graph import FileFacts


@dataclass(frozen=True)
class NotAsAsked:
    """A layer whose weights the form does not code; ``why``: what codes them, or why nothing does."""

    name: str
    why: str


@dataclass(frozen=True)
class CodedWeights:
    """What the codes of a simulated form take, and what they leave of the weights.

    Layers are named as in ``ComparedLayers``; a constant that several layers read counts once.

    Attributes:
        weight_bits: mean bits of a weight with all side information, over all layers but ``skipped``: those
            that are ``kept`` with 32.
        quantized_bits: the same over the quantized layers alone.
        coded_bytes: of the whole file, if the codes stood in it in place of the weights.
        sqnr_db: 10 log10 (sum w² / sum (w - ŵ)²) over all weights of the quantized layers, within ±140 dB.
        kept: layers that stay float32 as the first and the last ones.
        small: layers that the form leaves to another one, which is named.
        skipped: layers whose weights are as they were, with the reason.
    """

    weight_bits: float
    quantized_bits: float
    coded_bytes: int
    sqnr_db: float
    kept: tuple[str, ...] = ()
    small: tuple[NotAsAsked, ...] = ()
    skipped: tuple[NotAsAsked, ...] = ()


@dataclass(frozen=True)
class MadeFile:
    """A variant's file, as read from it.

    Attributes:
        size_bytes: of the file; ``download_bytes``: of it as zipped (deflate, the usual level).
        layers: against float32's; None of float32 itself and of a file of the user's own.
        meaning, notes: sentences that must be told of a file of the user's own, or of a simulated form.
        coded: of a simulated form.
    """

    facts: FileFacts
    size_bytes: int
    download_bytes: int
    layers: ComparedLayers | Absent | None = None
    meaning: str = ""
    notes: tuple[str, ...] = ()
    coded: CodedWeights | None = None
