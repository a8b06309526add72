"""What 02 records of a variant's file."""

from dataclasses import dataclass

from helpers.lab.intervals import Absent
from helpers.quantize.layers.layer_error import ComparedLayers
from helpers.runtimes.litert.graph import FileFacts


@dataclass(frozen=True)
class MadeFile:
    """A variant's file, as read from it.

    Attributes:
        size_bytes: of the file; ``download_bytes``: of it as zipped (deflate, the usual level).
        layers: against float32's; None of float32 itself and of a file of the user's own.
        meaning, notes: sentences that must be told of a file of the user's own.
    """

    facts: FileFacts
    size_bytes: int
    download_bytes: int
    layers: ComparedLayers | Absent | None = None
    meaning: str = ""
    notes: tuple[str, ...] = ()
