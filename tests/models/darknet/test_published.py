"""YOLOv3 and YOLOv3-tiny: the networks that belong to the published weights, equal to OpenCV DNN."""

import re
from pathlib import Path

import numpy as np
import pytest

from helpers.models.darknet.architecture import parse_architecture, read_architecture
from helpers.models.darknet.convert import to_tflite
from helpers.models.darknet.layers import Convolution, Upsample
from helpers.models.darknet.network import build_network
from helpers.models.darknet.published import PUBLISHED
from helpers.models.darknet.weights import parse_weights, weights_bytes
from helpers.runtimes.litert.core import Core
from tests.models.darknet.generate import FOR_OPENCV, core_rows, opencv_rows, weights_for

# Sizes of yolov3.weights and yolov3-tiny.weights as their publisher serves them.
BYTES = {"yolov3": 248_007_048, "yolov3_tiny": 35_434_956}
GRIDS = {"yolov3": [13, 26, 52], "yolov3_tiny": [13, 26]}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_weights_that_belong_to_it_have_the_published_size(name):
    architecture = read_architecture(PUBLISHED[name])
    assert weights_bytes(architecture) == BYTES[name]
    assert [yolo.shape for yolo in architecture.yolos] == [(n, n, 255) for n in GRIDS[name]]


def test_yolov3_is_darknet_53_with_three_heads():
    layers = read_architecture(PUBLISHED["yolov3"]).layers
    backbone, rest = layers[:75], layers[75:]
    # Fully connected, the 53rd, is left out in a detector.
    assert sum(isinstance(layer, Convolution) for layer in backbone) == 52
    assert backbone[-1].shape == (13, 13, 1024)
    assert sum(isinstance(layer, Upsample) for layer in rest) == 2
    assert len(layers) == 107


def converted(network, image: np.ndarray, folder: Path) -> dict[str, np.ndarray]:
    file = folder / "core.tflite"
    file.write_bytes(to_tflite(network))
    return Core(file)(image)


def run(network, image: np.ndarray, folder: Path) -> dict[str, np.ndarray]:
    return {name: np.asarray(head) for name, head in network(image).items()}


# YOLOv3's 62 million weights take most of a minute to become a .tflite file.
@pytest.mark.parametrize(
    ("name", "side", "gain", "heads"), [("yolov3", 64, 0.7, run), ("yolov3_tiny", 96, 1.0, converted)]
)
def test_it_equals_opencv(name, side, gain, heads, tmp_path):
    cfg = re.sub(r"(width|height)=\d+", rf"\1={side}", PUBLISHED[name].read_text())
    architecture = parse_architecture(cfg, "a.cfg")
    image = np.random.default_rng(5).random((1, side, side, 3), np.float32)
    weights = parse_weights(weights_for(architecture, 5, gain), architecture, "a.weights")
    ours = core_rows(heads(build_network(architecture, weights), image, tmp_path))
    theirs = opencv_rows(cfg, weights_for(architecture, 5, gain, FOR_OPENCV), architecture, image)
    for got, want in zip(ours, theirs, strict=True):
        assert 0.1 < want.std() < 100
        np.testing.assert_allclose(got, want, atol=5e-5 * np.abs(want).max())
