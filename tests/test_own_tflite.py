"""A ``.tflite`` file of one's own: what is read from it, and what cannot be used."""

import contextlib
import json
import zipfile
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given
from hypothesis import strategies as st

from helpers.errors import LabError
from helpers.limits import LIMITS, Limits
from helpers.own_tflite.adopt import adopt
from helpers.own_tflite.affine import Affine
from helpers.own_tflite.beside import files_beside
from helpers.own_tflite.describe import Facts, describe, most_detections
from helpers.own_tflite.graph import End
from helpers.own_tflite.interface import categories, interface, pixels_of
from helpers.own_tflite.sentences import cap_sentence, timing_sentence
from helpers.own_tflite.source import source_of, variant_id
from helpers.photos import core_input, read_photo, resize
from helpers.tails.postprocessed import PostprocessedTail
from helpers.tails.raw_heads import RawHeadsTail
from tests.own_tflite_files import (
    CANDIDATES,
    HEIGHT,
    OPTIONS,
    WIDTH,
    QuantizedCore,
    changed,
    grid_anchors,
    heads_bytes,
    image_of,
    postprocessed_bytes,
    random_heads,
    write,
)
from tests.real_photos import coco_dir

LABELS = ("a", "b", "c")


@pytest.fixture
def own(tmp_path):
    """Where a file of these bytes lies."""
    return lambda content: write(tmp_path / "own.tflite", content)


def with_anchors(path, anchors=None):
    np.save(path.with_name("own.anchors.npy"), grid_anchors() if anchors is None else anchors)
    return path


def as_is(path):
    """The image's values are the pixels."""
    path.with_suffix(".json").write_text('{"scale": 1.0, "offset": 0.0}')
    return path


# What a file is.


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
    found = [interface(path, LABELS, LIMITS).tail(QuantizedCore(path)(image)) for path in files]
    assert len(found[0].scores) == OPTIONS["max_detections"]
    np.testing.assert_array_equal(found[0].boxes, found[1].boxes)


def test_raw_heads_are_told_apart_by_shape(own):
    facts = describe(own(heads_bytes()))
    assert facts.postprocess is None
    assert (facts.candidates, facts.columns, facts.finished) == (CANDIDATES, 3, False)
    assert dict(facts.names) == {"boxes": "second", "scores": "first"}
    assert describe(own(heads_bytes(sigmoid=True))).finished
    assert most_detections(own(heads_bytes())) == 0


# What cannot be used.


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


# What only the user can say.


def test_anchors_must_come_from_the_user(own):
    path = as_is(own(heads_bytes()))
    with pytest.raises(LabError, match=r"does not say of which anchors[\s\S]*own\.anchors\.npy"):
        interface(path, LABELS, LIMITS)
    with_anchors(path, grid_anchors()[:5])
    with pytest.raises(LabError, match=r"\[5, 4\]"):
        interface(path, LABELS, LIMITS)
    with_anchors(path, grid_anchors() * 0)
    with pytest.raises(LabError, match="sides up to 0"):
        interface(path, LABELS, LIMITS)


def test_anchors_from_a_table_of_text_are_those_of_numpy(own):
    path = as_is(own(heads_bytes()))
    np.savetxt(path.with_name("own.anchors.csv"), grid_anchors(), delimiter=",")
    np.testing.assert_allclose(interface(path, LABELS, LIMITS).tail.anchors, grid_anchors(), rtol=1e-6)


def test_a_float_input_needs_a_normalization(own):
    path = own(postprocessed_bytes())
    with pytest.raises(LabError, match=r"float32[\s\S]*own\.json"):
        interface(path, LABELS, LIMITS)
    path.with_suffix(".json").write_text('{"scale": [1, 2, 3], "offset": -1, "channels": "BGR"}')
    found = interface(path, LABELS, LIMITS).preprocessing
    assert (found.scale, found.offset, found.channels) == ((1, 2, 3), (-1, -1, -1), "BGR")
    assert (found.height, found.width, found.resize) == (HEIGHT, WIDTH, "half-pixel")


@pytest.mark.parametrize(
    "text",
    ['{"scale": 1}', '{"scael": 1}', "[]", '{"scale": [1, 2], "offset": 0}', '{"conversion": "tanh"}'],
)
def test_a_json_file_that_says_something_else_is_refused(own, text):
    path = own(postprocessed_bytes())
    path.with_suffix(".json").write_text(text)
    with pytest.raises(LabError):
        interface(path, LABELS, LIMITS)


def float_vector(builder, values):
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return builder.EndVector()


def table(builder, *fields):
    """A flatbuffer table of (place, offset) fields."""
    builder.StartObject(8)
    for place, offset in fields:
        builder.PrependUOffsetTRelativeSlot(place, offset, 0)
    return builder.EndObject()


def vector_of(builder, item):
    builder.StartVector(4, 1, 4)
    builder.PrependUOffsetTRelative(item)
    return builder.EndVector()


def normalization(mean, std) -> bytes:
    """TFLite metadata with a normalization, after tflite-support's metadata_schema.fbs."""
    builder = flatbuffers.Builder(256)
    means, stds = float_vector(builder, mean), float_vector(builder, std)
    options = table(builder, (0, means), (1, stds))
    builder.StartObject(2)
    builder.PrependUint8Slot(0, 1, 0)
    builder.PrependUOffsetTRelativeSlot(1, options, 0)
    units = vector_of(builder, builder.EndObject())
    image = vector_of(builder, table(builder, (4, units)))
    graphs = vector_of(builder, table(builder, (2, image)))
    builder.Finish(table(builder, (3, graphs)), b"M001")
    return bytes(builder.Output())


