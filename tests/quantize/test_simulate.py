"""Simulated files: their outputs against Keras with the decoded weights, their sizes by hand."""

import contextlib
import copy
import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import recipe

from helpers.lab.errors import LabError
from helpers.quantize.kinds.catalogue import KINDS, get_kind
from helpers.quantize.kinds.coding import decode, pack
from helpers.quantize.layers.decibels import EXACT_DB
from helpers.quantize.recipes.edge_quantizer import apply_recipe
from helpers.quantize.recipes.float16 import HALF_WEIGHTS
from helpers.quantize.simulate import Simulated, simulated
from helpers.runtimes.litert.operator_kinds import CONVOLUTIONS, WEIGHTS
from helpers.runtimes.litert.reader import operator_name
from tests.support.branched_keras import SHAPE, built, converted
from tests.support.own_tflite_files import add_tensor, changed
from tests.support.why_models import stack_core

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
# From Keras's order of a kernel's axes to LiteRT's.
ORDERS = {"Conv2D": (3, 0, 1, 2), "Conv2DTranspose": (2, 0, 1, 3), "Dense": (1, 0)}
FOUR_BITS = get_kind("uniform-4-channel-lse")


@pytest.fixture(scope="module")
def model():
    return built()


@pytest.fixture(scope="module")
def content(model):
    return converted(model)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    return stack_core(tmp_path_factory.mktemp("stack") / "float32.tflite")


def answers(content: bytes, image: np.ndarray) -> list[np.ndarray]:
    """By rank: the vector, then the grid."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    found = [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]
    return sorted(found, key=lambda value: value.ndim)


def quantized(model: keras.Model, kind) -> keras.Model:
    """The same model, of which each kernel was put into LiteRT's order, encoded, decoded and put back."""
    other = built()
    for layer, same in zip(model.layers, other.layers, strict=True):
        if layer.get_weights():
            kernel, bias = layer.get_weights()
            same.set_weights([quantized_kernel(layer, kernel, kind), bias])
    return other


def quantized_kernel(layer, kernel: np.ndarray, kind) -> np.ndarray:
    if type(layer).__name__ == "DepthwiseConv2D":
        flat = kernel.reshape(1, *kernel.shape[:2], -1)
        return decode(kind.encode(flat, 3)).reshape(kernel.shape)
    order = ORDERS[type(layer).__name__]
    values = decode(kind.encode(np.ascontiguousarray(kernel.transpose(order)), 0))
    return values.transpose(np.argsort(order))


def coded_bits(result: Simulated) -> dict[str, int]:
    return {layer.name: layer.coded_bits for layer in result.layers}


def weight_tensors(model: schema.ModelT) -> list:
    """Of the layers, in the order of the graph."""
    graph = model.subgraphs[0]
    return [
        graph.tensors[op.inputs[WEIGHTS]]
        for op in graph.operators
        if operator_name(model, op) in CONVOLUTIONS
    ]


@pytest.mark.parametrize(
    "name",
    [
        "uniform-8-channel-minmax",
        "uniform-3-block-lse",
        "codebook-8",
        "vector-4-256",
        "ternary",
        "apot-4",
        "tf32",
    ],
)
def test_answers_are_those_of_keras_with_the_decoded_weights(model, content, name):
    image = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    expected = {key: np.asarray(value) for key, value in quantized(model, KINDS[name])(image).items()}
    vector, grid = answers(simulated(content, KINDS[name]).content, image)
    for ours, theirs in ((vector, expected["vector"]), (grid, expected["grid"])):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("name", KINDS)
def test_size_is_that_of_the_file_with_codes_in_place_of_weights(content, name):
    result = simulated(content, KINDS[name])
    weights = sum(layer.weights for layer in result.layers)
    assert weights == 288 + 144 + 576 + 1152 + 64 + 24 + 5 * 1024
    codes = sum(layer.coded_bits for layer in result.layers)
    assert result.coded_bytes == len(content) - 4 * weights + codes / 8
    assert result.weight_bits == result.all_weight_bits == codes / weights
    assert len(result.content) == len(content)
    assert result.skipped == ()


