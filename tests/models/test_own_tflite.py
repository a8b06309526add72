"""A .tflite of one's own: what it is, what it answers, and what becomes of it in a run."""

import contextlib

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.models.own_tflite.describe import describe, most_detections
from helpers.models.own_tflite.interface import interface
from helpers.runtimes.litert.core import Core
from helpers.tasks.detection.limits import LIMITS
from tests.support.own_tflite_examples import LABELS, as_is
from tests.support.own_tflite_files import (
    CANDIDATES,
    OPTIONS,
    changed,
    heads_bytes,
    image_of,
    postprocessed_bytes,
    random_heads,
    write,
)


@pytest.fixture
def own(tmp_path):
    """Where a file of these bytes lies."""
    return lambda content: write(tmp_path / "own.tflite", content)


def test_the_operators_options_are_read(own):
    extra = {"use_regular_nms": True, "detections_per_class": 7, "max_classes_per_detection": 3}
    found = describe(own(postprocessed_bytes(OPTIONS | extra))).postprocess
    assert (found.max_detections, found.num_classes, found.detections_per_class) == (5, 3, 7)
    assert (found.nms_iou, found.regular_nms) == (0.5, True)
    assert found.score_threshold == pytest.approx(0.2)
    assert found.scales == (10, 10, 5, 5)
    assert found.most_detections == 5


@pytest.mark.parametrize(("classes", "most"), [(1, 5), (2, 10), (9, 15)])
def test_a_box_counts_once_for_each_of_its_classes(own, classes, most):
    path = own(postprocessed_bytes(OPTIONS | {"max_classes_per_detection": classes}))
    assert most_detections(path) == most


def test_a_file_from_before_2021_is_the_same_detector(tmp_path):
    files = [as_is(write(tmp_path / f"{old}.tflite", postprocessed_bytes(old=bool(old)))) for old in range(2)]
    image = image_of(*random_heads(np.random.default_rng(0)))
    found = [interface(path, LABELS, LIMITS).tail(Core(path)(image)) for path in files]
    assert len(found[0].scores) == OPTIONS["max_detections"]
    np.testing.assert_array_equal(found[0].boxes, found[1].boxes)


def test_raw_heads_are_told_apart_by_shape(own):
    facts = describe(own(heads_bytes()))
    assert facts.postprocess is None
    assert (facts.candidates, facts.columns, facts.finished) == (CANDIDATES, 3, False)
    assert dict(facts.names) == {"boxes": "second", "scores": "first"}
    assert describe(own(heads_bytes(sigmoid=True))).finished
    assert most_detections(own(heads_bytes())) == 0


def drop_output(model):
    model.subgraphs[0].outputs = model.subgraphs[0].outputs[:1]


def second_input(model):
    graph = model.subgraphs[0]
    graph.inputs = [*graph.inputs, graph.outputs[0]]


def open_size(model):
    model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].shapeSignature = [1, -1, -1, 3]


def two_signatures(model):
    model.signatureDefs = [*model.signatureDefs, model.signatureDefs[0]]


def make_float16(model):
    model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].type = schema.TensorType.FLOAT16


BAD = {
    "not a .tflite": lambda: b"PK\x03\x04 something else",
    "damaged": lambda: heads_bytes()[:200],
    "2 inputs": lambda: changed(heads_bytes(), second_input),
    r"takes float32 \[1, 3, 8, 7\]": lambda: heads_bytes(shape=(1, 3, 8, 7)),
    "takes float16": lambda: changed(heads_bytes(), make_float16),
    "size of its input open": lambda: changed(heads_bytes(), open_size),
    "several signatures": lambda: changed(heads_bytes(), two_signatures),
    "custom operators: FlexNonMax": lambda: postprocessed_bytes(name="FlexNonMax"),
    "count are no outputs": lambda: postprocessed_bytes(order=(0, 1, 2)),
    "options of TFLite": lambda: postprocessed_bytes({"max_detections": 3}),
    "gives second": lambda: changed(heads_bytes(), drop_output),
}


@pytest.mark.parametrize("message", BAD)
def test_a_file_that_cannot_be_used_says_why(own, message):
    with pytest.raises(LabError, match=message) as caught:
        describe(own(BAD[message]()))
    assert caught.value.expected
    assert caught.value.cure


def test_an_absent_file_says_so(tmp_path):
    with pytest.raises(LabError, match="does not exist"):
        describe(tmp_path / "own.tflite")


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=40))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path_factory, place, noise):
    content = bytearray(postprocessed_bytes())
    place = 8 + place % (len(content) - 48)
    content[place : place + len(noise)] = noise
    path = write(tmp_path_factory.mktemp("damaged") / "own.tflite", bytes(content))
    with contextlib.suppress(LabError):
        describe(path)
