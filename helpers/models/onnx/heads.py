"""Which channels of which convolution are boxes, objectness and classes, as a design has them."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from helpers.models.designs.catalogue import Design
from helpers.models.designs.shapes import Reading
from helpers.models.onnx.follow import last_convolutions
from helpers.models.onnx.network import Network
from helpers.models.onnx.shapes_fixed import lengths
from helpers.tasks.detection.tails.cells import COORDINATES

Map = tuple[int, int]


@dataclass(frozen=True)
class Head:
    """One output of a core.

    Attributes:
        tensor: the output of the convolution that makes it.
        channels: those of the convolution's channels that it consists of; empty for all.
    """

    tensor: str
    channels: tuple[int, ...] = ()


def ways(network: Network, reading: Reading) -> Iterator[dict[str, Head]]:
    """All ways to see a design's heads in the graph, the likeliest first; heads by name: ``box_0``, ..."""
    maps = feature_maps(network)
    if len(maps) != len(reading.strides):
        return
    design = reading.design
    for order in itertools.permutations(design.parts):
        found = [heads_of(list(convs), design, reading, order) for convs in maps.values()]
        if all(found):
            yield {f"{part}_{i}": head for i, level in enumerate(found) for part, head in level.items()}


def feature_maps(network: Network) -> dict[Map, list[tuple[str, int]]]:
    """Name and number of channels of the last convolutions, by height and width of their outputs."""
    shapes = {item.name: lengths(item) for item in network.model.graph.value_info}
    found: dict[Map, list[tuple[str, int]]] = {}
    for node in last_convolutions(network.model, network.outputs):
        shape = shapes.get(node.output[0], ())
        if len(shape) == 4 and shape[0] == 1:
            found.setdefault(shape[2:], []).append((node.output[0], shape[1]))
    return found


def heads_of(
    convolutions: list[tuple[str, int]], design: Design, reading: Reading, order: tuple[str, ...]
) -> dict[str, Head]:
    """Of one feature map: one convolution per part, in that order, or one that has them all, in the design's.

    Returns: heads by part; empty where the channels do not fit.
    """
    counts = [count for _, count in convolutions]
    others = reading.classes + int(design.objectness)
    if len(convolutions) == 1 and order == design.parts:
        return shared(convolutions[0], design, reading, others)
    if len(convolutions) != len(order):
        return {}
    by_part = dict(zip(order, convolutions, strict=True))
    wanted = {"class": reading.classes, "objectness": 1, "box": sum(counts) - others}
    fits = all(by_part[part][1] == wanted[part] for part in order) and is_box(wanted["box"], reading)
    return {part: Head(name) for part, (name, _) in by_part.items()} if fits else {}


def is_box(numbers: int, reading: Reading) -> bool:
    """Whether a box can be of so many numbers: four, or the bins of four distances."""
    if reading.design.decoding != "distances":
        return numbers == COORDINATES
    return numbers > 0 and numbers % COORDINATES == 0


def shared(convolution: tuple[str, int], design: Design, reading: Reading, others: int) -> dict[str, Head]:
    """The heads within one convolution's channels: anchor by anchor, part by part."""
    name, count = convolution
    anchors = design.anchors_each
    numbers, rest = divmod(count, anchors)
    widths = {"class": reading.classes, "objectness": 1, "box": numbers - others}
    if rest or not is_box(widths["box"], reading):
        return {}
    found, start = {}, 0
    for part in design.parts:
        inside = range(start, start + widths[part])
        channels = tuple(anchor * numbers + place for anchor in range(anchors) for place in inside)
        found[part], start = Head(name, channels), start + widths[part]
    return found