def test_each_layer_is_told_with_its_own_codes(model, content):
    result = simulated(content, FOUR_BITS)
    found = {layer.operator: layer for layer in result.layers}
    assert [layer.weights for layer in result.layers].count(64) == 1  # the shared layer, which is used twice
    deep = found["DEPTHWISE_CONV_2D"]
    kernel = model.get_layer("deep").get_weights()[0].reshape(1, 3, 3, 16)
    coded = FOUR_BITS.encode(kernel, 3)
    assert deep.shape == (1, 3, 3, 16)
    assert deep.coded_bits == 8 * len(pack(coded)) == 144 * 4 + 16 * 32
    noise = ((kernel - decode(coded)) ** 2).sum()
    assert deep.sqnr_db == pytest.approx(10 * np.log10((kernel**2).sum() / noise), abs=1e-3)
    assert found["FULLY_CONNECTED"].coded_bits == 5120 * 4 + 5 * 32
    assert found["TRANSPOSE_CONV"].shape == (8, 3, 3, 16)
    assert {layer.kind for layer in result.layers} == {FOUR_BITS.name}


def test_all_but_the_weights_stays_byte_by_byte(content):
    found = schema.ModelT.InitFromPackedBuf(simulated(content, FOUR_BITS).content, 0)
    before = schema.ModelT.InitFromPackedBuf(content, 0)
    replaced = {tensor.buffer for tensor in weight_tensors(before)}
    for number, (ours, theirs) in enumerate(zip(found.buffers, before.buffers, strict=True)):
        same = np.array_equal(ours.data, theirs.data)
        assert same is (number not in replaced)
    # What does not change a weight does not change the file.
    twice = simulated(simulated(content, get_kind("ternary")).content, get_kind("ternary"))
    assert twice.content == simulated(content, get_kind("ternary")).content
    assert {layer.sqnr_db for layer in twice.layers} == {EXACT_DB}


def test_small_layers_that_a_table_does_not_suit_are_told(content):
    kinds = {layer.shape: layer.kind for layer in simulated(content, get_kind("codebook-16")).layers}
    assert kinds[(3, 1, 1, 8)] == "uniform-8-channel-minmax"
    assert kinds[(5, 1024)] == "codebook-16"


def test_first_and_last_layers_are_kept_on_request(content):
    whole, kept = simulated(content, FOUR_BITS), simulated(content, FOUR_BITS, keep_first_last=True)
    ends = {layer.shape for layer in kept.layers if layer.kind == "float32"}
    assert ends == {(8, 3, 3, 4), (5, 1024), (3, 1, 1, 8)}
    assert all(layer.coded_bits == 32 * layer.weights for layer in kept.layers if layer.kind == "float32")
    inner = [layer for layer in kept.layers if layer.kind != "float32"]
    assert kept.weight_bits == sum(layer.coded_bits for layer in inner) / sum(
        layer.weights for layer in inner
    )
    assert kept.all_weight_bits > kept.weight_bits
    assert kept.coded_bytes - whole.coded_bytes == sum(
        4 * layer.weights - coded_bits(whole)[layer.name] // 8 for layer in kept.layers if layer not in inner
    )
    before, after = (schema.ModelT.InitFromPackedBuf(data, 0).buffers for data in (content, kept.content))
    same = [np.array_equal(one.data, other.data) for one, other in zip(before, after, strict=True)]
    assert same.count(False) == len(inner) == 4


def test_a_buffer_of_two_tensors_is_encoded_once(content):
    def split(model):
        # Two layers of one buffer, but each with a tensor of its own.
        graph, tensors = model.subgraphs[0], weight_tensors(model)
        (shared,) = {tensor.buffer for tensor in tensors if list(tensor.shape) == [8, 1, 1, 8]}
        number = add_tensor(model, "again", (8, 1, 1, 8), b"")
        graph.tensors[number].buffer = shared
        uses = [op for op in graph.operators if graph.tensors[op.inputs[WEIGHTS]].buffer == shared]
        assert len(uses) == 2
        inputs = uses[1].inputs
        uses[1].inputs = [inputs[0], number, *inputs[2:]]

    ours, plain = (simulated(data, FOUR_BITS) for data in (changed(content, split), content))
    assert ours.layers == plain.layers
    assert ours.weight_bits == plain.weight_bits


def test_weights_that_something_else_reads_are_left_alone(content):
    def borrow(model):
        graph, tensors = model.subgraphs[0], weight_tensors(model)
        shared = next(tensor for tensor in tensors if list(tensor.shape) == [8, 1, 1, 8])
        number = add_tensor(model, "bias", (64,), b"")
        graph.tensors[number].buffer = shared.buffer
        last = [op for op in graph.operators if operator_name(model, op) == "CONV_2D"][-1]
        last.inputs = [*last.inputs[:2], number]

    result = simulated(changed(content, borrow), FOUR_BITS)
    assert (8, 1, 1, 8) not in {layer.shape for layer in result.layers}
    assert {reason for _, reason in result.skipped} == {
        "its weights are read as something else too, by CONV_2D"
    }


