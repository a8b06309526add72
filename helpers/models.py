"""The pretrained models. Adding one is one entry here; one of your own is named by its path or address."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from helpers.errors import LabError, unknown_name
from helpers.label_maps import KINDS, label_map
from helpers.limits import LIMITS, Limits
from helpers.paths import EMBEDDED
from helpers.sources import DarknetSource, Embedded, SavedModelSource, Source, SourceFile

CFGS = Path(__file__).parent / "darknet" / "models"
ZOO = "http://download.tensorflow.org/models/object_detection/tf2/20200711"
YOLO_FASTEST = (
    "https://raw.githubusercontent.com/dog-qiuqiu/Yolo-Fastest/master/ModelZoo/yolo-fastest-1.1_coco"
)
# Darknet's own way: of two boxes of one class that overlap more than 0.45, only the better stays.
DARKNET_LIMITS = Limits(nms_iou=0.45)


@dataclass(frozen=True)
class StatedAccuracy:
    """What the publisher claims; printed beside ours."""

    metric: str
    value: float
    source: str


@dataclass(frozen=True)
class Model:
    """A pretrained detector and what must be known to run it.

    Attributes:
        id: name in files, tables and figures.
        title: name for people.
        source: where its files come from.
        licence: SPDX id.
        categories: names of classes 1, 2, ...; empty where a number stands for no category.
        limits: what the tail keeps of an image.
        stated: the publisher's accuracy, None where nobody states one.
    """

    id: str
    title: str
    source: Source
    licence: str
    categories: tuple[str, ...]
    limits: Limits = LIMITS
    stated: StatedAccuracy | None = None


def zoo_archive(name: str) -> SourceFile:
    """An archive of TensorFlow's detection zoo, which states no checksums: the first arrival's holds."""
    return SourceFile(f"{name}.tar.gz", "", 0, (f"{ZOO}/{name}.tar.gz",))


def hub_archive(name: str, *urls: str) -> SourceFile:
    return SourceFile(f"{name}.tar.gz", "", 0, urls)


def darknet_weights(name: str, size_bytes: int) -> SourceFile:
    """Weights of pjreddie.com, which states no checksums; the size is that which the network needs."""
    hosts = ("https://data.pjreddie.com/files", "https://pjreddie.com/media/files")
    return SourceFile(name, "", size_bytes, tuple(f"{host}/{name}" for host in hosts))


_ENTRIES = (
    Model(
        id="ssd_mobilenet_v2_synthetic",
        title="SSD MobileNetV2 FPN 192 (embedded, trained on the synthetic photos)",
        source=Embedded(EMBEDDED / "ssd_mobilenet_v2_synthetic.npz"),
        licence="Apache-2.0",
        categories=(
            "ball", "crate", "cone", "star", "ring", "cross",
            "mug", "leaf", "key", "bottle", "bow", "moon",
        ),
    ),
    Model(
        id="ssd_mobilenet_v2",
        title="SSD MobileNetV2 320x320 (TensorFlow Object Detection API)",
        source=SavedModelSource("ssd_mobilenet_v2", (
            zoo_archive("ssd_mobilenet_v2_320x320_coco17_tpu-8"),
            hub_archive(
                "ssd_mobilenet_v2", "https://tfhub.dev/tensorflow/ssd_mobilenet_v2/2?tf-hub-format=compressed"
            ),
        ), kaggle="tensorflow/ssd-mobilenet-v2/tensorFlow2/ssd-mobilenet-v2/1"),
        licence="Apache-2.0",
        categories=KINDS["coco91"],
        stated=StatedAccuracy("COCO AP", 0.202, "TensorFlow 2 Detection Model Zoo"),
    ),
    Model(
        id="centernet_resnet50v2_512",
        title="CenterNet ResNet50 V2 512x512 (TensorFlow Object Detection API)",
        source=SavedModelSource("centernet_resnet50v2_512", (
            zoo_archive("centernet_resnet50_v2_512x512_coco17_tpu-8"),
            hub_archive(
                "centernet_resnet50v2_512",
                "https://tfhub.dev/tensorflow/centernet/resnet50v2_512x512/1?tf-hub-format=compressed",
            ),
        )),
        licence="Apache-2.0",
        categories=KINDS["coco91"],
        stated=StatedAccuracy("COCO AP", 0.295, "TensorFlow 2 Detection Model Zoo"),
    ),
    Model(
        id="ssd_mobilenet_v1_coco",
        title="SSD MobileNetV1 0.75 300x300 (TensorFlow Object Detection API, a folder of one's own)",
        source=SavedModelSource("ssd_mobilenet_v1_coco"),
        licence="Apache-2.0",
        categories=KINDS["coco91"],
    ),
    Model(
        id="yolo_fastest_xl",
        title="Yolo-Fastest 1.1 XL 320x320 (Darknet)",
        source=DarknetSource(
            SourceFile(
                "yolo-fastest-1.1-xl.cfg",
                "c458427acc4fbeabceff4528ef7b65b066c0308ce599460f8ba299eba63abad3", 9696,
                (f"{YOLO_FASTEST}/yolo-fastest-1.1-xl.cfg",),
            ),
            SourceFile(
                "yolo-fastest-1.1-xl.weights",
                "fac5fb41786c1f38f04972a658443b189f48720d7d117f9a044100e98a35b0c5", 3693964,
                (f"{YOLO_FASTEST}/yolo-fastest-1.1-xl.weights",),
            ),
        ),
        licence="LicenseRef-YOLO",
        categories=KINDS["coco80"],
        limits=DARKNET_LIMITS,
        stated=StatedAccuracy("COCO AP50 (Darknet's counting)", 0.3433, "dog-qiuqiu/Yolo-Fastest"),
    ),
    Model(
        id="yolov3_tiny",
        title="YOLOv3-tiny 416x416 (Darknet)",
        source=DarknetSource(CFGS / "yolov3-tiny.cfg", darknet_weights("yolov3-tiny.weights", 35434956)),
        licence="LicenseRef-YOLO",
        categories=KINDS["coco80"],
        limits=DARKNET_LIMITS,
        stated=StatedAccuracy("COCO AP50", 0.331, "pjreddie.com/darknet/yolo"),
    ),
    Model(
        id="yolov3",
        title="YOLOv3 416x416 (Darknet)",
        source=DarknetSource(CFGS / "yolov3.cfg", darknet_weights("yolov3.weights", 248007048)),
        licence="LicenseRef-YOLO",
        categories=KINDS["coco80"],
        limits=DARKNET_LIMITS,
        stated=StatedAccuracy("COCO AP50", 0.553, "pjreddie.com/darknet/yolo"),
    ),
)  # fmt: skip

MODELS = MappingProxyType({model.id: model for model in _ENTRIES})
DEFAULT_MODEL = _ENTRIES[0].id


def get_model(name: str) -> Model:
    """A model of the registry, or one of the user's own: see ``own_model``.

    Raises:
        LabError: it is neither.
    """
    if name in MODELS:
        return MODELS[name]
    if "/" in name or Path(name.partition("@")[0]).exists():
        return own_model(name)
    raise unknown_name("model", name, MODELS)


def own_model(name: str) -> Model:
    """A model that is not in the registry.

    Args:
        name: the folder of a SavedModel, a Darknet ``.cfg`` (its ``.weights`` beside it), the address of a
            SavedModel's tar archive, or ``kaggle:owner/model/framework/variation/version``; then, after an
            ``@``, one of ``label_maps.KINDS`` or a text file with one category per line. Without it: COCO's
            91 ids for a SavedModel, COCO's 80 categories for Darknet.

    Raises:
        LabError: there is no such file, or no such label map.
    """
    place, _, labels = name.partition("@")
    darknet = place.endswith(".cfg")
    source = own_darknet(Path(place)) if darknet else own_savedmodel(place)
    categories = own_labels(labels or ("coco80" if darknet else "coco91"))
    limits = DARKNET_LIMITS if darknet else LIMITS
    return Model(own_id(place), place, source, "unknown", categories, limits)


def own_id(place: str) -> str:
    """A name for files: letters, digits, dashes and underscores of the last part of a path or address."""
    stem = place.split("?")[0].rstrip("/").removeprefix("kaggle:")
    words = [word for word in stem.split("/")[-2:] if not word.isdigit()]
    last = re.sub(r"\.(cfg|tar|gz|tgz)", "", words[-1])
    return re.sub(r"[^A-Za-z0-9_-]+", "_", last) or "own"


def own_darknet(cfg: Path) -> DarknetSource:
    weights = cfg.with_suffix(".weights")
    for path in (cfg, weights):
        if not path.is_file():
            raise LabError(f"{path} does not exist.", "a Darknet .cfg with its .weights beside it",
                           "put the file there, or correct the path.")  # fmt: skip
    return DarknetSource(cfg.resolve(), weights.resolve())


def own_savedmodel(place: str) -> SavedModelSource:
    if place.startswith("kaggle:"):
        return SavedModelSource(own_id(place), kaggle=place.removeprefix("kaggle:"))
    if re.match(r"https?://", place):
        return SavedModelSource(own_id(place), (hub_archive(own_id(place), place),))
    if not Path(place).is_dir():
        raise LabError(
            f"{place} is no folder.",
            "the folder of a SavedModel, a .cfg, an address or a Kaggle handle",
            "correct the path.",
        )
    return SavedModelSource(str(Path(place).resolve()))


def own_labels(labels: str) -> tuple[str, ...]:
    path = Path(labels)
    return label_map(path.read_text().splitlines() if path.is_file() else labels)
