"""What the file of a core holds, in the words of every runtime."""

from collections import Counter
from dataclasses import dataclass

from helpers.lab.intervals import Absent


@dataclass(frozen=True)
class FileFacts:
    """What a variant's file holds.

    Attributes:
        storage_dtype: dtype in which most convolution weights (by count) are stored; ``int8`` is 8 bits,
            signed or not.
        compute_dtype: arithmetic in which most convolution weights are multiplied, as
            ``litert.operator_kinds.arithmetic`` has it; of OpenVINO and ONNX Runtime what they chose on the
            machine where the file was made.
        weights: weight dtype -> number of stored convolution weights.
        kernels: "OPERATOR input/weight" -> number of convolutions.
        operators: operator -> number.
        per_channel: whether every 8-bit convolution has one scale per output channel.
    """

    storage_dtype: str
    compute_dtype: str
    weights: dict[str, int]
    kernels: dict[str, int]
    operators: dict[str, int]
    per_channel: bool


@dataclass(frozen=True)
class StoredBytes:
    """Bytes, as read from a file.

    Attributes:
        file_bytes: of all its parts.
        weights_bytes: of the convolutions' weights.
        alive_bytes: largest sum of activations that are between being made and their last use;
            why it is not known, of a runtime that does not tell.
    """

    file_bytes: int
    weights_bytes: int
    alive_bytes: int | Absent


def most(counts: Counter[str], otherwise: str = "") -> str:
    """The name that is counted most often; ``otherwise`` of none."""
    return counts.most_common(1)[0][0] if counts else otherwise
