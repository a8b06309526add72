"""What lies beside a .tflite of one's own: anchors, normalization, names of classes."""

import zipfile

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from helpers.lab.errors import LabError
from helpers.models.own_tflite.beside import files_beside
from helpers.models.own_tflite.interface import categories, interface
from helpers.photos.decoding import core_input
from helpers.runtimes.litert.core import Core
from helpers.tasks.detection.limits import LIMITS
from tests.support.own_tflite_examples import LABELS, as_is, some_image, with_anchors
from tests.support.own_tflite_files import (
    HEIGHT,
    WIDTH,
    changed,
    grid_anchors,
    heads_bytes,
    postprocessed_bytes,
    write,
)


@pytest.fixture
def own(tmp_path):
    """Where a file of these bytes lies."""
    return lambda content: write(tmp_path / "own.tflite", content)


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
    assert len(interface(as_is(path), None, LIMITS).tail(Core(path)(some_image())).scores) == 5


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_names_in_the_zip_are_read_as_those_of_a_file(own, encoding):
    path = own(postprocessed_bytes())
    with zipfile.ZipFile(path, "a") as files:
        files.writestr("labelmap.txt", "1 a\r\n2 b\r\n3 façade\r\n".encode(encoding))
    assert categories(path) == ("a", "b", "façade")


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
