"""Cut core and tail give what the whole graph gives, for every design; what cannot be cut is said."""

import json
import re
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.models.interface import Interface
from helpers.models.onnx.reference import reference
from helpers.models.parity import on_photo, summarize
from helpers.photos.decoding import core_input
from helpers.tasks.detection.tails.cell_heads import CellHeadsTail
from helpers.tasks.detection.tails.found_rows import FoundRowsTail
from helpers.tasks.detection.tails.joined_rows import JoinedRowsTail
from helpers.tasks.detection.tails.queries import QueriesTail
from tests.models.onnx.runs import LIMITS, NOTED, ULTRALYTICS, Converted, photos
from tests.support import onnx_networks as networks

V5_NOTED = {"names": ["a", "b", "c"], "stride": 32}
WITH_HEADS = {
    "yolox": (networks.yolox, {}, 0.65),
    "yolox decoded": (networks.yolox, {"decoded": True}, 0.65),
    "yolox joined": (networks.yolox, {"joined": True}, 0.65),
    "yolox, one class": (networks.yolox, {"classes": 1}, 0.65),
    "yolov5": (networks.yolov5, {}, 0.6),
    "yolov5 noted": (networks.yolov5, {"metadata": V5_NOTED}, 0.6),
    "yolov5 relative": (networks.yolov5, {"unit": (96, 64)}, 0.6),
    "yolov5 with raw maps": (networks.yolov5, {"raw_maps": True}, 0.6),
    "yolov8": (networks.yolov8, {}, 0.7),
    "yolov8 noted": (networks.yolov8, {"metadata": ULTRALYTICS}, 0.7),
    "yolov8, 8 bins": (networks.yolov8, {"bins": 8}, 0.7),
    "yolov8, open shape": (networks.yolov8, {"metadata": ULTRALYTICS, "shape": ["b", 3, "h", "w"]}, 0.7),
    "nanodet": (networks.nanodet, {}, 0.6),
    "nanodet, one class": (networks.nanodet, {"classes": 1}, 0.6),
}
WHOLE = {
    "hidden heads": (networks.yolov8, {"metadata": ULTRALYTICS, "hidden": True}, "", JoinedRowsTail),
    "detr": (networks.detr, {"columns": 4}, "", QueriesTail),
    "rtdetr": (networks.detr, {"columns": 3}, "rtdetr", QueriesTail),
    "finished, with a column for no object": (
        networks.detr,
        {"columns": 4, "finished": True},
        "",
        QueriesTail,
    ),
    "finished scores": (networks.detr, {"columns": 3, "finished": True}, "rtdetr", QueriesTail),
    "one output": (networks.detr, {"columns": 3, "joined": True}, "rtdetr", QueriesTail),
    "suppressed": (networks.suppressed, {"metadata": ULTRALYTICS}, "", FoundRowsTail),
}


def require_parity(made: Converted, classes: int, named: str = "") -> None:
    original, pairs = reference(made.path, LIMITS, classes, named), []
    for photo in photos():
        ours = on_photo(made.detect(photo), made.interface.preprocessing, *photo.shape[:2])
        pairs.append((original(photo), ours))
    assert summarize(pairs).detections > 30
    assert summarize(pairs).matched > 0.99
    assert sum(len(ours.scores) for _, ours in pairs) == summarize(pairs).detections


@pytest.mark.parametrize("case", WITH_HEADS)
def test_raw_heads_are_cut_out_and_answer_as_the_whole_graph(case, tmp_path):
    build, facts, nms_iou = WITH_HEADS[case]
    classes = facts.get("classes", networks.CLASSES)
    made = Converted(build(**facts), tmp_path, classes)
    assert isinstance(made.interface.tail, CellHeadsTail)
    assert made.interface.tail.limits.nms_iou == nms_iou
    kinds = {output.name.split("_")[0] for output in made.session.get_outputs()}
    assert kinds == {"box", "class"} | ({"objectness"} if made.interface.tail.objectness else set())
    require_parity(made, classes)


@pytest.mark.parametrize("case", WHOLE)
def test_what_has_no_raw_heads_answers_as_the_whole_graph(case, tmp_path):
    build, facts, named, kind = WHOLE[case]
    made = Converted(build(**facts), tmp_path, named=named)
    assert type(made.interface.tail) is kind
    require_parity(made, networks.CLASSES, named)


