"""From the sections of a ``.cfg`` to layers with shapes; each rule is that of Darknet's ``parser.c``."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from helpers.lab.errors import LabError
from helpers.models.darknet.cfg import Section, parse_cfg, read_text
from helpers.models.darknet.layers import (
    ACTIVATIONS,
    IMAGE,
    Architecture,
    AvgPool,
    Convolution,
    Dropout,
    Layer,
    MaxPool,
    Multiply,
    Route,
    Shape,
    Shortcut,
    Upsample,
    Yolo,
)

Shapes = Mapping[int, Shape]
NUMBERS_OF_A_BOX = 5  # tx, ty, tw, th, objectness
# Keys that change what a layer answers, in ways that are not built here, and their harmless values.
ONLY = MappingProxyType(
    {
        "convolutional": {
            "dilation": "1", "antialiasing": "0", "flipped": "0", "binary": "0", "xnor": "0",
            "share_index": "-1",
        },
        "maxpool": {"maxpool_depth": "0", "antialiasing": "0"},
        "shortcut": {"weights_type": "none"},
        "scale_channels": {"scale_wh": "0"},
        "upsample": {"scale": "1", "reverse": "0"},
        "yolo": {"nms_kind": "greedynms default"},
    }
)  # fmt: skip
NOT_BUILT = "use a detector without it, or give the detector as a SavedModel."
# What can be done about some of them; all others need another detector.
INSTEAD = MappingProxyType(
    {"nms_kind": "to measure it with plain suppression instead, write nms_kind=greedynms in a copy."}
)


def read_architecture(path: Path) -> Architecture:
    """The network that a ``.cfg`` describes; errors as ``parse_architecture``'s."""
    return parse_architecture(read_text(path), path.name)


def parse_architecture(text: str, file: str) -> Architecture:
    """The network that the text of a ``.cfg`` describes.

    Raises:
        LabError: a section, activation or value that is unknown, ill-typed, absent, or does not fit the
            layers before it; no ``[yolo]`` at all. It names the layer and the line.
    """
    net, *sections = parse_cfg(text, file)
    image = net.positive("height"), net.positive("width"), net.integer("channels")
    if image[2] != 3:
        raise net.error(f"channels={image[2]}", "channels=3, for colour photos", "channels")
    shapes, layers = {IMAGE: image}, []
    for section in sections:
        layer = read_layer(section, shapes)
        layers.append(layer)
        if not isinstance(layer, Yolo):
            shapes[layer.number] = layer.shape
    letter_box = bool(net.integer("letter_box", 0))
    architecture = Architecture(file, image, tuple(layers), letter_box)
    for yolo in architecture.yolos:
        require_sigmoids(architecture, yolo)
    if not architecture.yolos:
        raise LabError(f"{file} has no section [yolo].", "a detector", "choose the .cfg of a YOLO detector.")
    return architecture


def require_sigmoids(architecture: Architecture, yolo: Yolo) -> None:
    """With ``new_coords`` the layer before has sigmoids, which the tail computes here."""
    if yolo.new_coords and not architecture.can_be_split(yolo):
        raise LabError(
            f"{yolo.name} has new_coords=1 after {architecture.layers[yolo.inputs[0]].name}.",
            "a [convolutional] of its own before it, with activation=logistic and one group",
            NOT_BUILT,
        )


def read_layer(section: Section, shapes: Shapes) -> Layer:
    if section.kind not in READERS:
        known = ", ".join(f"[{kind}]" for kind in READERS)
        raise section.error("a kind of section that is not built here", f"one of: {known}", "", NOT_BUILT)
    for key, harmless in ONLY.get(section.kind, {}).items():
        if key in section.values and section.values[key] not in harmless.split():
            found, cure = f"{key}={section.values[key]}, not built here", INSTEAD.get(key, NOT_BUILT)
            raise section.error(found, f"{key}={harmless.split()[0]}, or none", key, cure)
    return READERS[section.kind](section, shapes)


def shape_of(section: Section, number: int, shapes: Shapes) -> Shape:
    """Shape of an earlier layer that ``section`` reads."""
    if number not in shapes:
        known = f"the number of a layer before it, which is no [yolo]: {min(shapes)}..{section.number - 1}"
        raise section.error(f"reads layer {number}", known)
    return shapes[number]


def previous(section: Section, shapes: Shapes) -> Shape:
    return shape_of(section, section.number - 1, shapes)


def common(section: Section, *inputs: int) -> tuple[str, int, tuple[int, ...]]:
    """The first fields of a layer: name, number, inputs (the layer before, where none are given)."""
    return str(section), section.number, inputs or (section.number - 1,)


def strides(section: Section) -> tuple[int, int]:
    """Vertical and horizontal stride; ``stride_y`` and ``stride_x`` go before ``stride``."""
    both = section.positive("stride", 1)
    return section.positive("stride_y", both), section.positive("stride_x", both)


def activation(section: Section, default: str | None = None) -> str:
    name = section.text("activation", default)
    if name not in ACTIVATIONS:
        found = f"activation={name}, not built here"
        raise section.error(found, f"one of: {', '.join(ACTIVATIONS)}", "activation", NOT_BUILT)
    return name


