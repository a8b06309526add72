"""Files that cannot be used: each is one error that says what was found, and a cure."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from helpers.lab.errors import LabError
from helpers.lab.paths import ROOT
from helpers.models.onnx import library
from helpers.models.onnx.network import external_files, read
from tests.models.onnx.runs import NOTED, Converted
from tests.support import onnx_networks as networks


def refused(path, said: str, cure: str) -> None:
    with pytest.raises(LabError, match=said) as caught:
        read(path)
    assert cure in caught.value.cure
    assert caught.value.expected


def kept(model, tmp_path):
    return networks.saved(model, tmp_path / "net.onnx")


CONTENTS = {"text": b"no network at all", "empty": b"", "cut off": None}


@pytest.mark.parametrize("name", CONTENTS)
def test_what_is_no_onnx(name, tmp_path):
    content = CONTENTS[name]
    whole = networks.yolox().SerializeToString()
    (tmp_path / "net.onnx").write_bytes(whole[: len(whole) // 2] if content is None else content)
    refused(tmp_path / "net.onnx", "cannot be read|holds no graph", "downloaded anew")


def test_an_absent_file(tmp_path):
    refused(tmp_path / "net.onnx", "does not exist", "correct the path")


def stored_apart(tmp_path):
    onnx.save(
        networks.yolox(), str(tmp_path / "net.onnx"), save_as_external_data=True, location="net.data",
        size_threshold=0,
    )  # fmt: skip
    return tmp_path / "net.onnx"


def test_weights_in_another_file_are_read_from_there(tmp_path):
    path = stored_apart(tmp_path)
    assert external_files(path) == [tmp_path / "net.data"]
    assert read(path).outputs == {"output": (1, 126, 8)}


def test_weights_in_another_file_that_is_absent(tmp_path):
    path = stored_apart(tmp_path)
    (tmp_path / "net.data").rename(tmp_path / "elsewhere")
    refused(path, r"net\.data is not there", f"put net.data into {tmp_path}")
    (tmp_path / "elsewhere").rename(tmp_path / "net.data")
    assert read(path).size == (64, 96)


def newer_opset(model):
    model.opset_import[0].version = 999


def newer_ir(model):
    model.ir_version = 99


def own_operator(model):
    model.graph.node[-1].domain, model.graph.node[-1].op_type = "trt", "EfficientNMS_TRT"


def fused_operator(model):
    model.graph.node[2].domain, model.graph.node[2].op_type = "com.microsoft", "FusedConv"


def unknown_operator(model):
    model.graph.node[-1].op_type = "Frobnicate"


def several_inputs(model):
    model.graph.input.append(helper.make_tensor_value_info("orig_size", TensorProto.INT64, [1, 2]))


def whole_numbers(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8


def half_weights(model):
    for item in model.graph.initializer:
        if item.data_type == TensorProto.FLOAT:
            item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item).astype(np.float16), item.name))


def quantized(model):
    model.graph.node[0].op_type = "QuantizeLinear"


def several_photos(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4


def one_channel(model):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1


def of_three_dimensions(model):
    del model.graph.input[0].type.tensor_type.shape.dim[0]


def another_task(model):
    helper.set_model_props(model, {key: str(value) for key, value in (NOTED | {"task": "segment"}).items()})


FAULTS = {
    newer_opset: ("opset 999", "older opset"),
    newer_ir: ("IR version 99", "older opset"),
    own_operator: ("operators of its own: trt.EfficientNMS_TRT", "without plug-ins"),
    fused_operator: ("operators of its own: com.microsoft.FusedConv", "without plug-ins and optimizations"),
    unknown_operator: ("cannot use", "standard operators"),
    several_inputs: (r"2 inputs \(images, orig_size\)", "without the size of the photo"),
    whole_numbers: ("takes uint8", "float32"),
    half_weights: ("float16 weights", "half=False"),
    quantized: ("is quantized already", "int8=False"),
    several_photos: ("takes 4 photos at once", "batch=1"),
    one_channel: (r"takes images \[1, 1, 64, 96\]", "photos in colour"),
    of_three_dimensions: (r"takes images \[3, 64, 96\]", "photos in colour"),
    another_task: ("for the task 'segment'", "for detection"),
}


@pytest.mark.parametrize("damage", FAULTS, ids=lambda damage: damage.__name__)
def test_a_fault_names_its_cure(damage, tmp_path):
    model = networks.yolov5()
    damage(model)
    said, cure = FAULTS[damage]
    refused(kept(model, tmp_path), said, cure)


def test_a_classifier_is_told_so(tmp_path):
    graph = networks.Graph()
    logits = graph.add("Flatten", graph.add("GlobalAveragePool", graph.features(16)))
    model = networks.model_of(graph, {"probabilities": (logits, [1, 8])})
    refused(kept(model, tmp_path), "classifies whole photos", "for detection")


def test_feature_maps_are_no_rows_of_boxes(tmp_path):
    graph = networks.Graph()
    model = networks.model_of(graph, {"p3": (graph.features(8), [1, 8, 8, 12])})
    refused(kept(model, tmp_path), r"gives feature maps: p3 \[1, 8, 8, 12\]", "detection head whole")


def test_outputs_of_no_known_design(tmp_path):
    graph = networks.Graph()
    rows = graph.reshape(graph.features(16), 1, 8, 3, 8)
    parts = [graph.reshape(rows, 1, 64, 3), graph.reshape(rows, 1, 48, 4), graph.reshape(rows, 1, 6, 32)]
    model = networks.model_of(graph, {name: (part, None) for name, part in zip("abc", parts, strict=True)})
    with pytest.raises(LabError, match="nothing in it tells") as caught:
        Converted(model, tmp_path)
    assert "@yolox, @yolov5" in caught.value.cure


def test_a_graph_that_runs_nowhere(tmp_path):
    model = networks.yolov5()
    model.graph.node[3].input[0] = "nowhere"
    with pytest.raises(LabError, match="ONNX Runtime cannot use") as caught:
        Converted(model, tmp_path, named="yolov5")
    assert "export the detector anew" in caught.value.cure


@pytest.mark.parametrize("absent", ["onnx", "onnxruntime"])
def test_without_the_extras_one_error_names_the_command(absent, tmp_path, monkeypatch):
    path = kept(networks.yolox(), tmp_path)
    importing = importlib.import_module

    def without(name, *rest):
        if name.split(".")[0] == absent:
            raise ImportError(name)
        return importing(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(LabError, match=f"{absent} is not installed") as caught:
        read(path)
    assert caught.value.cure == "`make setup RUNTIMES=onnxruntime`."


def test_the_helpers_import_without_the_extras():
    folder = Path(library.__file__).parent
    modules = [f"helpers.models.onnx.{path.stem}" for path in sorted(folder.glob("*.py"))]
    code = (
        "import importlib, sys\n"
        "sys.modules['onnx'] = sys.modules['onnxruntime'] = None\n"
        f"for name in {modules}: importlib.import_module(name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
