"""A model of the user's own, named by its path or address: what it is, by what is named."""

from pathlib import Path
from types import MappingProxyType

from helpers.lab.errors import LabError
from helpers.lab.places import (
    KAGGLE,
    exists,
    id_of,
    is_address,
    lasting,
    lasting_place,
    path_of,
    require_file,
)
from helpers.models.files.kaggle import require_handle
from helpers.models.files.sources import (
    SAVED_MODEL,
    DarknetSource,
    OnnxSource,
    SavedModelSource,
    SourceFile,
    savedmodels_in,
)
from helpers.models.model import Model
from helpers.tasks.detection.label_files import read_class_names
from helpers.tasks.detection.label_maps import KINDS, UNNAMED, label_map
from helpers.tasks.detection.limits import LIMITS, Limits

OWN_MODELS = (
    "the folder of a SavedModel, a Darknet .cfg, an .onnx file, the address of an archive, or a Kaggle handle"
)
ONNX = ".onnx"
CONVERT = (
    "export the detector as ONNX and name the .onnx file, or as a SavedModel with the Object Detection API's "
    "signature and name its folder."
)
# What people hold in their hands instead, by its ending.
OTHER_FILES = MappingProxyType(
    {
        ".tflite": "a finished .tflite is a variant: add --variant FILE to a model's run.",
        ".weights": "name the .cfg that lies beside it.",
        ".pb": "name the SavedModel's folder; a frozen graph has to be exported as a SavedModel first.",
        ".pbtxt": "name the SavedModel's folder, and this label map after an @.",
        **dict.fromkeys((".gz", ".tgz", ".tar", ".zip"), "unpack it, and name the SavedModel's folder."),
        **dict.fromkeys((".pt", ".pth", ".h5", ".keras", ".hdf5", ".safetensors"), CONVERT),
    }
)
PATH_SIGNS = frozenset("./~")  # in no name of a label map
# Darknet's own way: of two boxes of one class that overlap more than 0.45, only the better stays.
DARKNET_LIMITS = Limits(nms_iou=0.45)


def own_model(place: str, labels: str = "", design: str = "") -> Model:
    """A model that is not in the registry.

    Args:
        place: the folder of a SavedModel, a Darknet ``.cfg`` (its ``.weights`` beside it), an ``.onnx`` file,
            the address of a SavedModel's tar archive, or ``kaggle:owner/model/framework/variation/version``.
        labels: one of ``label_maps.KINDS`` or a file of class names (``label_files``). If empty, COCO's 91
            ids for a SavedModel, COCO's 80 categories for Darknet, and what the file says for ONNX.
        design: of an ``.onnx`` file, one of ``DESIGN_NAMES``; empty where the file shall tell.

    Raises:
        LabError: there is no such file, or no such label map.
    """
    if not is_address(place) and place.lower().endswith(ONNX) and not path_of(place).is_dir():
        return own_onnx(lasting_place(place), labels, design)
    if design:
        found = f"{place} is named with the design {design}."
        raise LabError(found, "a design for an .onnx file alone", f"leave out @{design}.")
    darknet = not is_address(place) and place.lower().endswith(".cfg")
    place, labels = lasting_place(place), labels or ("coco80" if darknet else "coco91")
    categories, text = own_labels(labels), lasting(place, labels, tuple(KINDS))
    own = id_of(text, place)
    source = own_darknet(Path(place)) if darknet else own_savedmodel(place, own)
    limits = DARKNET_LIMITS if darknet else LIMITS
    return Model(own, place, source, "unknown", categories, limits, name=text)


def own_onnx(place: str, labels: str, design: str) -> Model:
    """What the file says of itself holds where the user says nothing."""
    from helpers.models.onnx import named

    path, names = Path(place), () if labels else named.class_names(Path(place))
    labels = labels or ("" if names else named.usual_labels(path))
    text = lasting(place, labels, tuple(KINDS), design)
    categories = own_labels(labels) if labels else label_map(names)
    limits = named.limits(path, len(categories), design)
    return Model(
        id_of(text, place), place, OnnxSource(path, design), "unknown", categories, limits, name=text
    )


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
        return SavedModelSource(f"own-{own}", (SourceFile(f"own-{own}.tar.gz", "", 0, (place,)),))
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
