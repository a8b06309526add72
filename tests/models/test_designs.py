"""What shapes of outputs tell of a design, and what only values tell."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.models.designs.catalogue import ALIASES, DESIGN_NAMES, DESIGNS, get_design
from helpers.models.designs.shapes import cells_of, fits, readings
from helpers.models.designs.whole import in_pixels, is_decoded
from helpers.tasks.detection.label_maps import KINDS
from helpers.tasks.detection.limits import LIMITS

SIDE = (640, 640)
CELLS = 8400
KNOWN = {
    "yolox": ({"output": (1, 8400, 85)}, SIDE, 80),
    "yolov5": ({"output0": (1, 25200, 85)}, SIDE, 80),
    "yolov8": ({"output0": (1, 84, 8400)}, SIDE, 80),
    "nanodet": ({"output": (1, 3598, 112)}, (416, 416), 80),
    "detr": ({"logits": (1, 100, 92), "pred_boxes": (1, 100, 4)}, (800, 800), 91),
    "rtdetr": ({"output0": (1, 300, 84)}, SIDE, 80),
}


@pytest.mark.parametrize("name", KNOWN)
def test_what_exporters_write_is_read_as_one_design(name):
    shapes, size, classes = KNOWN[name]
    found = [reading for reading in readings(shapes, size, classes) if fits(reading, classes)]
    assert [reading.design.name for reading in found] == [name]


@pytest.mark.parametrize("name", KNOWN)
def test_the_likeliest_stands_first_where_no_classes_are_named(name):
    shapes, size, classes = KNOWN[name]
    assert name in [reading.design.name for reading in readings(shapes, size, 0)]
    assert readings(shapes, size, classes)[0].design.name == name


FOUND = {
    "rows": {"output0": (1, 300, 6)},
    "rows without a batch": {"output0": (0, 6)},
    "apart": {"boxes": (1, 100, 4), "scores": (1, 100), "labels": (1, 100)},
    "apart, no batch": {"labels": (0,), "boxes": (0, 4), "scores": (0,)},
    "with a count": {"num": (1, 1), "boxes": (1, 50, 4), "scores": (1, 50), "classes": (1, 50)},
}


@pytest.mark.parametrize("name", FOUND)
def test_detections_are_read_as_such(name):
    found = readings(FOUND[name], SIDE, 80)
    assert [reading.kind for reading in found] == ["found"]
    if len(FOUND[name]) > 1:
        assert found[0].outputs[:2] == ("boxes", "scores")


STRANGE = [
    {},
    {"a": (1, 8400)},
    {"a": (1, 2, 3, 4)},
    {"boxes": (1, 10, 4), "scores": (1, 11, 3)},
    {"boxes": (1, 8400, 4)},
    {"boxes": (1, 8732, 4), "scores": (1, 8732, 81)},
    {"a": (2, 25200, 85)},
]


@pytest.mark.parametrize("shapes", STRANGE, ids=str)
def test_other_shapes_are_no_design(shapes):
    assert readings(shapes, SIDE, 80) == []


def test_a_named_design_has_its_readings_alone():
    shapes = {"pred_boxes": (1, 300, 4), "logits": (1, 300, 80)}
    assert {reading.design.name for reading in readings(shapes, SIDE, 80)} == {"detr", "rtdetr"}
    assert [reading.design.name for reading in readings(shapes, SIDE, 80, "detr")] == ["detr"]


@given(st.sampled_from(sorted(DESIGNS)), st.integers(1, 90), st.sampled_from([256, 320, 416, 640]))
def test_any_number_of_classes_is_read_back(name, classes, side):
    design = DESIGNS[name]
    if design.decoding == "queries":
        return
    columns = classes + 4 * design.bins + int(design.objectness)
    rows = cells_of((side, side), design.strides[0]) * design.anchors_each
    shape = (1, columns, rows) if design.columns_first else (1, rows, columns)
    found = [r for r in readings({"output": shape}, (side, side), classes) if fits(r, classes)]
    assert name in [reading.design.name for reading in found]
    assert all(reading.classes == classes for reading in found)


def test_names_after_the_at_sign_are_no_label_maps():
    assert not set(DESIGN_NAMES) & set(KINDS)
    assert all(name == name.lower() for name in DESIGN_NAMES)
    assert all(get_design(alias) is DESIGNS[name] for alias, name in ALIASES.items())
    with pytest.raises(LabError, match=r"design 'yolov88'.*Did you mean"):
        get_design("yolov88")


@pytest.mark.parametrize("name", DESIGNS)
def test_a_design_gives_preprocessing_and_limits_of_its_own(name):
    found = DESIGNS[name].preprocessing(320, 416, "NCHW")
    assert found.input_shape == (1, 3, 320, 416)
    assert found.pad == DESIGNS[name].letter_box
    limits = DESIGNS[name].limits(dataclasses.replace(LIMITS, most_detections=7))
    assert (limits.nms_iou, limits.most_detections) == (DESIGNS[name].nms_iou, 7)


def test_centres_that_follow_their_cells_are_decoded():
    reading = readings({"output": (1, CELLS, 8)}, SIDE, 3)[0]
    generator = np.random.default_rng(0)
    raw = np.abs(generator.normal(0, 1, (CELLS, 8)))
    assert not is_decoded(reading, raw, SIDE)
    steps = np.repeat([8, 16, 32], [6400, 1600, 400])[:, None]
    cells = np.concatenate([np.indices((n, n))[::-1].reshape(2, -1).T for n in (80, 40, 20)])
    decoded = np.concatenate([(raw[:, :2] + cells) * steps, np.exp(raw[:, 2:4]) * steps, raw[:, 4:]], 1)
    assert is_decoded(reading, decoded, SIDE)
    decoded[0, 2] = -1
    assert not is_decoded(reading, decoded, SIDE)


def test_coordinates_beyond_one_are_pixels():
    assert in_pixels(np.array([3.0, 600.0]))
    assert not in_pixels(np.array([-0.1, 1.05]))
    assert in_pixels(np.zeros(4), unless_told=True)
    assert not in_pixels(np.zeros(4))
