"""SavedModels: making the embedded one, loading any, and converting its core to float32 ``.tflite``."""

from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_hub as hub

from helpers.errors import LabError
from helpers.files import write_bytes

CORE, ANCHORS = "core", "anchors"


def load(folder: Path):
    """Load a SavedModel as TF Hub serves it.

    Raises:
        LabError: it is absent, broken, or lacks the signatures that the laboratory needs.
    """
    try:
        detector = hub.load(str(folder))
    except (OSError, ValueError) as error:
        raise LabError(
            f"{folder} is not a SavedModel: {error}", "", "run 01_download.ipynb again."
        ) from error
    missing = {CORE, ANCHORS, "serving_default"} - set(detector.signatures)
    if missing:
        raise LabError(
            f"{folder} lacks the signatures {sorted(missing)}.",
            "a SavedModel with the signatures serving_default, core and anchors",
            "export the model with `helpers.detector.export`, which shows what each must do.",
        )
    return detector


def read_anchors(detector) -> np.ndarray:
    """float32 ``[N, 4]`` (cy, cx, h, w), relative."""
    return detector.signatures[ANCHORS]()["anchors"].numpy()


def convert_core(detector, path: Path) -> None:
    """Write the core as float32 ``.tflite``; the converter folds batch norm into convolutions."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions([detector.signatures[CORE]], detector)
    write_bytes(path, converter.convert())


def detect(detector, photo: np.ndarray) -> dict[str, np.ndarray]:
    """The whole SavedModel on one RGB uint8 photo ``[H, W, 3]``; outputs without the batch axis."""
    return {name: value.numpy()[0] for name, value in detector(tf.constant(photo[None])).items()}
