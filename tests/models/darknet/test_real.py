"""Yolo-Fastest-1.1-XL as published, on real photos: our core and tail against OpenCV DNN."""

import numpy as np
import pytest

from helpers.lab.errors import LabError
from helpers.models.darknet.architecture import read_architecture
from helpers.models.darknet.convert import convert
from helpers.models.darknet.opencv import load, reference, with_threshold
from helpers.models.darknet.weights import weights_bytes
from helpers.photos.decoding import core_input, read_photo
from helpers.runtimes.litert.core import Core
from helpers.tasks.detection.tails.selection import Detections, Limits
from tests.support.real_photos import coco_dir

LIMITS = Limits(nms_iou=0.45)
PHOTOS = 12
PIXELS, SCORE, AGREEING = 0.5, 1e-3, 0.99


@pytest.fixture(scope="module")
def files():
    folder = coco_dir() / "models"
    return folder / "yolo-fastest-1.1-xl.cfg", folder / "yolo-fastest-1.1-xl.weights"


@pytest.fixture(scope="module")
def photos(files):
    return [read_photo(path) for path in sorted((coco_dir() / "val2017").glob("*.jpg"))[:PHOTOS]]


@pytest.fixture(scope="module")
def ours(files, tmp_path_factory):
    file = tmp_path_factory.mktemp("darknet") / "float32.tflite"
    interface = convert(*files, file, LIMITS)
    core = Core(file)
    return lambda photo: interface.tail(core(core_input(photo, interface.preprocessing)))


def found_again(one: Detections, other: Detections, photo: np.ndarray) -> int:
    """How many of ``one`` are in ``other``: of the same class, box within 0.5 px, score within 0.001."""
    height, width = photo.shape[:2]
    apart = np.abs(one.boxes[:, None] - other.boxes[None]) * [height, width, height, width]
    same = (apart.max(2) <= PIXELS) & (one.classes[:, None] == other.classes[None])
    return int((same & (np.abs(one.scores[:, None] - other.scores[None]) <= SCORE)).any(1).sum())


def test_detections_are_opencvs(files, photos, ours):
    theirs = reference(*files, LIMITS)
    pairs = [(ours(photo), theirs(photo), photo) for photo in photos]
    total = sum(len(want.scores) for _, want, _ in pairs)
    assert total > 50 * PHOTOS
    assert sum(found_again(want, got, photo) for got, want, photo in pairs) >= AGREEING * total
    assert sum(found_again(got, want, photo) for got, want, photo in pairs) >= AGREEING * total


def test_the_reference_keeps_scores_down_to_the_threshold(files, photos):
    every = reference(*files, LIMITS)
    high = reference(*files, Limits(nms_iou=0.45, score_threshold=0.3))
    low = np.concatenate([every(photo).scores for photo in photos])
    assert 1e-3 < low.min() < 0.02
    assert sum(len(high(photo).scores) for photo in photos) == (low > 0.3).sum()


def test_the_file_of_weights_has_the_size_that_follows_from_the_cfg(files):
    cfg, weights = files
    assert weights.stat().st_size == weights_bytes(read_architecture(cfg))


def test_weights_cut_short_are_refused_by_us_and_by_the_reference(files, tmp_path):
    cfg, weights = files
    short = tmp_path / "short.weights"
    short.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(LabError, match="bytes left at layer"):
        convert(cfg, short, tmp_path / "a.tflite", LIMITS)
    with pytest.raises(LabError, match="OpenCV cannot load"):
        reference(cfg, tmp_path / "absent.weights", LIMITS)
    assert not (tmp_path / "a.tflite").exists()


def test_a_section_that_opencv_does_not_know_is_refused(files):
    with pytest.raises(LabError, match="OpenCV cannot load"):
        load("[net]\nwidth=8\nheight=8\nchannels=3\n[gaussian]\n", files[1])


def test_the_threshold_stands_in_every_yolo_section_once():
    text = "[net]\nthresh=0.7\n[ yolo ]\nmask=0\nthresh = 0.4\nnms_threshold=0.1\n[route]\nlayers=1\n[yolo]\n"
    assert with_threshold(text, 0.001).splitlines() == [
        *("[net]", "thresh=0.7", "[ yolo ]", "thresh=0.001", "mask=0", "[route]", "layers=1"),
        *("[yolo]", "thresh=0.001"),
    ]
