"""Multiply-adds, bytes and boundaries read from a file are those counted by hand."""

import copy

import numpy as np
import pytest
from ai_edge_quantizer import recipe

from helpers.energy.why.layer import fully_connected, index_list
from helpers.energy.why.records import Copy, Machine
from helpers.energy.why.roofline import bound_of
from helpers.lab.intervals import Absent
from helpers.quantize.layers.measure import layer_errors
from helpers.quantize.recipes.catalogue import quantize_file
from helpers.quantize.recipes.edge_quantizer import apply_recipe
from helpers.runtimes.kinds_of_operators import CASTS, DENSE, DEPTHWISE, POINTWISE
from helpers.runtimes.litert.core import Core
from helpers.runtimes.litert.graph import Operator, Tensor
from helpers.runtimes.litert.operator_kinds import arithmetic
from helpers.runtimes.litert.reader import read_facts, read_graph
from tests.support.made_alone import ALONE
from tests.support.why_models import MACS, WEIGHTS, rewritten, stack_core, stack_images

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")


@pytest.fixture(scope="module")
def float_file(tmp_path_factory):
    return stack_core(tmp_path_factory.mktemp("stack") / "float32.tflite")


@pytest.fixture(scope="module")
def graphs(float_file):
    found = {}
    for name, variant in ALONE.items():
        file = float_file.with_name(f"made-{name}.tflite")
        quantize_file(float_file, variant, stack_images(2), file)
        found[name] = read_graph(file)
    return found


def tensor(*shape, dtype="float32"):
    return Tensor(0, "", shape, dtype)


@pytest.mark.parametrize("variant", ALONE)
def test_multiply_adds_are_those_counted_by_hand_whatever_the_dtype(graphs, variant):
    counted = dict.fromkeys(MACS, 0)
    for operator in graphs[variant].operators:
        if operator.macs:
            counted[operator.type] += operator.macs
    assert counted == MACS
    assert graphs[variant].macs == sum(MACS.values())


def test_activations_alive_at_once_are_those_counted_by_hand(graphs):
    """Float: the last layer's input and output, 16 x 16 x 16 each; int8: those of the last cast."""
    last = 16 * 16 * 16
    assert graphs["float32"].alive_bytes == 2 * 4 * last
    assert graphs["float16"].alive_bytes == graphs["int8-dynamic"].alive_bytes == 2 * 4 * last
    assert graphs["int8"].alive_bytes == last + 4 * last


def test_convolutions_are_told_apart_by_kind(graphs):
    kinds = [op.kind for op in graphs["float32"].operators if op.macs]
    assert kinds == [DENSE, DEPTHWISE, POINTWISE, POINTWISE]


def test_multiply_adds_of_fully_connected_and_transposed_convolutions():
    layer = Operator(0, "FULLY_CONNECTED", (tensor(4, 32), tensor(10, 32)), (tensor(4, 10),))
    assert layer.macs == 4 * 10 * 32
    inputs = tensor(4), tensor(6, 3, 3, 5), tensor(1, 8, 8, 5)
    assert Operator(0, "TRANSPOSE_CONV", inputs, (tensor(1, 16, 16, 6),)).macs == 8 * 8 * 5 * 3 * 3 * 6
    assert Operator(0, "ADD", (tensor(4), tensor(4)), (tensor(4),)).macs == 0


