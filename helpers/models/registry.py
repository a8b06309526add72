"""The pretrained models. Adding one is one entry here; one of your own is named by its path or address."""

from pathlib import Path
from types import MappingProxyType

from helpers.lab.errors import LabError, unknown_name
from helpers.lab.paths import EMBEDDED
from helpers.lab.places import exists, is_address, split_design
from helpers.models.designs.catalogue import DESIGN_NAMES
from helpers.models.files.sources import DarknetSource, Embedded, SavedModelSource, SourceFile
from helpers.models.model import Model, StatedAccuracy
from helpers.models.own_model import DARKNET_LIMITS, own_model
from helpers.tasks.detection.label_maps import KINDS

CFGS = Path(__file__).parent / "darknet" / "models"
ZOO = "http://download.tensorflow.org/models/object_detection/tf2/20200711"
YOLO_FASTEST = (
    "https://raw.githubusercontent.com/dog-qiuqiu/Yolo-Fastest/master/ModelZoo/yolo-fastest-1.1_coco"
)


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
    """A model of the registry by its id, or one of the user's own: see ``own_model``.

    An id of the registry always means the registry's; a folder of that name is named ``./NAME``.

    Raises:
        LabError: it is neither.
    """
    if name.strip() in MODELS:
        return MODELS[name.strip()]
    place, design, labels = split_design(name, DESIGN_NAMES, tuple(KINDS))
    if is_address(place) or "/" in place or exists(place):
        return own_model(place, labels, design)
    raise unknown_model(name)


def unknown_model(name: str) -> LabError:
    unknown = unknown_name("model", name, MODELS)
    cure = "choose one of these, or name a SavedModel folder, .cfg or .onnx of your own by its path; "
    return LabError(
        unknown.found, unknown.expected, cure + "several models are several names, not one with commas."
    )
