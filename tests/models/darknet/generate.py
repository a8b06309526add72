"""Darknet files for tests: ``.weights`` for any ``.cfg``, random ``.cfg`` files, OpenCV's answer to both."""

import struct

import cv2
import numpy as np

from helpers.models.darknet.layers import Architecture
from helpers.models.darknet.opencv import from_memory

CLASSES, ANCHORS = 3, 2
NUMBERS = 5 + CLASSES
LONG_HEADER = struct.pack("<iiiq", 0, 2, 5, 32013312)
SHORT_HEADER = struct.pack("<iiii", 0, 1, 0, 32013312)


# OpenCV adds 1e-6 to a variance, Darknet 1e-5: with variances of this much more OpenCV computes the same.
FOR_OPENCV = 9e-6


def weights_for(
    architecture: Architecture, seed: int, gain: float = 1.0, more: float = 0.0, header: bytes = LONG_HEADER
) -> bytes:
    """A ``.weights`` file of random numbers, with which activations keep their size from layer to layer.

    Args:
        gain: of each convolution's output against its input.
        more: added to all variances.
    """
    rng, parts = np.random.default_rng(seed), [header]
    for layer in architecture.convolutions:
        count, (_, channels, height, width) = layer.shape[2], layer.kernel_shape
        vectors = [rng.uniform(-0.2, 0.2, count)]
        if layer.batch_normalize:
            vectors += [rng.uniform(*ends, count) for ends in ((0.7, 1.3), (-0.2, 0.2), (0.5, 1.5))]
            vectors[-1] += more
        kernel = rng.standard_normal(count * channels * height * width, np.float32)
        kernel *= gain * (2 / (channels * height * width)) ** 0.5
        parts += [vector.astype("<f4").tobytes() for vector in vectors] + [kernel.tobytes()]
    return b"".join(parts)


def section(kind: str, **values: object) -> str:
    return f"[{kind}]\n" + "".join(f"{key}={value}\n" for key, value in values.items())


def net(height: int = 32, width: int = 32) -> str:
    return section("net", height=height, width=width, channels=3)


def convolution(
    filters: int, size: int = 3, stride: int = 1, activation: str = "leaky", **more: object
) -> str:
    values = {"batch_normalize": 1, "filters": filters, "size": size, "stride": stride, "pad": 1}
    return section("convolutional", **values, activation=activation, **more)


def head(activation: str = "linear", **more: object) -> str:
    """A convolution and the ``[yolo]`` after it."""
    before = {"filters": ANCHORS * NUMBERS, "size": 1, "stride": 1, "activation": activation}
    anchors = "4,6, 10,8, 14,20"
    values = {"mask": "1,2", "anchors": anchors, "classes": CLASSES, "num": 3} | more
    return section("convolutional", **before) + section("yolo", **values)


def random_cfg(seed: int) -> str:
    """A ``.cfg`` with each kind of section, at a random place and with random values."""
    rng = np.random.default_rng(seed)
    height, width = (int(rng.integers(17, 50)) for _ in range(2))
    channels, parts = 8, [net(height, width), convolution(8, 3, int(rng.integers(1, 3)), "mish")]
    for kind in rng.permutation([*RANDOM_PARTS, *RANDOM_PARTS]):
        channels, text = RANDOM_PARTS[kind](rng, channels)
        parts.append(text)
    return "\n".join([*parts, head(scale_x_y=1.2), two_scales()])


def random_activation(rng: np.random.Generator) -> str:
    return str(rng.choice(["linear", "leaky", "relu", "mish", "swish", "logistic"]))


def plain(rng, channels):
    filters, size, stride = int(rng.integers(2, 7)) * 2, int(rng.choice([1, 3, 5])), int(rng.integers(1, 3))
    return filters, convolution(filters, size, stride, random_activation(rng))


def grouped(rng, channels):
    return channels, convolution(channels, 3, 1, random_activation(rng), groups=2)


def depthwise(rng, channels):
    filters = channels * int(rng.integers(1, 3))
    return filters, convolution(filters, int(rng.choice([3, 5])), 1, random_activation(rng), groups=channels)


def unpadded(rng, channels):
    values = {"filters": channels, "size": 3, "stride": 1, "padding": int(rng.integers(1, 3))}
    return channels, section("convolutional", **values, activation="leaky")


def pooled(rng, channels):
    return channels, section("maxpool", size=int(rng.integers(2, 4)), stride=int(rng.integers(1, 3)))


def pyramid(rng, channels):
    """Spatial pyramid pooling (SPP), by stride 1, with an even size too."""
    text = section("maxpool", size=5, stride=1) + section("route", layers=-2)
    text += section("maxpool", size=4, stride=1) + section("route", layers="-1,-3,-4")
    return 4, text + convolution(4, 1)


def residual(rng, channels):
    text = (
        convolution(channels, 1) + convolution(channels, 3, 1, "linear") + section("dropout", probability=0.2)
    )
    return channels, text + section("shortcut", **{"from": -4, "activation": random_activation(rng)})


def parted(rng, channels):
    text = section("route", layers=-1, groups=2, group_id=int(rng.integers(0, 2)))
    return 4, text + convolution(4, 1)


def factors(channels: int) -> str:
    return section("convolutional", filters=channels, size=1, stride=1, activation="logistic")


def squeezed(rng, channels):
    """Squeeze and excitation, as in EfficientNet."""
    return channels, section("avgpool") + factors(channels) + section("scale_channels", **{"from": -3})


def attended(rng, channels):
    """Spatial attention, as in YOLOv4-SAM."""
    return channels, factors(channels) + section("sam", **{"from": -2})


RANDOM_PARTS = {
    part.__name__: part
    for part in (
        *(plain, grouped, depthwise, unpadded, pooled, pyramid, residual, parted, squeezed, attended),
    )
}


def two_scales() -> str:
    """A second head at twice the first one's size, as in all of YOLOv3's kin."""
    upsampled = section("upsample", stride=2) + section("route", layers="-1,-1")
    return section("route", layers=-3) + convolution(6, 1) + upsampled + head()


def opencv_rows(cfg: str, weights: bytes, architecture: Architecture, image: np.ndarray) -> list[np.ndarray]:
    """What OpenCV has before each ``[yolo]``, ``[N, 5 + classes]``, for an image ``[1, H, W, 3]``."""
    network = from_memory(cfg, weights)
    network.setInput(np.ascontiguousarray(image.transpose(0, 3, 1, 2)))
    names = [opencv_name(network, yolo.number) for yolo in architecture.yolos]
    parts = zip(network.forward(names), architecture.yolos, strict=True)
    return [raw[0].transpose(1, 2, 0).reshape(-1, 5 + yolo.classes) for raw, yolo in parts]


def opencv_name(network: cv2.dnn.Net, yolo: int) -> str:
    """The last of OpenCV's layers that make up the Darknet layer before number ``yolo``."""
    names = network.getLayerNames()
    return names[names.index(f"permute_{yolo}") - 1]


def core_rows(heads: dict[str, np.ndarray]) -> list[np.ndarray]:
    """A core's outputs, put together as they stand in Darknet."""
    parts = ("box", "objectness", "class")
    count = len(heads) // len(parts)
    return [np.concatenate([heads[f"{part}_{i}"][0] for part in parts], 1) for i in range(count)]
