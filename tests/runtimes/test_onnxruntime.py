"""ONNX Runtime: ends of fixed shapes, and the arithmetic that it really takes."""

import numpy as np
import pytest

from helpers.lab.errors import LabError
from helpers.runtimes.catalogue import ONNXRUNTIME, load_core
from helpers.runtimes.kinds_of_operators import DENSE, DEPTHWISE, POINTWISE
from helpers.runtimes.onnxruntime.core import OnnxCore, options
from helpers.runtimes.onnxruntime.graph import OnnxGraph
from helpers.runtimes.onnxruntime.operator_times import kind_of, split_by_inference
from tests.support.onnx_models import NODES, WEIGHTS, stack_model, stack_onnx, stack_photos


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return stack_onnx(tmp_path_factory.mktemp("onnx") / "core.onnx")


def convolved(image: np.ndarray, weights: np.ndarray, stride: int, padding: int, groups: int) -> np.ndarray:
    """A convolution by its definition: image ``[C, H, W]``, weights ``[out, in, k, k]``."""
    padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weights.shape[2:], (1, 2))
    windows = windows[:, ::stride, ::stride]
    if groups > 1:
        return np.einsum("chwij,cij->chw", windows, weights[:, 0])
    return np.einsum("chwij,ocij->ohw", windows, weights)


def test_its_numbers_are_those_of_the_definition(file):
    from onnx import numpy_helper

    weights = {
        t.name.removesuffix("_weights"): numpy_helper.to_array(t) for t in stack_model().graph.initializer
    }
    image = stack_photos(1)[0]
    values = image[0].astype(np.float64)
    for name in NODES:
        dense, depthwise = name == "dense", name == "depthwise"
        values = convolved(values, weights[name], 1 + dense, int(dense or depthwise), 8 if depthwise else 1)
        values = values if name == "wide" else np.maximum(values, 0)
    np.testing.assert_allclose(load_core(file)(image)["heads"][0], values, rtol=1e-3, atol=1e-4)


def test_shapes_that_the_file_leaves_open_are_refused_at_the_input(tmp_path):
    with pytest.raises(LabError, match="free shape"):
        load_core(stack_onnx(tmp_path / "free.onnx", free=True))


def test_shapes_that_the_file_leaves_open_at_the_output_are_found_by_running(tmp_path):
    model = stack_model()
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "channels"
    (tmp_path / "open.onnx").write_bytes(model.SerializeToString())
    core = load_core(tmp_path / "open.onnx")
    assert core.output_shapes == {"heads": (1, 16, 16, 16)}
    assert core(stack_photos(1)[0])["heads"].shape == (1, 16, 16, 16)


def test_an_image_of_another_shape_is_refused(file):
    with pytest.raises(ValueError, match="an image of shape"):
        load_core(file).set_input(np.zeros((1, 3, 8, 8), np.float32))


def test_what_a_file_holds_is_read_from_it(file):
    facts = ONNXRUNTIME.facts(file)
    assert facts.weights == {"float32": WEIGHTS}
    assert facts.operators == {"Conv": 4, "Relu": 3}
    assert sum(facts.kernels.values()) == 4
    assert all(kernel.endswith("float32/float32") for kernel in facts.kernels)
    assert ONNXRUNTIME.stored(file).weights_bytes == 4 * WEIGHTS


def test_weights_are_found_behind_what_widens_them():
    from onnx import helper

    model = stack_model()
    model.graph.node.insert(0, helper.make_node("Identity", ["wide_weights"], ["passed"]))
    model.graph.node[-1].input[1] = "passed"
    assert {node.name for node, _ in OnnxGraph(model).convolutions()} == set(NODES) - {"wide"}
    model.graph.node[0].op_type = "Transpose"
    assert {node.name for node, _ in OnnxGraph(model).convolutions()} == set(NODES)


def test_a_session_takes_its_threads_and_does_not_spin():
    chosen = options(3)
    assert (chosen.intra_op_num_threads, chosen.inter_op_num_threads) == (3, 1)
    assert chosen.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert not chosen.enable_profiling


def test_every_convolution_is_in_the_profile_with_its_kind(file):
    kinds = [operator["kind"] for operator in ONNXRUNTIME.profile(file, 2, 1)["operators"]]
    assert [kinds.count(kind) for kind in (DENSE, DEPTHWISE, POINTWISE)] == [1, 1, 2]


def test_profiling_leaves_no_file_where_it_was_started(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ONNXRUNTIME.profile(file, 1, 1)
    OnnxCore(file)(stack_photos(1)[0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("weights", "groups", "kind"),
    [
        ((8, 3, 3, 3), 1, DENSE),
        ((8, 1, 3, 3), 8, DEPTHWISE),
        ((8, 4, 1, 1), 1, POINTWISE),
        ((9, 5), 1, POINTWISE),
    ],
)
def test_kinds_of_convolutions(weights, groups, kind):
    assert kind_of(weights, groups) == kind


def test_events_are_split_where_an_inference_ends():
    def event(name, dur, cat="Node"):
        return {"cat": cat, "name": name, "dur": dur, "args": {"op_name": name.partition("_")[0]}}

    events = [event("model_loading_uri", 9, "Session")]
    for whole in (20, 30):
        events += [
            event("Relu_kernel_time", 3),
            event("Conv_kernel_time", 5),
            event("model_run", whole, "Session"),
        ]
    found = split_by_inference(events, {"Conv": DENSE})
    assert [whole for whole, _ in found] == [20, 30]
    assert [[told["us"] for told in operators] for _, operators in found] == [[3, 5]] * 2
    assert found[0][1][1]["kind"] == DENSE
