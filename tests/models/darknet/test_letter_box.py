"""``letter_box=1``: photos keep their shape, centred on grey, and boxes come back to the photo."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.models.darknet.architecture import parse_architecture
from helpers.models.darknet.convert import convert, preprocessing
from helpers.models.darknet.opencv import reference
from helpers.models.parity import on_photo, summarize
from helpers.photos.decoding import core_input
from helpers.photos.preprocessing import Preprocessing
from helpers.runtimes.litert.core import Core
from helpers.tasks.detection.limits import Limits
from tests.models.darknet import generate

LIMITS = Limits(nms_iou=0.45)
SIZES = ((90, 120), (150, 97), (64, 64), (31, 203), (203, 31))


def boxed(height: int = 48, width: int = 64) -> Preprocessing:
    text = generate.net(height, width) + "letter_box=1\n" + generate.convolution(8) + generate.head()
    return preprocessing(parse_architecture(text, "net.cfg"))


def darknets_size(height: int, width: int, im_h: int, im_w: int) -> tuple[int, int]:
    """Sides of the photo within the input, as ``letterbox_image`` of Darknet computes them in C."""
    if np.float32(width) / np.float32(im_w) < np.float32(height) / np.float32(im_h):
        return im_h * width // im_w, width
    return height, im_w * height // im_h


@given(*[st.integers(8, 400)] * 4)
def test_a_photo_has_the_size_and_margins_that_darknet_gives_it(height, width, im_h, im_w):
    found = Preprocessing(height, width, (1.0,) * 3, (0.0,) * 3, pad=True, centre=True)
    inner = tuple(max(1, side) for side in darknets_size(height, width, im_h, im_w))
    assert found.resized(im_h, im_w) == inner
    top, left = found.margin(im_h, im_w)
    assert top * inner[0] / im_h == pytest.approx((height - inner[0]) / 2)
    assert left * inner[1] / im_w == pytest.approx((width - inner[1]) / 2)


def test_the_rest_is_grey_on_both_sides():
    image = core_input(np.zeros((30, 90, 3), np.uint8), boxed())[0]
    assert image.shape == (48, 64, 3)
    assert (image[:13] == 0.5).all()
    assert (image[14:34] == 0).all()
    assert (image[35:] == 0.5).all()


@settings(max_examples=20)
@given(st.tuples(*[st.floats(0.05, 0.95)] * 4), st.sampled_from(SIZES))
def test_a_box_of_the_photo_is_found_again_from_its_place_in_the_input(box, size):
    from helpers.tasks.detection.tails.selection import Detections

    how, (height, width) = boxed(), size
    corners = np.sort(np.reshape(box, (2, 2)), axis=0).ravel()
    inner = how.resized(height, width)
    ends = (how.height, how.width)
    placed = [(corners[i] * inner[i % 2] + (ends[i % 2] - inner[i % 2]) / 2) / ends[i % 2] for i in range(4)]
    found = Detections(np.array([placed], np.float32), np.ones(1, np.float32), np.ones(1, np.int32))
    assert on_photo(found, how, height, width).boxes[0] == pytest.approx(corners, abs=1e-5)


SCALED = generate.head("logistic", new_coords=1, scale_x_y=2.0)


@pytest.mark.parametrize(
    ("net", "head"), [("letter_box=1\n", generate.head()), ("", SCALED), ("letter_box=1\n", SCALED)]
)
def test_a_network_answers_as_opencv_on_whole_photos(net, head, tmp_path):
    text = generate.net(48, 64) + net + generate.convolution(8, 3, 2) + head
    cfg, weights = tmp_path / "net.cfg", tmp_path / "net.weights"
    cfg.write_text(text)
    architecture = parse_architecture(text, "net.cfg")
    weights.write_bytes(generate.weights_for(architecture, 1, more=generate.FOR_OPENCV))
    interface = convert(cfg, weights, tmp_path / "core.tflite", LIMITS)
    core, original = Core(tmp_path / "core.tflite"), reference(cfg, weights, LIMITS)
    generator = np.random.default_rng(0)
    photos = [generator.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]
    pairs = []
    for photo in photos:
        found = interface.tail(core(core_input(photo, interface.preprocessing)))
        pairs.append((original(photo), on_photo(found, interface.preprocessing, *photo.shape[:2])))
    assert summarize(pairs).detections > 50
    assert summarize(pairs).matched > 0.99
