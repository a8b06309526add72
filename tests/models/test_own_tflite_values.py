"""Stored integers of a .tflite of one's own as real numbers; adopted and published files."""

import json
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.models.own_tflite.describe import Described, describe, most_detections
from helpers.models.own_tflite.interface import categories, interface, pixels_of
from helpers.models.own_tflite.sentences import cap_sentence, timing_sentence
from helpers.photos.decoding import core_input, read_photo, resize
from helpers.quantize.adopt import adopt
from helpers.run.own_files import source_of, variant_id
from helpers.runtimes.litert.core import Core
from helpers.runtimes.litert.graph import Tensor
from helpers.runtimes.litert.grid import grid_of
from helpers.tasks.detection.limits import LIMITS, Limits
from helpers.tasks.detection.tails.postprocessed import PostprocessedTail
from helpers.tasks.detection.tails.raw_heads import RawHeadsTail
from tests.support.own_tflite_examples import LABELS, as_is, some_image, with_anchors
from tests.support.own_tflite_files import (
    HEIGHT,
    OPTIONS,
    WIDTH,
    heads_bytes,
    postprocessed_bytes,
    write,
)
from tests.support.real_photos import coco_dir


@pytest.fixture
def own(tmp_path):
    """Where a file of these bytes lies."""
    return lambda content: write(tmp_path / "own.tflite", content)


@given(
    st.floats(1e-4, 1),
    st.integers(0, 255),
    st.sampled_from(["uint8", "int8"]),
    st.integers(0, 2**32 - 1),
)
def test_a_pixel_becomes_the_byte_whatever_the_scale(scale, zero, dtype, seed):
    less = 128 if dtype == "int8" else 0
    scales = (float(np.float32(scale)),)
    image = Tensor(0, "image", (1, 16, 16, 3), dtype, scales=scales, zero_points=(zero - less,))
    ends = pixels_of(Described(image, (), {}, None))
    photo = np.random.default_rng(seed).integers(0, 256, (16, 16, 3))
    real = photo.astype(np.float32) * np.float32(ends[0]) + np.float32(ends[1])
    stored = grid_of(dtype, *scales, zero - less).to_levels(real)
    np.testing.assert_array_equal(stored.astype(int), photo - less)


@given(st.floats(1e-3, 10), st.integers(-128, 127), st.lists(st.floats(-1e6, 1e6, width=32), min_size=1))
def test_stored_numbers_are_the_nearest_and_those_outside_at_the_ends(scale, zero, values):
    grid, real = grid_of("int8", scale, zero), np.float32(values)
    back = grid.to_values(grid.to_levels(real).astype(np.int8))
    low, high = grid.to_values(np.int8([-128, 127]))
    wanted = np.clip(real, low, high)
    np.testing.assert_allclose(back, wanted, atol=scale * 0.51)


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_a_quantized_file_gives_what_its_interpreter_gives(own, kind):
    path = with_anchors(own(heads_bytes(kind)))
    photo = np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    found = interface(path, LABELS, Limits(score_threshold=0.4))
    assert isinstance(found.tail, RawHeadsTail)
    heads = Core(path)(core_input(photo, found.preprocessing))

    interpreter = Interpreter(str(path))
    runner = interpreter.get_signature_runner()
    raw = runner(image=photo[None] if kind == "uint8" else (photo[None] - 128.0).astype(np.int8))
    for name, detail in runner.get_output_details().items():
        scale, zero = detail["quantization"]
        assert raw[name].dtype == kind
        np.testing.assert_allclose(heads[name], (raw[name].astype(float) - zero) * scale, atol=1e-6)
    assert len(found.tail(heads).scores)


def test_integers_are_taken_as_they_are_by_a_core(own):
    core = Core(own(heads_bytes("uint8")))
    image = np.random.default_rng(8).integers(0, 256, core.input_shape, np.uint8)
    grid = grid_of("uint8", *core._input["quantization"])
    for name, value in core(image).items():
        np.testing.assert_array_equal(value, core(grid.to_values(image))[name])


def test_a_cap_is_said(own):
    said = cap_sentence(own(postprocessed_bytes()))
    assert "own.tflite: at most 5 detections per photo" in said
    assert "no detection below score 0.2" in said
    assert "of 3 classes only the best 1 per box" in said


def test_no_cap_is_not_said(own):
    free = {"max_detections": 100, "nms_score_threshold": 1e-8, "use_regular_nms": True}
    assert cap_sentence(own(postprocessed_bytes(OPTIONS | free))) == ""
    assert cap_sentence(own(heads_bytes())) == ""