def test_a_file_from_before_weights_were_no_inputs(tmp_path):
    model = networks.yolox()
    model.ir_version = 3
    for item in model.graph.initializer:
        kind = onnx.helper.make_tensor_value_info(item.name, item.data_type, item.dims)
        model.graph.input.insert(0, kind)
    made = Converted(model, tmp_path)
    assert [item.name for item in onnx.load(str(made.core_path)).graph.input] == ["image"]
    require_parity(made, networks.CLASSES)


BUILDS = st.sampled_from([networks.yolox, networks.yolov5, networks.yolov8, networks.nanodet])


@settings(max_examples=12, deadline=None)
@given(BUILDS, st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_any_weights_and_number_of_classes(build, classes, seed):
    with tempfile.TemporaryDirectory() as folder:
        made = Converted(build(classes=classes, seed=seed), Path(folder), classes)
        whole = onnxruntime.InferenceSession(str(made.path))
    assert isinstance(made.interface.tail, CellHeadsTail)
    image = core_input(photos(((64, 96),), seed)[0], made.interface.preprocessing)
    rows = whole.run(None, {"images": image})[0][0]
    boxes, scores = made.interface.tail.candidates(made.heads(image))
    assert scores.shape == (len(boxes), classes)
    assert len(boxes) in rows.shape
    if build is networks.yolov8:
        assert scores == pytest.approx(rows[4:].T, abs=1e-4)
        centres = (boxes[:, [1, 0]] + boxes[:, [3, 2]]) / 2 * [96, 64]
        assert centres == pytest.approx(rows[:2].T, abs=0.01)


def test_a_core_is_a_sound_float32_graph_of_fixed_shapes(tmp_path):
    made = Converted(networks.yolov8(ULTRALYTICS, shape=["b", 3, "h", "w"]), tmp_path)
    core = onnx.load(str(made.core_path))
    onnx.checker.check_model(core, full_check=True)
    assert [item.name for item in core.graph.input] == ["image"]
    shapes = {
        item.name: [dim.dim_value for dim in item.type.tensor_type.shape.dim]
        for item in (*core.graph.input, *core.graph.output, *core.graph.value_info)
    }
    assert shapes["image"] == [1, 3, 64, 96]
    assert shapes["box_0"] == [1, 64, 8, 12]
    assert all(shape and 0 not in shape for shape in shapes.values())
    assert {node.op_type for node in core.graph.node}.isdisjoint({"Softmax", "Sigmoid", "Concat", "Shape"})


def test_boxes_and_scores_of_one_convolution_become_two(tmp_path):
    made = Converted(networks.yolov5(), tmp_path)
    shapes = {output.name: output.shape for output in made.session.get_outputs()}
    assert shapes["box_0"] == [1, 12, 8, 12]
    assert shapes["objectness_0"] == [1, 3, 8, 12]
    assert shapes["class_0"] == [1, 9, 8, 12]


def test_anchors_are_those_that_the_graph_multiplies_with(tmp_path):
    found = Converted(networks.yolov5(), tmp_path).interface.tail.anchors
    assert np.array(found) == pytest.approx(np.array(networks.ANCHORS), rel=1e-4)


def test_an_interface_is_read_as_it_was_written(tmp_path):
    for build in (networks.yolox, networks.yolov5, networks.yolov8, networks.nanodet):
        made = Converted(build(), tmp_path)
        made.interface.save(tmp_path / "interface.npz")
        assert Interface.load(tmp_path / "interface.npz") == made.interface


def test_the_same_file_gives_the_same_core(tmp_path):
    first = Converted(networks.yolov5(), tmp_path).core_path.read_bytes()
    assert Converted(networks.yolov5(), tmp_path).core_path.read_bytes() == first


def test_photos_are_prepared_as_the_design_has_it(tmp_path):
    yolox = Converted(networks.yolox(), tmp_path).interface.preprocessing
    assert (yolox.channels, yolox.scale, yolox.centre, yolox.one_ratio) == ("BGR", (1,) * 3, False, "down")
    yolov8 = Converted(networks.yolov8(), tmp_path).interface.preprocessing
    assert (yolov8.channels, yolov8.centre, yolov8.one_ratio) == ("RGB", True, "nearest")
    assert yolox.fill == yolov8.fill == (114,) * 3
    assert yolox.input_shape == yolov8.input_shape == (1, 3, 64, 96)


def test_what_lies_beside_the_file_is_said_by_the_user(tmp_path):
    said = {"scale": 1.0, "offset": -0.5, "channels": "BGR"}
    (tmp_path / "net.json").write_text(json.dumps(said))
    found = Converted(networks.yolov8(), tmp_path).interface.preprocessing
    assert (found.scale, found.offset, found.channels, found.pad) == ((1.0,) * 3, (-0.5,) * 3, "BGR", True)


NOTES = {
    "open shape": (networks.yolov8, {"metadata": NOTED, "shape": ["b", 3, "h", "w"]}, "the size that its"),
    "open batch": (networks.yolov8, {"shape": ["b", 3, 64, 96]}, r"measured with \[1, 3, 64, 96\]\."),
    "raw maps": (networks.yolov5, {"raw_maps": True}, "the rows alone are used"),
    "hidden": (networks.yolov8, {"metadata": ULTRALYTICS, "hidden": True}, "its core decodes boxes"),
    "suppressed": (networks.suppressed, {"metadata": ULTRALYTICS}, "gives finished detections"),
}


@pytest.mark.parametrize("case", NOTES)
def test_what_a_reader_must_know_is_noted(case, tmp_path):
    build, facts, said = NOTES[case]
    notes = Converted(build(**facts), tmp_path).interface.notes
    assert len(notes) == 1
    assert re.search(said, notes[0])


def test_there_is_nothing_to_note_of_a_plain_file(tmp_path):
    assert Converted(networks.yolox(), tmp_path).interface.notes == ()


def test_an_open_size_that_nobody_notes_is_the_usual_one(tmp_path):
    model = networks.detr(4)
    for place, name in ((2, "h"), (3, "w")):
        model.graph.input[0].type.tensor_type.shape.dim[place].dim_param = name
    made = Converted(model, tmp_path)
    assert made.interface.preprocessing.input_shape == (1, 3, 640, 640)
    assert "height and width are the usual size" in made.interface.notes[0]


AMBIGUOUS = {
    "suppressed": (networks.suppressed, {}),
    "two queries": (networks.detr, {"columns": 3}),
    "queries in one output": (networks.detr, {"columns": 3, "joined": True}),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_a_design_that_nothing_tells_is_asked_for(case, tmp_path):
    build, facts = AMBIGUOUS[case]
    with pytest.raises(LabError, match="nothing in it tells") as caught:
        Converted(build(**facts), tmp_path)
    assert "@yolov8" in caught.value.cure
    assert "@rtdetr" in caught.value.cure
    Converted(build(**facts), tmp_path, named="rtdetr")


def test_a_design_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(LabError, match="not the outputs of NanoDet") as caught:
        Converted(networks.yolov8(), tmp_path, named="nanodet")
    assert "another design than @nanodet" in caught.value.cure


@pytest.mark.parametrize("name", ["yolov11", "yolo11", "yolov9"])
def test_designs_of_the_same_heads_have_further_names(name, tmp_path):
    made = Converted(networks.yolov8(), tmp_path, named=name)
    assert made.interface.tail.decoding == "distances"


@pytest.mark.parametrize("build", [networks.yolox, networks.yolov5, networks.yolov8, networks.nanodet])
def test_a_label_map_of_another_length_is_refused(build, tmp_path):
    with pytest.raises(LabError, match=r"3 classes.*; its label map has 80 names") as caught:
        Converted(build(), tmp_path, classes=80)
    assert "write the names of its classes into a file" in caught.value.cure


def test_values_that_are_no_scores_are_said(tmp_path):
    model = networks.yolov8(ULTRALYTICS)
    for node in model.graph.node:
        node.op_type = "Identity" if node.op_type == "Sigmoid" else node.op_type
    with pytest.raises(LabError, match="scores outside 0 to 1") as caught:
        Converted(model, tmp_path)
    assert "sigmoid" in caught.value.cure


def test_a_cut_that_gives_other_answers_is_not_taken(tmp_path):
    """The graph makes distances of its heads in another way than the design's tail."""
    model = networks.yolov8(ULTRALYTICS)
    (sums,) = (node for node in model.graph.node if node.op_type == "Softmax")
    sums.op_type = "Softplus"
    del sums.attribute[:]
    made = Converted(model, tmp_path)
    assert isinstance(made.interface.tail, JoinedRowsTail)
    assert "its core decodes boxes" in made.interface.notes[0]
    require_parity(made, networks.CLASSES)
