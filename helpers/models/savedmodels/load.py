"""Loading a SavedModel as TF Hub and Kaggle Models serve it, and refusing what is no detector."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_hub as hub
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from helpers.lab.errors import LabError
from helpers.lab.quietly import stderr_muted

SIGNATURE = "serving_default"
OUTPUTS = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
# What most exports give beside them: ``[1, N, columns]``.
RAW_SCORES = ("raw_detection_scores", "detection_multiclass_scores")
EXPECTED = (
    f"a signature {SIGNATURE!r} that takes one uint8 image [1, H, W, 3] of any size, or of the network's "
    f"own, and gives {', '.join(OUTPUTS)}"
)
CURE = (
    "use a detector exported by the TensorFlow Object Detection API, as TF Hub and Kaggle Models serve them."
)


@dataclass(frozen=True)
class SavedModel:
    """A loaded detector.

    Attributes:
        folder: where it lies.
        signature: its function: uint8 image in, dict of ``OUTPUTS`` and perhaps more out.
        input_name: the signature's name for the image.
        owner: what keeps the function's variables alive.
    """

    folder: Path
    signature: Any
    input_name: str
    owner: Any

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Height and width of the only photos that the signature takes; None where it takes any."""
        _, height, width, _ = self.signature.structured_input_signature[1][self.input_name].shape
        return (height, width) if height and width else None

    def __call__(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.signature(**{self.input_name: image})


def load(folder: Path) -> SavedModel:
    """
    Raises:
        LabError: no SavedModel, or one without a detector's signature; says what it has instead.
    """
    try:
        with stderr_muted():
            owner = hub.load(str(folder))
    except (OSError, ValueError) as error:
        raise LabError(
            f"{folder} is not a SavedModel: {error}",
            "a folder with saved_model.pb",
            "run 01_download.ipynb again.",
        ) from error
    signatures = getattr(owner, "signatures", {})
    if SIGNATURE not in signatures:
        raise LabError(f"{folder} has the signatures {sorted(signatures)}.", EXPECTED, CURE)
    signature = signatures[SIGNATURE]
    return SavedModel(Path(folder), signature, image_name(folder, signature), owner)


def stated_columns(folder: Path) -> int:
    """Columns of the scores before suppression, as the signature states them, read without loading the graph:
    classes, and background before them if there is one. 0 where it states none.
    """
    stored = saved_model_pb2.SavedModel()
    try:
        stored.ParseFromString((folder / "saved_model.pb").read_bytes())
    except DecodeError:
        return 0
    outputs = [graph.signature_def[SIGNATURE].outputs for graph in stored.meta_graphs[:1]]
    given = [each[name].tensor_shape.dim for each in outputs for name in RAW_SCORES if name in each]
    return max((int(shape[-1].size) for shape in given if len(shape) == 3), default=0)


def image_name(folder: Path, signature: Any) -> str:
    """The name of the signature's only input."""
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    usable = [name for name, spec in inputs.items() if is_image(spec)]
    if half := [spec.shape for spec in inputs.values() if is_image(spec) and is_half_fixed(spec)]:
        raise LabError(f"{folder} takes photos of {half[0]}, one side open.", EXPECTED, CURE)
    if len(inputs) != 1 or not usable or not set(OUTPUTS) <= set(outputs):
        raise LabError(
            f"{folder} takes {listed(inputs)} and gives {', '.join(sorted(outputs)) or 'nothing'}.",
            EXPECTED,
            CURE,
        )
    return usable[0]


def is_image(spec: tf.TensorSpec) -> bool:
    return (
        spec.dtype == tf.uint8 and spec.shape.is_compatible_with([1, None, None, 3]) and spec.shape.rank == 4
    )


def is_half_fixed(spec: tf.TensorSpec) -> bool:
    return (spec.shape[1] is None) != (spec.shape[2] is None)


def listed(specs: dict[str, tf.TensorSpec]) -> str:
    return ", ".join(f"{name}: {spec.dtype.name} {spec.shape}" for name, spec in specs.items()) or "nothing"
