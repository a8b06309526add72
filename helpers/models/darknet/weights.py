"""Darknet's ``.weights``: a header, then each convolution's numbers, every byte accounted for."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.lab.errors import LabError
from helpers.models.darknet.layers import Architecture, Convolution

CURE = "give the .weights file that was published with this .cfg, downloaded whole."
NUMBER_BYTES = 4
SHORT_HEADER_BYTES, LONG_HEADER_BYTES = 16, 20
# Added to the variance, under the root: `fuse_conv_batchnorm` in AlexeyAB's Darknet.
EPSILON = 1e-5


@dataclass(frozen=True)
class ConvolutionWeights:
    """What a ``.weights`` file holds for one convolution, float32.

    Attributes:
        biases: ``[filters]``.
        scales, mean, variance: of the batch norm, ``[filters]``; None without one.
        kernel: ``[filters, channels of a group, height, width]``.
    """

    biases: np.ndarray
    scales: np.ndarray | None
    mean: np.ndarray | None
    variance: np.ndarray | None
    kernel: np.ndarray

    def folded(self) -> tuple[np.ndarray, np.ndarray]:
        """Kernel and biases, float32, of the convolution that equals this one with its batch norm."""
        if self.scales is None:
            return self.kernel, self.biases
        gain = self.scales.astype(float) / np.sqrt(self.variance.astype(float) + EPSILON)
        kernel, biases = self.kernel * gain[:, None, None, None], self.biases - self.mean * gain
        return kernel.astype(np.float32), biases.astype(np.float32)


def read_weights(path: Path, architecture: Architecture) -> dict[int, ConvolutionWeights]:
    """Weights of each convolution, by the layer's number; errors as ``parse_weights``'s."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error}.", "a Darknet .weights file", CURE) from error
    return parse_weights(content, architecture, path.name)


def parse_weights(content: bytes, architecture: Architecture, file: str) -> dict[int, ConvolutionWeights]:
    """Weights of each convolution, by the layer's number, as views of ``content``.

    Raises:
        LabError: the bytes end within a layer, which it names, or go on after the last one.
    """
    position, found = header_bytes(content, file), {}
    for layer in architecture.convolutions:
        needed = convolution_bytes(layer)
        if len(content) - position < needed:
            raise LabError(
                f"{file} has {len(content) - position:,} bytes left at {layer.name}.",
                f"{needed:,} bytes for {layer.shape[2]} filters of {kernel_text(layer)}",
                CURE,
            )
        numbers = np.frombuffer(content, "<f4", needed // NUMBER_BYTES, position)
        found[layer.number] = split(numbers, layer)
        position += needed
    if position != len(content):
        raise LabError(
            f"{file} has {len(content) - position:,} bytes after the last layer of {architecture.file}.",
            f"{position:,} bytes in all",
            CURE,
        )
    return found


def header_bytes(content: bytes, file: str) -> int:
    """Of the header: major, minor, revision (int32), images seen (int64 from version 0.2, else int32)."""
    if len(content) >= SHORT_HEADER_BYTES:
        major, minor, _ = (int(n) for n in np.frombuffer(content, "<i4", 3))
        # Darknet's rule; beyond 1000 it takes the numbers for noise.
        long = major * 10 + minor >= 2 and major < 1000 and minor < 1000
        length = LONG_HEADER_BYTES if long else SHORT_HEADER_BYTES
        if len(content) >= length:
            return length
    raise LabError(f"{file} has {len(content)} bytes.", "a header of 16 or 20 bytes, then weights", CURE)


def convolution_bytes(layer: Convolution) -> int:
    vectors = 4 if layer.batch_normalize else 1
    return NUMBER_BYTES * (vectors * layer.shape[2] + int(np.prod(layer.kernel_shape)))


def kernel_text(layer: Convolution) -> str:
    _, channels, height, width = layer.kernel_shape
    return f"{height} x {width} x {channels}{' with batch norm' if layer.batch_normalize else ''}"


def weights_bytes(architecture: Architecture) -> int:
    """Size of the ``.weights`` file, with the header of version 0.2, that belongs to a network."""
    return LONG_HEADER_BYTES + sum(map(convolution_bytes, architecture.convolutions))


def split(numbers: np.ndarray, layer: Convolution) -> ConvolutionWeights:
    """Darknet's order: biases, scales, means, variances, kernel."""
    filters, vectors = layer.shape[2], 4 if layer.batch_normalize else 1
    first = numbers[: vectors * filters].reshape(vectors, filters)
    scales, mean, variance = first[1:] if layer.batch_normalize else (None, None, None)
    kernel = numbers[vectors * filters :].reshape(layer.kernel_shape)
    return ConvolutionWeights(first[0], scales, mean, variance, kernel)