@pytest.mark.parametrize(("dtype", "bits"), [("float32", 32), ("int8", 8), ("int4", 4), ("int2", 2)])
def test_packed_tensors_take_whole_bytes(dtype, bits):
    assert tensor(3, 3, dtype=dtype).size_bytes == -(-9 * bits // 8)


@pytest.mark.parametrize(
    ("variant", "dtype", "each"),
    [("float32", "float32", 4), ("float16", "float16", 2), ("int8-dynamic", "int8", 1), ("int8", "int8", 1)],
)
def test_weights_are_counted_as_stored(graphs, variant, dtype, each):
    assert graphs[variant].weights_by_dtype == {dtype: each * WEIGHTS}
    assert graphs[variant].weights_bytes == each * WEIGHTS
    assert each * WEIGHTS < graphs[variant].constants_bytes < graphs[variant].file_bytes


def test_four_bit_weights_count_half_a_byte_each(float_file, tmp_path):
    steps = recipe.weight_only_wi4_afp32()
    four_bit = tmp_path / "int4.tflite"
    four_bit.write_bytes(apply_recipe(float_file, steps, []))
    stored = read_graph(four_bit).weights_by_dtype
    assert "int4" in stored
    elements = {"int4": 2 * stored.get("int4", 0), "float32": stored.get("float32", 0) // 4}
    assert sum(elements.values()) + stored.get("int8", 0) == WEIGHTS


FORMS = {
    "int16x8": (recipe.static_wi8_ai16, {"int16x8"}),
    "int4-dynamic": (recipe.dynamic_wi4_afp32, {"int4-dynamic", "float32"}),  # depthwise stays float32
    "float32": (recipe.weight_only_wi4_afp32, {"float32"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_reader_names_a_files_arithmetic_alike(float_file, tmp_path, form):
    steps, by_operator = FORMS[form]
    made = tmp_path / "made.tflite"
    made.write_bytes(apply_recipe(float_file, steps(), stack_images(2) if form == "int16x8" else []))
    named = {op.compute_dtype for op in read_graph(made).operators if op.macs}
    assert read_facts(made).compute_dtype == form
    assert named == by_operator
    layers = layer_errors(float_file, made, stack_images(1))
    assert {layer.computes for layer in layers if "CONV" in layer.operator} == by_operator


def test_a_converters_file_of_16_bit_activations_is_no_int8_and_is_held_against_no_peak_of_int8(tmp_path):
    made = stack_core(tmp_path / "int16x8.tflite", "int16x8")
    graph = read_graph(made)
    assert {op.compute_dtype for op in graph.operators if op.macs} == {"int16x8"}
    assert read_facts(made).compute_dtype == "int16x8"
    machine = Machine({"int8": 1e9}, (Copy(1, 1e9),))
    assert bound_of(graph, machine) == Absent("no peak was measured for int16x8 arithmetic")


@pytest.mark.parametrize(
    ("activations", "weights", "named"),
    [
        ("int8", "int8", "int8"), ("int8", "int4", "int8x4"), ("int16", "int4", "int16x4"),
        ("float32", "int2", "int2-dynamic"), ("uint8", "uint8", "uint8"), ("float32", "float16", "float16"),
    ],
)  # fmt: skip
def test_arithmetic_has_one_name(activations, weights, named):
    assert arithmetic(activations, weights) == named


def test_a_shared_buffer_is_counted_once_and_the_file_still_runs(tmp_path):
    source = tmp_path / "layer.tflite"
    source.write_bytes(fully_connected("float32", 2, 8, 8))

    def twice(model):
        graph = model.subgraphs[0]
        second, end, weights = (
            copy.copy(x) for x in (graph.operators[0], graph.tensors[2], graph.tensors[1])
        )
        graph.tensors = [*graph.tensors, end, weights]
        second.inputs, second.outputs = index_list(2, 4, -1), index_list(3)
        graph.operators, graph.outputs = [graph.operators[0], second], index_list(3)

    graph = read_graph(rewritten(source, tmp_path / "twice.tflite", twice))
    assert [op.type for op in graph.operators] == ["FULLY_CONNECTED"] * 2
    assert graph.weights_bytes == graph.constants_bytes == 4 * 8 * 8
    assert graph.macs == 2 * 2 * 8 * 8
    image, layer = np.arange(16, dtype=np.float32).reshape(2, 8), Core(source)
    (once,) = layer(image).values()
    (expected,) = layer(once).values()
    (result,) = Core(tmp_path / "twice.tflite")(image).values()
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_bytes_moved_are_inputs_weights_and_outputs_once(tmp_path):
    file = tmp_path / "layer.tflite"
    file.write_bytes(fully_connected("int8-dynamic", 4, 16, 8))
    (operator,) = read_graph(file).operators
    assert operator.compute_dtype == "int8-dynamic"
    assert operator.bytes_moved == 4 * (4 * 16) + 16 * 8 + 4 * (4 * 8)


def test_boundaries_say_what_is_cast_and_where(graphs):
    casts = graphs["int8"].boundaries()
    assert [(b.type, b.before, b.after, b.from_dtype, b.to_dtype) for b in casts] == [
        ("QUANTIZE", "input", "CONV_2D", "float32", "int8"),
        ("DEQUANTIZE", "CONV_2D", "output", "int8", "float32"),
    ]
    assert graphs["float32"].boundaries() == graphs["int8-dynamic"].boundaries() == []


def test_a_cast_of_a_constant_is_folded_and_moves_nothing(graphs):
    graph = graphs["float16"]
    folded = [op for op in graph.operators if op.folded]
    assert folded
    assert all(op.kind == CASTS and op.bytes_moved == 0 for op in folded)
    assert graph.boundaries() == []
    assert graph.bytes_moved == graphs["float32"].bytes_moved
