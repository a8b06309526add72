"""Boxes in other units are named before any work; sound ones never are."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.photos.coco.box_units import require_pixels
from tests.support.real_photos import coco_dir

FILE = Path("labels.json")
PHOTOS = [{"id": i, "file_name": f"{i}.jpg", "width": 640 - 40 * i, "height": 480} for i in range(3)]


def entries(boxes, areas=None):
    areas = [box[2] * box[3] for box in boxes] if areas is None else areas
    return [
        {"id": n, "source_id": f"a{n}", "image_id": n % 3, "category_id": 1, "bbox": list(box), "area": area}
        for n, (box, area) in enumerate(zip(boxes, areas, strict=True))
    ]


def sound(count=30, seed=0):
    """Boxes within their photos; a few stick out by a pixel."""
    generator, found = np.random.default_rng(seed), []
    for number in range(count):
        width = PHOTOS[number % 3]["width"]
        x, y = generator.uniform(0, width - 20), generator.uniform(0, 460)
        box = [x, y, generator.uniform(3, width - x), generator.uniform(3, 480 - y)]
        found.append([round(value, 2) for value in box])
    found[0][2] = PHOTOS[0]["width"] - found[0][0] + 1
    return found


def refused(boxes, areas=None):
    with pytest.raises(LabError) as caught:
        require_pixels(FILE, PHOTOS, entries(boxes, areas))
    assert "labels.json" in caught.value.found
    assert caught.value.cure
    return caught.value


@given(st.integers(0, 500), st.integers(1, 40))
def test_sound_boxes_pass(seed, count):
    require_pixels(FILE, PHOTOS, entries(sound(count, seed)))


def test_fractions_are_named_and_the_cure_works():
    boxes = sound()
    sizes = [(PHOTOS[n % 3]["width"], 480) * 2 for n in range(len(boxes))]
    fractions = [[v / s for v, s in zip(*pair, strict=True)] for pair in zip(boxes, sizes, strict=True)]
    fractions[0][2] = 1 - fractions[0][0]
    error = refused(fractions)
    assert "annotation a0" in error.found
    assert "fractions of the photo" in error.found
    cured = [[v * s for v, s in zip(*pair, strict=True)] for pair in zip(fractions, sizes, strict=True)]
    require_pixels(FILE, PHOTOS, entries(cured))


def test_corners_are_named_and_the_cure_works():
    boxes = sound()
    error = refused([[x, y, x + w, y + h] for x, y, w, h in boxes])
    assert "read as two corners" in error.found
    require_pixels(FILE, PHOTOS, entries(boxes))


@pytest.mark.parametrize(
    ("box", "area", "found"),
    [
        ([5000, 5000, 10, 10], 100, "outside its photo"),
        ([-50, 10, 20, 20], 400, "outside its photo"),
        ([10, 10, 2000, 20], 40000, "far larger than its photo"),
        ([10, 10, 20, 20], 90000, "and an area of 90000, more than twice that"),
    ],
)
def test_one_that_no_evaluation_takes_is_named_by_its_entry(box, area, found):
    boxes = [*sound(), box]
    error = refused(boxes, [*(b[2] * b[3] for b in boxes[:-1]), area])
    assert f"annotation a30 of labels.json has the box {box}" in error.found
    assert found in error.found
    assert "0.jpg" in error.found


@pytest.mark.parametrize("box", [[3, 4, 1, 1], [0.2, 0.1, 0.7, 0.8]])
def test_a_single_tiny_object_among_others_is_no_suspect(box):
    require_pixels(FILE, PHOTOS, entries([*sound(5), box]))


def test_cocos_own_boxes_pass():
    labels = json.loads((coco_dir() / "annotations" / "instances_val2017.json").read_text())
    objects = [entry | {"source_id": entry["id"]} for entry in labels["annotations"]]
    require_pixels(FILE, labels["images"], objects)