def test_weights_that_are_not_stored_as_float32_are_told(stack):
    for steps, reason in (
        (HALF_WEIGHTS, "4 layers: its weights are stored as float16, behind a cast"),
        (recipe.dynamic_wi8_afp32(), "4 layers: its weights are stored as int8"),
    ):
        with pytest.raises(LabError, match=reason):
            simulated(apply_recipe(stack, steps, ()), FOUR_BITS)


def test_some_layers_may_be_skipped_and_others_not(stack):
    steps = [{**HALF_WEIGHTS[0], "operation": "DEPTHWISE_CONV_2D"}]
    result = simulated(apply_recipe(stack, steps, ()), FOUR_BITS)
    assert len(result.layers) == 3
    ((_, reason),) = result.skipped
    assert reason == "its weights are stored as float16, behind a cast"


def product_bytes() -> bytes:
    """A product of two activations, and one of what is computed of a constant."""

    @tf.function(input_signature=[tf.TensorSpec((4, 4), tf.float32)], autograph=False)
    def product(image):
        return {"out": tf.matmul(image, tf.nn.relu(image), transpose_b=True)}

    module = tf.Module()
    module.product = product
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        concrete = [product.get_concrete_function()]
        return tf.lite.TFLiteConverter.from_concrete_functions(concrete, module).convert()


def test_a_file_without_weights_is_refused():
    with pytest.raises(LabError, match="no layer with float32 weights"):
        simulated(product_bytes(), FOUR_BITS)
    with pytest.raises(LabError, match=r"no \.tflite file"):
        simulated(b"something else", FOUR_BITS)


def test_computed_weights_are_told():
    def fully_connected(model):
        # The matrix product as a layer whose weights are an activation.
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
        model.operatorCodes.append(code)
        model.subgraphs[0].operators[-1].opcodeIndex = len(model.operatorCodes) - 1

    with pytest.raises(LabError, match="its weights are computed in the graph"):
        simulated(changed(product_bytes(), fully_connected), FOUR_BITS)


def test_a_network_of_ends_alone_cannot_keep_them():
    start = keras.Input(SHAPE[1:], batch_size=1)
    two = keras.Model(start, keras.layers.Conv2D(2, 1)(keras.layers.Conv2D(3, 1)(start)))
    data = converted(two)
    assert len(simulated(data, FOUR_BITS).layers) == 2
    with pytest.raises(LabError, match="every layer of weights is a first or a last one"):
        simulated(data, FOUR_BITS, keep_first_last=True)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_name_their_layer(content, value):
    def broken(model):
        deep = next(tensor for tensor in weight_tensors(model) if list(tensor.shape) == [1, 3, 3, 16])
        data = np.array(model.buffers[deep.buffer].data, np.uint8)
        data.view(np.float32)[7] = value
        model.buffers[deep.buffer].data = data

    with pytest.raises(LabError, match="1 of 144 weights of deep"):
        simulated(changed(content, broken), FOUR_BITS)


def behind(content: bytes, shape: tuple[int, ...], place: int) -> bytes:
    """The flatbuffer of a file, with the weights of ``shape`` said to lie at byte ``place`` of it."""

    def moved(model):
        tensor = next(each for each in weight_tensors(model) if tuple(each.shape) == shape)
        buffer = model.buffers[tensor.buffer]
        buffer.size, buffer.offset, buffer.data = len(buffer.data), place, None

    return changed(content, moved)


def test_constants_behind_the_flatbuffer_are_found(content):
    plain = schema.ModelT.InitFromPackedBuf(content, 0)
    tensor = next(each for each in weight_tensors(plain) if tuple(each.shape) == (5, 1024))
    place = len(behind(content, (5, 1024), 16)) // 16 * 16 + 16
    front = behind(content, (5, 1024), place)
    outside = front.ljust(place, b"\0") + bytes(plain.buffers[tensor.buffer].data)
    image = np.random.default_rng(2).normal(size=SHAPE).astype(np.float32)
    ours, other = (simulated(each, FOUR_BITS) for each in (outside, content))
    assert ours.layers == other.layers
    assert ours.coded_bytes - len(outside) == other.coded_bytes - len(content)
    for one, two in zip(answers(ours.content, image), answers(other.content, image), strict=True):
        np.testing.assert_array_equal(one, two)


def test_layers_of_other_graphs_are_told(content):
    result = simulated(changed(content, lambda m: m.subgraphs.append(copy.copy(m.subgraphs[0]))), FOUR_BITS)
    assert len(result.layers) == 7
    assert len(result.skipped) == 8
    assert {reason for _, reason in result.skipped} == {"it is in another graph of the file: in a loop, say"}
