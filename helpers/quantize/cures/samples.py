"""What a convolution's weights are multiplied with, as rows: patches at drawn places of a batch of images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from helpers.quantize.cures.planned import Meeting

# Rows by weights of a channel; between these ends, or fewer where there are no more.
ROWS_BY_WEIGHTS, FEWEST, MOST = 12, 4096, 12288
LEARNED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True, eq=False)
class Samples:
    """
    Attributes:
        inputs: float32 ``[groups, samples, n]``.
        wanted: ``[groups, samples, rows]``, float32's outputs.
    """

    inputs: np.ndarray
    wanted: np.ndarray


def samples_of(meeting: Meeting, sequential: bool, seed: int = 0) -> Samples:
    """Drawn places of all photos.

    Args:
        sequential: inputs are the rounded network's, not float32's.
    """
    image = np.asarray(meeting.rounded_image if sequential else meeting.image)
    exact = np.asarray(meeting.exact)
    generator = np.random.default_rng(seed)
    if meeting.operator.type == "FULLY_CONNECTED":
        rows, made = image.reshape(-1, meeting.weights.shape[1]), exact.reshape(-1, len(meeting.weights))
        chosen = drawn(generator, len(rows), meeting.weights.shape[1])
        return Samples(rows[chosen][None], made[chosen][None])
    places = np.prod(exact.shape[:3])
    chosen = drawn(generator, places, meeting.weights[0].size if meeting.axis == 0 else 0)
    where = np.unravel_index(chosen, exact.shape[:3])
    found = patches(image, where, meeting)
    return in_groups(found, exact[where], meeting)


def drawn(generator: np.random.Generator, there: int, weights: int) -> np.ndarray:
    wanted = int(np.clip(ROWS_BY_WEIGHTS * weights, FEWEST, MOST))
    return np.arange(there) if there <= wanted else generator.choice(there, wanted, replace=False)


def patches(image: np.ndarray, where: tuple[np.ndarray, ...], meeting: Meeting) -> np.ndarray:
    """``[samples, h, w, channels]``: what the kernel covers at places ``where`` (photo, row, column)."""
    options = meeting.network.options(meeting.operator)
    sizes = meeting.weights.shape[1:3]
    strides, spread = (options.strideH, options.strideW), (options.dilationHFactor, options.dilationWFactor)
    ends = [
        padding(
            options, image.shape[1 + n], meeting.exact.shape[1 + n], strides[n], (size - 1) * spread[n] + 1
        )
        for n, size in enumerate(sizes)
    ]
    padded = np.pad(image, ((0, 0), *ends, (0, 0)))
    rows, columns = (
        where[1 + n][:, None] * strides[n] + np.arange(size) * spread[n] for n, size in enumerate(sizes)
    )
    return padded[where[0][:, None, None], rows[:, :, None], columns[:, None, :]]


def padding(options: Any, given: int, made: int, stride: int, covered: int) -> tuple[int, int]:
    """Zeros before and behind one axis, as TensorFlow's SAME has them."""
    if options.padding == schema.Padding.VALID:
        return 0, 0
    total = max((made - 1) * stride + covered - given, 0)
    return total // 2, total - total // 2


def in_groups(found: np.ndarray, made: np.ndarray, meeting: Meeting) -> Samples:
    """Patches ``[samples, h, w, channels]`` and outputs ``[samples, out]`` by groups of input channels."""
    count, channels = len(found), found.shape[-1]
    own = 1 if meeting.operator.type == "DEPTHWISE_CONV_2D" else meeting.weights.shape[-1]
    groups = channels // own
    inputs = found.reshape(count, -1, groups, own).transpose(2, 0, 1, 3).reshape(groups, count, -1)
    return Samples(inputs, made.reshape(count, groups, -1).transpose(1, 0, 2))
