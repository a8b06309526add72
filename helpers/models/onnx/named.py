"""What a file says of itself as soon as a user names it, before anything is run."""

from collections.abc import Sequence
from pathlib import Path

from helpers.lab.errors import LabError
from helpers.models.designs.catalogue import get_design
from helpers.models.onnx.network import read
from helpers.models.onnx.outputs import fitting, possible
from helpers.tasks.detection.limits import LIMITS, Limits

USUAL_LABELS, IDS_OF_COCO = "coco80", "coco91-background"
COLUMNS_OF_IDS = (91, 92)  # COCO's ids from 0, without and with a column for no object


def class_names(path: Path) -> tuple[str, ...]:
    """Of classes 1, 2, ..., as the exporter has noted them; empty if it has not.

    Raises:
        LabError: as ``network.read``.
    """
    return read(path).names


def usual_labels(path: Path) -> str:
    """The label map of a file without names: COCO's 80 categories; its ids for a DETR that counts in them."""
    found = possible(read(path), 0, "")
    ids = found and found[0].kind == "queries" and found[0].classes in COLUMNS_OF_IDS
    return IDS_OF_COCO if ids else USUAL_LABELS


def limits(path: Path, classes: int, design: str) -> Limits:
    """The usual ones, with the design's own suppression as far as the file or the user tells the design."""
    if name := design or read(path).told:
        return get_design(name).limits(LIMITS)
    try:
        designs = {reading.design for reading in fitting(read(path), classes, "")}
    except LabError:  # said again, and as an error, before anything is made of the file
        return LIMITS
    told = designs.pop() if len(designs) == 1 else None
    return told.limits(LIMITS) if told else LIMITS


def require_classes(path: Path, categories: Sequence[str], design: str) -> None:
    """Raise unless the file's outputs can be those of a known design with so many classes."""
    fitting(read(path), len(categories), design)
