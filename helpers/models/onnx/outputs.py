"""What a network's outputs may be, as far as their shapes, the user and the exporter tell."""

from helpers.lab.errors import LabError
from helpers.models.designs.catalogue import get_design, unknown_design
from helpers.models.designs.shapes import Reading, fits, readings
from helpers.models.onnx.network import Network
from helpers.tasks.detection.label_maps import NAMES_FILE


def possible(network: Network, classes: int, named: str) -> list[Reading]:
    """What the outputs may be.

    Args:
        classes: as many as the label map names.
        named: the design that the user names; empty for none.
    """
    told = get_design(named).name if named else network.told
    found = readings(network.outputs, network.size, classes, told)
    return found or (readings(network.outputs, network.size, classes) if not named else [])


def fitting(network: Network, classes: int, named: str) -> list[Reading]:
    """What the outputs may be of as many classes as the label map names.

    Raises:
        LabError: nothing.
    """
    found = possible(network, classes, named)
    if not found:
        raise unknown_design(network.path, network.outputs)
    kept = [reading for reading in found if fits(reading, classes)]
    if not kept:
        raise other_classes(network, found[0].classes, classes)
    return kept


def other_classes(network: Network, classes: int, named: int) -> LabError:
    return LabError(
        f"{network.path} has {classes} classes, and its label map has {named} names.",
        "a name for each class, in the network's own order; ??? for one that is none",
        f"write its {classes} names into a file, in their order, and name that: {NAMES_FILE}.",
    )