def test_what_the_latency_includes_is_said(own):
    assert "part of its inference" in timing_sentence(own(postprocessed_bytes()))
    assert timing_sentence(own(heads_bytes())) == ""


def test_a_path_may_name_its_labels(tmp_path):
    assert source_of("a/b.tflite") == (Path("a/b.tflite"), None)
    assert source_of("a/b.tflite@coco91") == (Path("a/b.tflite"), "coco91")
    assert source_of("a/b.tflite@names.txt") == (Path("a/b.tflite"), Path("names.txt"))
    assert variant_id("a/my model (1).tflite@coco91") == "own-my_model_1"


@pytest.mark.parametrize("kind", ["with the operator", "raw heads"])
def test_an_adopted_file_has_the_classes_of_its_model(own, tmp_path, kind):
    raw = kind == "raw heads"
    path = with_anchors(as_is(own(heads_bytes() if raw else postprocessed_bytes())))
    path.with_name("own.labels.txt").write_text("dog\ncat\ntraffic_light")
    model = ("Traffic Light", "", "cat", "dog") if raw else ("Traffic Light", "", "cat")
    copy = tmp_path / "variants" / "own.tflite"
    found = adopt(str(path), model, LIMITS, copy)
    assert copy.read_bytes() == path.read_bytes()
    heads = Core(copy)(some_image())
    own_numbers = interface(path, None, LIMITS).tail(heads)
    names = [("dog", "cat", "Traffic Light")[number - 1] for number in own_numbers.classes]
    kept = [name in model for name in names]
    assert [model[number - 1] for number in found.tail(heads).classes] == [n for n in names if n in model]
    np.testing.assert_array_equal(found.tail(heads).scores, own_numbers.scores[kept])
    assert all(kept) == raw


def test_a_file_without_a_category_of_its_model_says_so(own, tmp_path):
    path = as_is(own(postprocessed_bytes()))
    path.with_name("own.labels.txt").write_text("dog\ncat\nbird")
    with pytest.raises(LabError, match="not one of the model's 3 classes"):
        adopt(str(path), ("ball", "cone"), LIMITS, tmp_path / "copy.tflite")
    assert not (tmp_path / "copy.tflite").exists()


def test_a_file_that_litert_cannot_run_says_so(own, tmp_path):
    wrong = as_is(own(postprocessed_bytes(OPTIONS | {"num_classes": 1})))
    with pytest.raises(LabError, match="cannot"):
        adopt(f"{wrong}@{label_file(tmp_path, 'a')}", ("a",), LIMITS, tmp_path / "copy.tflite")


def label_file(folder, *names):
    (folder / "names.txt").write_text("\n".join(names))
    return folder / "names.txt"


@pytest.fixture(scope="module")
def published():
    return coco_dir() / "models" / "ssd_mobilenet_v1_quant.tflite"


def test_a_published_file_is_described(published):
    facts = describe(published)
    assert (facts.image.shape, facts.image.dtype) == ((1, 300, 300, 3), "uint8")
    assert (facts.postprocess.max_detections, facts.postprocess.num_classes) == (10, 90)
    assert most_detections(published) == 10
    assert "at most 10 detections per photo" in cap_sentence(published)
    truth = json.loads((coco_dir() / "annotations" / "instances_val2017.json").read_text())
    names = categories(published)
    assert [names[item["id"] - 1] for item in truth["categories"]] == [n["name"] for n in truth["categories"]]


def test_a_published_file_detects_as_in_an_interpreter_of_ones_own(published):
    found, core = interface(published, None, LIMITS), Core(published)
    assert isinstance(found.tail, PostprocessedTail)
    interpreter = Interpreter(str(published))
    interpreter.allocate_tensors()
    for file in sorted((coco_dir() / "val2017").glob("*.jpg"))[:6]:
        photo = read_photo(file)
        pixels = resize(photo, 300, 300, "half-pixel-rounded").astype(np.uint8)[None]
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
        interpreter.invoke()
        boxes, classes, scores, count = (
            interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()
        )
        assert count[0] == 10
        best = np.argsort(-scores[0], kind="stable")
        given_back = found.tail(core(core_input(photo, found.preprocessing)))
        np.testing.assert_array_equal(given_back.boxes, np.clip(boxes[0, best], 0, 1))
        np.testing.assert_array_equal(given_back.classes, classes[0, best].astype(int) + 1)
        np.testing.assert_array_equal(given_back.scores, scores[0, best])
