"""Simulated ONNX files: their weights read back and computed anew, their bits by hand."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from helpers.lab.errors import LabError
from helpers.quantize.float_layers import float_layers
from helpers.quantize.kinds.catalogue import KINDS, get_kind
from helpers.quantize.simulate import FLOAT
from helpers.quantize.simulate_onnx import simulated_onnx
from tests.support.onnx_models import NODES, WEIGHTS, stack_model, stack_onnx
from tests.support.why_models import stack_core

FOUR_BITS = get_kind("uniform-4-channel-minmax")


@pytest.fixture(scope="module")
def content() -> bytes:
    return stack_model().SerializeToString()


def weights_of(content: bytes) -> dict[str, np.ndarray]:
    graph = onnx.load_from_string(content).graph
    return {each.name: numpy_helper.to_array(each) for each in graph.initializer}


def nearest_of_fifteen(weights: np.ndarray) -> np.ndarray:
    """Levels -7 to 7, one step for each output channel, which come first."""
    steps = np.abs(weights).reshape(len(weights), -1).max(1) / 7
    steps = steps.reshape(-1, *[1] * (weights.ndim - 1))
    return np.round(weights / steps) * steps


def test_four_bits_by_hand(content):
    before, after = weights_of(content), weights_of(simulated_onnx(content, FOUR_BITS).content)
    assert before.keys() == after.keys()
    for name, weights in before.items():
        np.testing.assert_allclose(after[name], nearest_of_fifteen(weights), atol=1e-6)


def test_bits_and_bytes_of_four_bits_by_hand(content):
    found = simulated_onnx(content, FOUR_BITS)
    channels = 8 + 8 + 16 + 16
    bits = 4 * WEIGHTS + 32 * channels
    assert found.weight_bits == pytest.approx(bits / WEIGHTS)
    assert found.coded_bytes == len(found.content) - (32 * WEIGHTS - bits) // 8
    assert len(found.packed) == pytest.approx(bits / 8, abs=len(NODES))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_leaves_a_file_of_the_same_graph_with_the_weights_of_its_grid(content, name):
    found = simulated_onnx(content, get_kind(name))
    model, before = onnx.load_from_string(found.content), onnx.load_from_string(content)
    onnx.checker.check_model(model)
    assert list(model.graph.node) == list(before.graph.node)
    signal = noise = 0.0
    for stored, weights in weights_of(content).items():
        left = weights_of(found.content)[stored]
        assert left.dtype == np.float32
        signal, noise = signal + (weights**2).sum(), noise + ((weights - left) ** 2).sum()
        if name in ("ternary", "binary"):
            most = 3 if name == "ternary" else 2
            assert max(len(np.unique(channel)) for channel in left) <= most
    assert found.sqnr_db == pytest.approx(10 * np.log10(signal / noise), abs=1e-2)
    assert found.weight_bits <= 33


def test_the_first_and_the_last_layer_can_be_kept(content):
    found = simulated_onnx(content, FOUR_BITS, keep_first_last=True)
    kept = {f"{layer.name}_weights" for layer in found.layers if layer.kind == FLOAT}
    assert kept == {"dense_weights", "wide_weights"}
    before, after = weights_of(content), weights_of(found.content)
    same = {name for name in before if np.array_equal(before[name], after[name])}
    assert same == kept


def matrices(trans_b: int = 0) -> onnx.ModelProto:
    """``[1, 6]`` -> MatMul to 4 -> Gemm to 3, whose matrix is read once more by an Add where ``trans_b``."""
    generator = np.random.default_rng(0)
    second = (3, 4) if trans_b else (4, 3)
    stored = [
        numpy_helper.from_array(generator.normal(size=shape).astype(np.float32), name)
        for name, shape in {"first": (6, 4), "second": second}.items()
    ]
    nodes = [
        helper.make_node("MatMul", ["image", "first"], ["middle"], "matmul"),
        helper.make_node("Gemm", ["middle", "second"], ["heads"], "gemm", transB=trans_b),
    ]
    ends = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
        for n, s in (("image", [1, 6]), ("heads", [1, 3]))
    ]
    graph = helper.make_graph(nodes, "matrices", ends[:1], ends[1:], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("trans_b", [0, 1])
def test_channels_of_a_matrix_are_its_outputs(trans_b):
    content = matrices(trans_b).SerializeToString()
    before, after = weights_of(content), weights_of(simulated_onnx(content, FOUR_BITS).content)
    np.testing.assert_allclose(after["first"].T, nearest_of_fifteen(before["first"].T), atol=1e-6)
    rows = [values["second"] if trans_b else values["second"].T for values in (before, after)]
    np.testing.assert_allclose(rows[1], nearest_of_fifteen(rows[0]), atol=1e-6)


def test_what_has_no_weights_is_one_error():
    model = matrices()
    model.graph.initializer[0].data_type = TensorProto.INT32
    del model.graph.initializer[1]
    with pytest.raises(LabError, match="no layer with float32 weights to quantize"):
        simulated_onnx(model.SerializeToString(), FOUR_BITS)


def test_with_edges_kept_something_must_be_left():
    with pytest.raises(LabError, match="every layer of weights is a first or a last one"):
        simulated_onnx(matrices().SerializeToString(), FOUR_BITS, keep_first_last=True)


def test_float_layers_of_either_file_have_their_channels_first(tmp_path):
    of_onnx = float_layers(stack_onnx(tmp_path / "core.onnx"))
    assert [(layer.name, layer.operator, layer.rows.shape) for layer in of_onnx] == [
        ("dense", "Conv", (8, 27)),
        ("depthwise", "Conv", (8, 9)),
        ("narrow", "Conv", (16, 8)),
        ("wide", "Conv", (16, 16)),
    ]
    stored = weights_of((tmp_path / "core.onnx").read_bytes())
    for layer in of_onnx:
        np.testing.assert_array_equal(layer.rows.ravel(), stored[f"{layer.name}_weights"].ravel())
    of_tflite = float_layers(stack_core(tmp_path / "core.tflite"))
    assert all(len(layer.rows) == layer.weights.shape[layer.axis] for layer in of_tflite)
    assert all(layer.rows.size == layer.weights.size for layer in of_tflite)
