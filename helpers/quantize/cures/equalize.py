"""Channels of like size: each is scaled in the weights that make it, and back in those that read it.

Exact in float32. Nagel et al. 2019 (arXiv:1906.04721), section 4.1, with activations as Xiao et al. 2023
(arXiv:2211.10438), equation 4; here a scale runs through whatever is homogeneous between the weights.
"""

from collections.abc import Mapping

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from helpers.quantize.cures.channels import ChannelGroups, channel_groups
from helpers.quantize.cures.observed import Seen
from helpers.quantize.simulate import channel_axis
from helpers.quantize.trained.constants import ABSENT, bias_place, whole_model
from helpers.quantize.trained.grids import Ties
from helpers.quantize.trained.int8_file import drop_unread, set_constant
from helpers.runtimes.litert.graph import Operator
from helpers.runtimes.litert.reader import graph_of

LEAST_SCALE = 2.0**-14


def group_scales(groups: ChannelGroups, seen: Mapping[str, Seen], share: float) -> np.ndarray:
    """float64 ``[groups]``: by what each channel is divided.

    A group's size is the largest magnitude of its channels. Groups that meet in a tensor are brought to one
    size: that of the channels that must stay, where the tensor has such, else the largest of the groups'.

    Args:
        share: the power of a group's size over the wanted one that is taken; 1 makes all equal.
    """
    sizes, meetings, fixed = np.zeros(groups.count), Ties(range(groups.count)), {}
    for name, own in groups.of.items():
        free = np.unique(own[own >= 0])
        if name in seen and len(free):
            most = np.maximum(np.abs(seen[name].low), np.abs(seen[name].high)).astype(float)
            np.maximum.at(sizes, own[own >= 0], most[own >= 0])
            for other in free[1:]:
                meetings.join(int(free[0]), int(other))
            if (own < 0).any():
                fixed[int(free[0])] = float(most[own < 0].max())
    wanted = np.ones(groups.count)
    for group in meetings.groups():
        stays = [size for first, size in fixed.items() if first in set(group)]
        wanted[group] = max(stays) if stays and max(stays) > 0 else max(sizes[group].max(), 1e-30)
    # A channel that is always 0 has no size to be put right.
    return np.where(sizes > 0, np.clip(sizes / wanted, LEAST_SCALE, 1 / LEAST_SCALE) ** share, 1.0)


def equalized(content: bytes, seen: Mapping[str, Seen], share: float = 1.0) -> bytes:
    """The float32 ``.tflite`` with scaled channels.

    Args:
        seen: of its tensors, from calibration photos.
        share: 1 for what activations ask alone, less to leave some of it to the weights.
    """
    return equalized_with(content, seen, share)[0]


def equalized_with(
    content: bytes, seen: Mapping[str, Seen], share: float = 1.0
) -> tuple[bytes, dict[str, Seen]]:
    """The same, and what the photos would show of its tensors."""
    model = whole_model(content)
    graph = graph_of(model, len(content))
    groups = channel_groups(graph, model)
    scales = group_scales(groups, seen, share)
    for operator in graph.convolutions:
        ends = (operator.image.name, operator.outputs[0].name)
        rescale(model, operator, *(scales_of(groups, scales, name) for name in ends))
    scaled = {name: scaled_seen(known, scales_of(groups, scales, name)) for name, known in seen.items()}
    drop_unread(model)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model)), scaled


def scaled_seen(seen: Seen, scales: np.ndarray) -> Seen:
    """Histograms are lost: they are of all channels together."""
    if (scales == 1).all():
        return seen
    low, high = ((end / scales).astype(np.float32) for end in (seen.low, seen.high))
    return Seen(low, high, seen.mean / scales)


def scales_of(groups: ChannelGroups, scales: np.ndarray, name: str) -> np.ndarray:
    """float64 ``[channels]`` of a tensor; 1 for those that stay."""
    own = groups.of.get(name, np.array([-1]))
    return np.where(own >= 0, np.append(scales, 1.0)[own], 1.0)


def rescale(model: schema.ModelT, operator: Operator, before: np.ndarray, after: np.ndarray) -> None:
    """Weights times ``before`` along input channels, over ``after`` along output channels; the bias alike."""
    if (before == 1).all() and (after == 1).all():
        return
    tensors, weights, axis = model.subgraphs[0].tensors, operator.weights, channel_axis(operator)
    values = (
        np.frombuffer(bytes(model.buffers[weights.buffer].data), "<f4").reshape(weights.shape).astype(float)
    )
    if operator.type == "DEPTHWISE_CONV_2D":
        values = values * np.repeat(before, weights.shape[-1] // len(before)) / after
    else:
        along = [-1 if each == axis else 1 for each in range(values.ndim)]
        values = values * before / after.reshape(along)
    set_constant(model, tensors[weights.index], values.astype(np.float32))
    stored = model.subgraphs[0].operators[operator.index]
    place = bias_place(operator.type)
    number = int(stored.inputs[place]) if len(stored.inputs) > place else ABSENT
    if number != ABSENT:
        bias = np.frombuffer(bytes(model.buffers[tensors[number].buffer].data), "<f4") / after
        set_constant(model, tensors[number], bias.astype(np.float32))