def add_metadata(content: bytes):
    def change(model):
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = list(content)
        model.buffers.append(buffer)
        entry.name, entry.buffer = b"TFLITE_METADATA", len(model.buffers) - 1
        model.metadata = [*(model.metadata or []), entry]

    return change


@pytest.mark.parametrize(("mean", "std"), [([127.5], [127.5]), ([123.7, 116.3, 103.5], [58.4, 57.1, 57.4])])
def test_normalization_is_read_from_the_metadata(own, mean, std):
    path = own(changed(postprocessed_bytes(), add_metadata(normalization(mean, std))))
    photo = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    found = core_input(photo, interface(path, LABELS, LIMITS).preprocessing)
    np.testing.assert_allclose(found[0], (photo - np.float32(mean)) / np.float32(std), atol=1e-5)


# Classes.


@pytest.mark.parametrize(
    "text", ["a\nb\nc\n", "???\na\nb\nc\n", "0  a\n1  b\n2  c\n", "1 a\n2 b\n3 c\n", "background\na\nb\nc"]
)
def test_classes_are_named_by_a_file_beside_it(own, text):
    path = own(postprocessed_bytes())
    path.with_name("own.labels.txt").write_text(text)
    assert categories(path) == LABELS


def test_classes_are_named_by_the_files_own_zip(own):
    path = own(postprocessed_bytes())
    with zipfile.ZipFile(path, "a") as files:
        files.writestr("labelmap.txt", "a\nb\nc")
    assert categories(path) == LABELS
    assert len(interface(as_is(path), None, LIMITS).tail(QuantizedCore(path)(some_image())).scores) == 5


def some_image():
    return image_of(*random_heads(np.random.default_rng(1)))


def test_classes_that_are_not_named_or_too_few_say_so(own):
    path = own(postprocessed_bytes())
    with pytest.raises(LabError, match=r"nothing names[\s\S]*own\.labels\.txt"):
        categories(path)
    with pytest.raises(LabError, match="3 classes, the given list names 2"):
        categories(path, LABELS[:2])


def test_files_beside_are_those_that_are_read(own):
    path = with_anchors(as_is(own(heads_bytes())))
    path.with_name("own.labels.txt").write_text("a\nb\nc")
    path.with_name("labels.txt").write_text("not read")
    assert [file.name for file in files_beside(path)] == ["own.json", "own.anchors.npy", "own.labels.txt"]


@pytest.mark.parametrize(
    ("labels", "names", "background"),
    [(LABELS, LABELS, False), (("???", "b", "c"), ("b", "c"), True), (("b", "c"), ("b", "c"), True)],
)
def test_a_column_for_background_is_told_by_the_names(own, labels, names, background):
    path = with_anchors(as_is(own(heads_bytes())))
    assert categories(path, labels) == names
    assert interface(path, labels, LIMITS).tail.background == background


# Integers at the ends.


@given(
    st.floats(1e-4, 1),
    st.integers(0, 255),
    st.sampled_from(["uint8", "int8"]),
    st.integers(0, 2**32 - 1),
)
def test_a_pixel_becomes_the_byte_whatever_the_scale(scale, zero, dtype, seed):
    less = 128 if dtype == "int8" else 0
    image = End("image", 0, (1, 16, 16, 3), (), dtype, float(np.float32(scale)), zero - less)
    ends = pixels_of(Facts(image, (), {}, None))
    photo = np.random.default_rng(seed).integers(0, 256, (16, 16, 3))
    real = photo.astype(np.float32) * np.float32(ends[0]) + np.float32(ends[1])
    stored = Affine(image.scale, image.zero_point, dtype).stored(real)
    np.testing.assert_array_equal(stored.astype(int), photo - less)


@given(st.floats(1e-3, 10), st.integers(-128, 127), st.lists(st.floats(-1e6, 1e6, width=32), min_size=1))
def test_stored_numbers_are_the_nearest_and_those_outside_at_the_ends(scale, zero, values):
    affine, real = Affine(scale, zero, "int8"), np.float32(values)
    back = affine.real(affine.stored(real))
    low, high = affine.real(np.int8([-128, 127]))
    wanted = np.clip(real, low, high)
    np.testing.assert_allclose(back, wanted, atol=scale * 0.51)


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_a_quantized_file_gives_what_its_interpreter_gives(own, kind):
    path = with_anchors(own(heads_bytes(kind)))
    photo = np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    found = interface(path, LABELS, Limits(score_threshold=0.4))
    assert isinstance(found.tail, RawHeadsTail)
    heads = QuantizedCore(path)(core_input(photo, found.preprocessing))

    interpreter = Interpreter(str(path))
    runner = interpreter.get_signature_runner()
    raw = runner(image=photo[None] if kind == "uint8" else (photo[None] - 128.0).astype(np.int8))
    for name, detail in runner.get_output_details().items():
        scale, zero = detail["quantization"]
        assert raw[name].dtype == kind
        np.testing.assert_allclose(heads[name], (raw[name].astype(float) - zero) * scale, atol=1e-6)
    assert len(found.tail(heads).scores)


def test_integers_are_taken_as_they_are_by_a_core(own):
    core = QuantizedCore(own(heads_bytes("uint8")))
    image = np.random.default_rng(8).integers(0, 256, core.input_shape, np.uint8)
    affine = Affine(*core._input["quantization"], "uint8")
    for name, value in core(image).items():
        np.testing.assert_array_equal(value, core(affine.real(image))[name])


# What a report says.


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


# As a variant of a model.


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
    heads = QuantizedCore(copy)(some_image())
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


# A published file.


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
    found, core = interface(published, None, LIMITS), QuantizedCore(published)
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
