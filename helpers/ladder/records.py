"""What 07 records of one numeric form of a model."""

from dataclasses import dataclass

from helpers.lab.records import Number


@dataclass(frozen=True)
class Rung:
    """One form's bits, size and noise; its AP and those of resampled photos lie beside, in a file.

    Attributes:
        weight_bits: mean bits of a weight with all side information, layers that stay float32 among them.
        activation_bits: of what the kernels multiply the weights with.
        size_bytes: of the file that a runtime loads; None for a simulated form, which has none of its own.
        coded_bytes: of the file with codes, scales, tables and padding in place of the weights.
        download_bytes: the same, compressed.
        sqnr_db: of all weights together, in dB; NaN where the file's storage is not read.
        notes: what else must be told, in sentences.
    """

    weight_bits: Number
    activation_bits: int
    size_bytes: int | None
    coded_bytes: int
    download_bytes: int
    sqnr_db: Number
    notes: tuple[str, ...] = ()
