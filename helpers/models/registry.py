"""The pretrained models. Adding one is one entry here; one of your own is named by its path or address."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from helpers.lab.errors import LabError, unknown_name
from helpers.lab.paths import EMBEDDED
from helpers.lab.places import (
    KAGGLE,
    exists,
    id_of,
    is_address,
    lasting,
    lasting_place,
    path_of,
    require_file,
    split_labels,
)
from helpers.models.files.kaggle import require_handle
from helpers.models.files.sources import (
    SAVED_MODEL,
    DarknetSource,
    Embedded,
    SavedModelSource,
    Source,
    SourceFile,
    savedmodels_in,
)
from helpers.tasks.detection.label_files import read_class_names
from helpers.tasks.detection.label_maps import KINDS, UNNAMED, label_map
from helpers.tasks.detection.limits import LIMITS, Limits

CFGS = Path(__file__).parent / "darknet" / "models"
ZOO = "http://download.tensorflow.org/models/object_detection/tf2/20200711"
YOLO_FASTEST = (
    "https://raw.githubusercontent.com/dog-qiuqiu/Yolo-Fastest/master/ModelZoo/yolo-fastest-1.1_coco"
)
OWN_MODELS = "the folder of a SavedModel, a Darknet .cfg, the address of an archive, or a Kaggle handle"
CONVERT = (
    "export the detector as a SavedModel with the Object Detection API's signature, and name its folder."
)
# What people hold in their hands instead, by its ending.
OTHER_FILES = MappingProxyType(
    {
        ".tflite": "a finished .tflite is a variant: add --variant FILE to a model's run.",
        ".weights": "name the .cfg that lies beside it.",
        ".pb": "name the SavedModel's folder; a frozen graph has to be exported as a SavedModel first.",
        ".pbtxt": "name the SavedModel's folder, and this label map after an @.",
        **dict.fromkeys((".gz", ".tgz", ".tar", ".zip"), "unpack it, and name the SavedModel's folder."),
        **dict.fromkeys((".onnx", ".pt", ".pth", ".h5", ".keras", ".hdf5", ".safetensors"), CONVERT),
    }
)
PATH_SIGNS = frozenset("./~")  # in no name of a label map
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
        name: of the user's own: its whole path or address, with its label map; empty for the registry's.
    """

    id: str
    title: str
    source: Source
    licence: str
    categories: tuple[str, ...]
    limits: Limits = LIMITS
    stated: StatedAccuracy | None = None
    name: str = ""

    @property
    def runtime(self) -> str:
        """Id of its home runtime: what a form without another name is made for."""
        return "litert"

    @property
    def given(self) -> str:
        """What names it completely, in every folder: notebooks are given this."""
        return self.name or self.id

    @property
    def labels(self) -> str:
        """What names its categories, for people."""
        named = split_labels(self.name, tuple(KINDS))[1]
        return named if named and named not in KINDS else f"the label map {named or f'of {self.id}'}"


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
    place, labels = split_labels(name, tuple(KINDS))
    if is_address(place) or "/" in place or exists(place):
        return own_model(place, labels)
    raise unknown_model(name)


def unknown_model(name: str) -> LabError:
    unknown = unknown_name("model", name, MODELS)
    cure = "choose one of these, or name a SavedModel folder or .cfg of your own by its path; several models "
    return LabError(unknown.found, unknown.expected, cure + "are several names, not one with commas.")


def own_model(place: str, labels: str = "") -> Model:
    """A model that is not in the registry.

    Args:
        place: the folder of a SavedModel, a Darknet ``.cfg`` (its ``.weights`` beside it), the address of a
            SavedModel's tar archive, or ``kaggle:owner/model/framework/variation/version``.
        labels: one of ``label_maps.KINDS`` or a file of class names (``label_files``). If empty, COCO's 91
            ids for a SavedModel, COCO's 80 categories for Darknet.

    Raises:
        LabError: there is no such file, or no such label map.
    """
    darknet = not is_address(place) and place.lower().endswith(".cfg")
    place, labels = lasting_place(place), labels or ("coco80" if darknet else "coco91")
    categories, text = own_labels(labels), lasting(place, labels, tuple(KINDS))
    own = id_of(text, place)
    source = own_darknet(Path(place)) if darknet else own_savedmodel(place, own)
    limits = DARKNET_LIMITS if darknet else LIMITS
    return Model(own, place, source, "unknown", categories, limits, name=text)


def own_darknet(cfg: Path) -> DarknetSource:
    beside = sorted(p for p in cfg.parent.glob("*") if p.stem == cfg.stem and p.suffix.lower() == ".weights")
    weights = beside[0] if beside else cfg.with_suffix(".weights")
    for path in (cfg, weights):
        require_file(
            path, "a Darknet .cfg with its .weights beside it", "put the file there, or correct the path."
        )
    return DarknetSource(cfg, weights)


def own_savedmodel(place: str, own: str) -> SavedModelSource:
    """``own``: the model's id, by which what is downloaded is found again."""
    if place.startswith(KAGGLE):
        return SavedModelSource(f"own-{own}", kaggle=require_handle(place.removeprefix(KAGGLE)))
    if is_address(place):
        require_fetchable(place)
        return SavedModelSource(f"own-{own}", (hub_archive(f"own-{own}", place),))
    folder = Path(place)
    if not exists(place) or not folder.is_dir():
        cure = OTHER_FILES.get(folder.suffix.lower(), "correct the path.")
        what = "is a file, no folder" if exists(place) else "does not exist, or cannot be reached"
        raise LabError(f"{folder} {what}.", OWN_MODELS, cure)
    found, cfgs = savedmodels_in(folder), sorted(folder.glob("*.cfg"))
    if not found:
        raise LabError(
            f"{folder} holds no {SAVED_MODEL}, nor does a folder up to two levels below it.",
            OWN_MODELS,
            f"name {cfgs[0]}." if cfgs else "name the folder that the SavedModel was written to.",
        )
    if len(found) > 1:
        raise LabError(
            f"{folder} holds {len(found)} SavedModels, such as {found[0]} and {found[1]}.",
            "one model",
            "name the folder of one of them; several models are several names.",
        )
    require_file(found[0] / SAVED_MODEL, OWN_MODELS, "give yourself the right to read it, or copy it.")
    return SavedModelSource(str(folder))


def require_fetchable(address: str) -> None:
    if not address.startswith(("http://", "https://")):
        raise LabError(
            f"{address} is no address of the web.",
            OWN_MODELS,
            "fetch the archive by its own tool, unpack it, and name the SavedModel's folder.",
        )


def own_labels(labels: str) -> tuple[str, ...]:
    """Names of class 1, 2, ...; a file's numbers that begin at 1 are the classes, as after a background 0."""
    if labels in KINDS or not (exists(labels) or PATH_SIGNS & set(labels)):
        return label_map(labels)
    read = read_class_names(path_of(labels))
    names = label_map(read.names)
    return names[1:] if read.numbered and names[0] == UNNAMED else names
