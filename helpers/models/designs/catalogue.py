"""The designs, as data. What people train is one of them in most cases, whatever its size and classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from helpers.lab.errors import LabError, unknown_name
from helpers.photos.preprocessing import Preprocessing
from helpers.tasks.detection.limits import Limits

BYTE = (1 / 255,) * 3
WHOLE = (1.0,) * 3
ZERO = (0.0,) * 3
GREY = 114.0  # what YOLOX and Ultralytics fill letter boxes with
# Mean and deviation of ImageNet's photos, for pixels 0..255, R, G, B.
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Design:
    """What files of one design have in common.

    Attributes:
        name: after the ``@``.
        title: for people.
        source: where the facts are from.
        nms_iou: with which its publisher evaluates it, as of ``Limits``; 1 for a design without suppression.
        decoding: of its raw heads, as of ``tails.cell_heads``; ``queries`` where there is nothing to decode.
        objectness: whether a score is objectness times class.
        parts: of its raw heads, in the order of their channels.
        offset: where a box's point lies in its cell, as for ``cells.cell_places``.
        bins: of the distribution of each distance, where a file's shape does not say.
        clipped: whether boxes are cut to the input before suppression.
        decoded: whether its exporter decodes boxes in the graph; None where both are usual.
        columns_first: whether its exporter gives ``[1, columns, N]``.
        strides: with which it is published; the usual one first.
        anchors_each: per cell.
        letter_box: whether photos keep their aspect ratio.
        centre, one_ratio, resize, channels, scale, offsets: as of ``Preprocessing``.
    """

    name: str
    title: str
    source: str
    nms_iou: float
    decoding: str
    parts: tuple[str, ...] = ("box", "class")
    objectness: bool = False
    offset: float = 0.0
    bins: int = 1
    clipped: bool = False
    decoded: bool | None = True
    columns_first: bool = False
    strides: tuple[tuple[int, ...], ...] = ((8, 16, 32), (8, 16, 32, 64), (16, 32), (8, 16))
    anchors_each: int = 1
    letter_box: bool = True
    centre: bool = True
    one_ratio: str = "nearest"
    resize: str = "half-pixel-rounded"
    channels: str = "RGB"
    scale: tuple[float, float, float] = BYTE
    offsets: tuple[float, float, float] = ZERO

    def preprocessing(self, height: int, width: int, layout: str) -> Preprocessing:
        """For an input of that size, in pixels; ``layout``: one of ``preprocessing.LAYOUTS``."""
        boxed = {"pad": True, "centre": self.centre, "fill": (GREY,) * 3, "one_ratio": self.one_ratio}
        return Preprocessing(
            height, width, self.scale, self.offsets, self.resize, self.channels, layout=layout,
            **(boxed if self.letter_box else {}),
        )  # fmt: skip

    def limits(self, limits: Limits) -> Limits:
        """``limits`` with this design's own suppression."""
        return Limits(self.nms_iou, limits.score_threshold, limits.most_detections)


_ENTRIES = (
    Design(
        "yolox", "YOLOX", "Megvii-BaseDetection/YOLOX: data_augment.py, yolo_head.py, eval.py", 0.65,
        "exponents", ("box", "objectness", "class"), objectness=True, decoded=None, centre=False,
        one_ratio="down", channels="BGR", scale=WHOLE,
    ),
    Design(
        "yolov5", "YOLOv5 (with anchors)", "ultralytics/yolov5: augmentations.py, models/yolo.py, val.py",
        0.6, "anchors", ("box", "objectness", "class"), objectness=True, anchors_each=3,
    ),
    Design(
        "yolov8", "YOLOv8, YOLO11 and their like",
        "ultralytics/ultralytics: augment.py, head.py, cfg/default.yaml",
        0.7, "distances", offset=0.5, columns_first=True,
    ),
    Design(
        "nanodet", "NanoDet-Plus", "RangiLyu/nanodet: warp.py, nanodet_plus_head.py, config/", 0.6,
        "distances", ("class", "box"), bins=8, clipped=True, decoded=False, strides=((8, 16, 32, 64),),
        letter_box=False, resize="corner", channels="BGR",
        scale=tuple(1 / part for part in DEVIATION[::-1]),
        offsets=tuple(-mean / part for mean, part in zip(MEAN[::-1], DEVIATION[::-1], strict=True)),
    ),
    Design(
        "detr", "DETR, and others of ImageNet's normalization", "facebookresearch/detr: datasets/coco.py",
        1.0,
        "queries", letter_box=False, scale=tuple(1 / part for part in DEVIATION),
        offsets=tuple(-mean / part for mean, part in zip(MEAN, DEVIATION, strict=True)),
    ),
    Design(
        "rtdetr", "RT-DETR", "lyuwenyu/RT-DETR: configs/dataset, rtdetr_postprocessor.py", 1.0,
        "queries", letter_box=False,
    ),
)  # fmt: skip

DESIGNS = MappingProxyType({design.name: design for design in _ENTRIES})
# Of the same heads and the same preparation of photos.
ALIASES = MappingProxyType(dict.fromkeys(("yolov9", "yolov11", "yolo11", "yolov12", "yolo12"), "yolov8"))
DESIGN_NAMES = (*DESIGNS, *ALIASES)


def get_design(name: str) -> Design:
    """Raises LabError for a name that is none of ``DESIGN_NAMES``."""
    known = ALIASES.get(name, name)
    if known not in DESIGNS:
        raise unknown_name("design", name, DESIGN_NAMES)
    return DESIGNS[known]


def choices() -> str:
    """How they are typed, for people."""
    return ", ".join(f"@{name}" for name in DESIGNS)


def other_design(path: object, shapes: Mapping[str, tuple[int, ...]], named: str) -> LabError:
    """The error for a file whose outputs are not those of the design that the user names."""
    return LabError(
        f"{path} gives {outputs_text(shapes)}, which are not the outputs of {get_design(named).title}.",
        f"the design that it was exported from, one of {choices()}",
        f"name another design than @{named} after the path, or none.",
    )


def unfit_values(path: object, shapes: Mapping[str, tuple[int, ...]]) -> LabError:
    """The error for outputs of a known shape whose values are not what the shape's designs give."""
    return LabError(
        f"{path} gives {outputs_text(shapes)}, and in answer to noise scores outside 0 to 1, or classes that "
        "are no whole numbers.",
        "a detector of a known design",
        "export it with its detection head whole, the sigmoid of its scores included.",
    )


def outputs_text(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())


def unknown_design(path: object, shapes: Mapping[str, tuple[int, ...]], maybe: str = "") -> LabError:
    """The error for a file of which nothing tells the design.

    Args:
        maybe: designs that its outputs allow, for people; empty for all.
    """
    return LabError(
        f"{path} gives {outputs_text(shapes)}, and nothing in it tells how its photos are prepared and its "
        "boxes decoded"
        f"{f' (it may be {maybe})' if maybe else ''}.",
        "a detector of a known design",
        f"name its design after the path: one of {choices()}; PATH@yolov8, for example.",
    )
