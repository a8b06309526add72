"""``TFLite_Detection_PostProcess``, the custom operator that decodes boxes and suppresses: its options.

Source: tensorflow/lite/kernels/detection_postprocess.cc.
"""

import struct
from dataclasses import dataclass

from flatbuffers import flexbuffers

from helpers.lab.errors import LabError

NAME = "TFLite_Detection_PostProcess"
# The operator's outputs, in its order: [1, n, 4], [1, n], [1, n], [1].
ROLES = ("boxes", "classes", "scores", "count")
NEEDED = ("max_detections", "max_classes_per_detection", "num_classes", "nms_iou_threshold",
          "nms_score_threshold", "y_scale", "x_scale", "h_scale", "w_scale")  # fmt: skip
PER_CLASS = 100


@dataclass(frozen=True)
class PostProcess:
    """Options of the operator.

    Attributes:
        max_detections: boxes per photo at most.
        max_classes_per_detection: rows of the output that each box has without ``regular_nms``.
        num_classes: without background.
        nms_iou, score_threshold: of the suppression.
        scales: the box coder's, of ty, tx, th, tw.
        regular_nms: suppression class by class; else over all classes at once, by each box's best score.
        detections_per_class: kept of one class with ``regular_nms``.
    """

    max_detections: int
    max_classes_per_detection: int
    num_classes: int
    nms_iou: float
    score_threshold: float
    scales: tuple[float, float, float, float]
    regular_nms: bool = False
    detections_per_class: int = PER_CLASS

    @property
    def rows_per_count(self) -> int:
        """Rows of the output for each 1 of the count."""
        return 1 if self.regular_nms else self.max_classes_per_detection

    @property
    def filled_rows(self) -> int:
        """Of ``rows_per_count`` those that are written; the rest is left as it was in memory."""
        return min(self.rows_per_count, self.num_classes)

    @property
    def most_detections(self) -> int:
        """Detections per photo at most."""
        return self.max_detections * self.filled_rows


def read_options(options: bytes) -> PostProcess:
    """The options from their flexbuffer.

    Raises:
        LabError: they cannot be read, or lack one that the operator needs.
    """
    try:
        found = flexbuffers.Loads(bytes(options))
        values = {name: found[name] for name in NEEDED}
    except (ValueError, KeyError, TypeError, IndexError, struct.error) as error:
        raise LabError(
            f"the options of {NAME} cannot be read: {error!r}.",
            f"a flexbuffer with {', '.join(NEEDED)}",
            "export the .tflite again.",
        ) from error
    return PostProcess(
        int(values["max_detections"]),
        int(values["max_classes_per_detection"]),
        int(values["num_classes"]),
        float(values["nms_iou_threshold"]),
        float(values["nms_score_threshold"]),
        tuple(float(values[f"{axis}_scale"]) for axis in "yxhw"),
        bool(found.get("use_regular_nms", False)),
        int(found.get("detections_per_class", PER_CLASS)),
    )
