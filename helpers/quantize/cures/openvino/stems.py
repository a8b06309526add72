"""Strided slices of an image that a convolution reads side by side: the convolution reads the image itself.

YOLOX and YOLOv5 begin so ("Focus"): every second pixel goes into a channel of its own. OpenVINO slices by its
reference kernel, which took a sixth of YOLOX-nano's time in int8.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

Grid = tuple[np.ndarray, ...]


def with_whole_images(graph: Any) -> int:
    """Replace, in the graph, each convolution of such slices by one that strides; how many there were.

    It multiplies the same numbers as often, so that its outputs are the same but for the order of sums.
    """
    places = [node for node in graph.get_ordered_ops() if node.get_type_name() == "Convolution"]
    made = [each for node in places for each in [striding(node)] if each is not None]
    for node, new in made:
        name = node.get_friendly_name()
        for end in node.output(0).get_target_inputs():
            end.replace_source_output(new.output(0))
        node.set_friendly_name(f"{name}/slices")
        new.set_friendly_name(name)
    graph.validate_nodes_and_infer_types()
    return len(made)


def striding(node: Any) -> tuple[Any, Any] | None:
    """The convolution, and what does the same on the image; None if it reads no such slices."""
    joined, kernel = (end.get_node() for end in node.input_values())
    told = node.get_attributes()
    known = joined.get_type_name() == "Concat" and kernel.get_type_name() == "Constant"
    if not known or set(told["strides"] + told["dilations"]) != {1} or joined.get_attributes()["axis"] != 1:
        return None
    if told["auto_pad"] not in ("explicit", "valid"):
        return None
    found = [sliced(end) for end in joined.input_values()]
    images = {id_of(image) for image, _ in found}
    steps = [phases(image, grid) for image, grid in found]
    if len(images) != 1 or None in steps or len({step for step, _ in steps}) != 1:
        return None
    return node, strided(found[0][0], np.array(kernel.data, np.float32), steps, told)


def strided(image: Any, kernel: np.ndarray, steps: Sequence[tuple[tuple, tuple]], told: dict) -> Any:
    """
    Args:
        image: output ``[N, C, H, W]``; ``kernel``: ``[out, parts * C, h, w]``.
        steps: of each part its stride along each spatial axis, and its first place there.
        told: attributes of the convolution.
    """
    from openvino import opset13

    stride = steps[0][0]
    wide = widened(kernel, steps)
    pads = [np.multiply(told[end], stride).tolist() for end in ("pads_begin", "pads_end")]
    return opset13.convolution(image, opset13.constant(wide), list(stride), *pads, [1] * len(stride))


def widened(kernel: np.ndarray, steps: Sequence[tuple[tuple, tuple]]) -> np.ndarray:
    """The kernel of the image, ``[out, C, h * stride, w * stride]``."""
    stride = steps[0][0]
    parts = np.split(kernel, len(steps), axis=1)
    sizes = np.multiply(kernel.shape[2:], stride)
    wide = np.zeros((*parts[0].shape[:2], *sizes), np.float32)
    for part, (_, first) in zip(parts, steps, strict=True):
        places = tuple(slice(start, None, step) for start, step in zip(first, stride, strict=True))
        wide[(slice(None), slice(None), *places)] += part
    return wide


def sliced(end: Any) -> tuple[Any, Grid]:
    """What an output is sliced from, and along each axis the places that are left."""
    node = end.get_node()
    cut = slices_of(node)
    if cut is None:
        return end, tuple(np.arange(size) for size in end.get_partial_shape().to_shape())
    image, grid = sliced(node.input_value(0))
    return image, tuple(places[part] for places, part in zip(grid, cut, strict=True))


def slices_of(node: Any) -> list[slice] | None:
    """Of a ``Slice`` by constants, for each axis."""
    ends = [end.get_node() for end in node.input_values()]
    if node.get_type_name() != "Slice" or any(end.get_type_name() != "Constant" for end in ends[1:]):
        return None
    starts, stops, steps, *axes = (np.ravel(end.data).tolist() for end in ends[1:])
    found = [slice(None)] * len(node.get_output_shape(0))
    for place, axis in enumerate(axes[0] if axes else range(len(starts))):
        found[axis] = slice(starts[place], stops[place], steps[place])
    return found


def phases(image: Any, grid: Grid) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Stride and first place along the spatial axes; None unless the slice is regular."""
    shape = tuple(image.get_partial_shape().to_shape())
    if any(len(places) != size for places, size in zip(grid[:2], shape[:2], strict=True)):
        return None
    strides = tuple(size // max(len(places), 1) for places, size in zip(grid[2:], shape[2:], strict=True))
    first = tuple(int(places[0]) for places in grid[2:] if len(places))
    wanted = zip(grid[2:], shape[2:], strides, first, strict=False)
    if len(first) != len(strides) or not all(regular(*each) for each in wanted):
        return None
    return strides, first


def regular(places: np.ndarray, size: int, stride: int, first: int) -> bool:
    """Whether they are every ``stride``-th, as many as go into ``size`` without rest."""
    return first < stride and size % stride == 0 and np.array_equal(places, np.arange(first, size, stride))


def id_of(end: Any) -> tuple[str, int]:
    return end.get_node().get_friendly_name(), end.get_index()
