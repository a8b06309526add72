"""A published detector on real photos; skipped where they are not."""

import json

import numpy as np
import pytest

from helpers.photos.decoding import read_photo
from helpers.photos.preprocessing import Preprocessing
from helpers.tasks.detection.boxes import CODER_SCALES
from tests.support.real_photos import coco_dir
from tests.support.savedmodel_cut import Cut, assert_same

PHOTOS = 12


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory) -> Cut:
    folder = tmp_path_factory.mktemp("real") / "model"
    folder.symlink_to(coco_dir() / "models" / "ssd_mobilenet_v1_coco", target_is_directory=True)
    return Cut(folder)


def real_photos() -> list[np.ndarray]:
    return [read_photo(file) for file in sorted((coco_dir() / "val2017").glob("*.jpg"))[:PHOTOS]]


def test_its_preprocessing_background_and_scales_are_found(mobilenet):
    preprocessing, tail = mobilenet.interface.preprocessing, mobilenet.interface.tail
    assert preprocessing == Preprocessing(300, 300, (1 / 127.5,) * 3, (-1.0,) * 3)
    assert (tail.conversion, tail.background, tail.scales) == ("sigmoid", True, CODER_SCALES)
    assert tail.anchors.shape == (1917, 4)


def test_it_detects_as_the_savedmodel_does(mobilenet):
    assert_same(mobilenet, real_photos())


def test_its_classes_are_coco_s_category_ids(mobilenet):
    truth = json.loads((coco_dir() / "annotations" / "instances_val2017.json").read_text())
    ids = {category["id"] for category in truth["categories"]}
    found = np.concatenate([mobilenet(photo).classes for photo in real_photos()])
    assert np.isin(found, list(ids)).mean() > 0.99
    assert found.max() > 80