def slid(section: Section, shape: Shape, size: int, steps: tuple[int, int], padding: int) -> tuple[int, int]:
    """Height and width after windows of ``size`` slid over a map with ``padding`` in all per axis."""
    height, width = ((n + padding - size) // step + 1 for n, step in zip(shape, steps, strict=False))
    if height < 1 or width < 1:
        raise section.error(f"a window of {size} on a map of {shape[0]} x {shape[1]}", "a window that fits")
    return height, width


def read_convolution(section: Section, shapes: Shapes) -> Convolution:
    shape, filters, groups = (
        previous(section, shapes),
        section.positive("filters"),
        section.positive("groups", 1),
    )
    size, steps = section.positive("size"), strides(section)
    padding = size // 2 if section.integer("pad", 0) else section.integer("padding", 0)
    if shape[2] % groups or filters % groups:
        found = f"groups={groups} with {shape[2]} channels and {filters} filters"
        raise section.error(found, "groups that divide both", "groups")
    return Convolution(
        *common(section),
        shape=(*slid(section, shape, size, steps, 2 * padding), filters),
        channels=shape[2],
        size=size,
        strides=steps,
        padding=padding,
        groups=groups,
        batch_normalize=bool(section.integer("batch_normalize", 0)),
        activation=activation(section),
    )


def read_maxpool(section: Section, shapes: Shapes) -> MaxPool:
    """Size and stride must be there: what stands for absent ones differs between Darknet and OpenCV."""
    shape, size, steps = previous(section, shapes), section.positive("size"), strides(section)
    if not {"stride", "stride_x"} & set(section.values):
        raise section.error("no stride", "stride=<a whole number>")
    padding = section.integer("padding", size - 1)
    if not 0 <= padding < size:
        raise section.error(f"padding={padding} with size={size}", "padding from 0 to size - 1", "padding")
    out = (*slid(section, shape, size, steps, padding), shape[2])
    return MaxPool(*common(section), out, size, steps, padding)


def sources(section: Section, key: str) -> tuple[int, ...]:
    """Layers named by their number, or, below 0, counted back from this one."""
    return tuple(n if n >= 0 else section.number + n for n in section.integers(key))


def read_route(section: Section, shapes: Shapes) -> Route:
    inputs, groups = sources(section, "layers"), section.positive("groups", 1)
    group, read = section.integer("group_id", 0), [shape_of(section, n, shapes) for n in inputs]
    if len({shape[:2] for shape in read}) > 1:
        raise section.error(
            f"maps of {' and '.join(f'{h}x{w}' for h, w, _ in read)}", "maps of one size", "layers"
        )
    if not 0 <= group < groups or any(shape[2] % groups for shape in read):
        found = f"part {group} of {groups} of {[shape[2] for shape in read]} channels"
        raise section.error(found, "groups that divide the channels, and group_id below groups", "groups")
    shape = (*read[0][:2], sum(shape[2] for shape in read) // groups)
    return Route(*common(section, *inputs), shape, groups, group)


def read_shortcut(section: Section, shapes: Shapes) -> Shortcut:
    shape, others = previous(section, shapes), sources(section, "from")
    for number in others:
        if shape_of(section, number, shapes) != shape:
            raise section.error(f"adds {shapes[number]} to {shape}", "maps of one shape", "from")
    fields = common(section, section.number - 1, *others)
    return Shortcut(*fields, shape, activation(section, "linear"))


def read_avgpool(section: Section, shapes: Shapes) -> AvgPool:
    return AvgPool(*common(section), (1, 1, previous(section, shapes)[2]))


def read_product(section: Section, shapes: Shapes) -> Multiply:
    """``[scale_channels]``: one factor per channel of another layer; ``[sam]``: one per value."""
    factors, other = previous(section, shapes), sources(section, "from")[0]
    shape = shape_of(section, other, shapes)
    expected = (1, 1, shape[2]) if section.kind == "scale_channels" else shape
    if factors != expected:
        raise section.error(f"multiplies {shape} by {factors}", f"factors of shape {expected}", "from")
    fields = common(section, section.number - 1, other)
    return Multiply(*fields, shape, activation(section, "linear"))


def read_upsample(section: Section, shapes: Shapes) -> Upsample:
    (height, width, channels), factor = previous(section, shapes), section.positive("stride")
    return Upsample(*common(section), (height * factor, width * factor, channels), factor)


def read_dropout(section: Section, shapes: Shapes) -> Dropout:
    return Dropout(*common(section), previous(section, shapes))


def read_yolo(section: Section, shapes: Shapes) -> Yolo:
    shape, classes, mask = previous(section, shapes), section.positive("classes"), section.integers("mask")
    channels = len(mask) * (NUMBERS_OF_A_BOX + classes)
    if shape[2] != channels:
        found = f"{shape[2]} channels for {len(mask)} anchors and {classes} classes"
        raise section.error(found, f"{channels} filters in the layer before it")
    anchors, scale = chosen_anchors(section, mask), section.decimal("scale_x_y", 1.0)
    new_coords = bool(section.integer("new_coords", 0))
    return Yolo(*common(section), shape, anchors, classes, scale, new_coords)


def chosen_anchors(section: Section, mask: tuple[int, ...]) -> tuple[tuple[float, float], ...]:
    values, count = section.decimals("anchors"), section.positive("num")
    if len(values) != 2 * count:
        raise section.error(
            f"{len(values)} anchors", f"{2 * count}: a width and a height for num={count}", "anchors"
        )
    if not all(0 <= index < count for index in mask):
        raise section.error(f"mask={','.join(map(str, mask))}", f"anchors from 0 to {count - 1}", "mask")
    return tuple((values[2 * index], values[2 * index + 1]) for index in mask)


READERS: Mapping[str, Callable[[Section, Shapes], Layer]] = MappingProxyType(
    {
        "convolutional": read_convolution,
        "maxpool": read_maxpool,
        "route": read_route,
        "shortcut": read_shortcut,
        "avgpool": read_avgpool,
        "scale_channels": read_product,
        "sam": read_product,
        "upsample": read_upsample,
        "dropout": read_dropout,
        "yolo": read_yolo,
    }
)
