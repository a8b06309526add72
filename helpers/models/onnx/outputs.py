"""What a network's outputs may be, as far as their shapes, the user and the exporter tell."""

from helpers.lab.errors import LabError
from helpers.models.designs.catalogue import get_design, other_design, unknown_design
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
        known = network.path, network.outputs
        raise other_design(*known, named) if named else unknown_design(*known)
    kept = [reading for reading in found if fits(reading, classes)]
    if not kept:
        raise other_classes(network, found, classes)
    return kept


def other_classes(network: Network, found: list[Reading], named: int) -> LabError:
    """The error for a label map of ``named`` names, of which no reading has as many classes."""
    counts = {reading.classes: reading.design.title for reading in reversed(found)}
    titles = [f"{count} classes if it is {title}" for count, title in reversed(counts.items())]
    has = f"{found[0].classes} classes" if len(counts) == 1 else " and ".join(titles)
    return LabError(
        f"{network.path} has {has}; its label map has {named} names.",
        "a name for each class, in the network's own order; ??? for one that is none",
        f"write the names of its classes into a file, in their order, and name that: {NAMES_FILE}.",
    )
