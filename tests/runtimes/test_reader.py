"""What is read of a file is what LiteRT's interpreter says of it, whatever its dtypes."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from helpers.lab.errors import LabError
from helpers.runtimes.litert.graph import BITS
from helpers.runtimes.litert.reader import MADE_ANEW, read_facts, read_graph, read_model
from tests.support.mixed_layers import CALIBRATED, FORMS, SHAPE, float_bytes, write_form
from tests.support.own_tflite_files import postprocessed_bytes

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
# Places of image and weights among the inputs, by the operators' own definitions.
PLACES = {
    "CONV_2D": (0, 1), "DEPTHWISE_CONV_2D": (0, 1), "FULLY_CONNECTED": (0, 1), "TRANSPOSE_CONV": (2, 1),
}  # fmt: skip


@pytest.fixture(scope="module", params=FORMS)
def made(request, tmp_path_factory):
    """A form's name, its file, and the interpreter that loaded it, without delegates that hide operators."""
    path = write_form(request.param, tmp_path_factory.mktemp("form"))
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return request.param, path, Interpreter(str(path), experimental_op_resolver_type=plain)


def is_told(tensor, detail) -> bool:
    """Whether the interpreter says the same of a tensor; it calls integers below 8 bits int8."""
    dtype = np.dtype(detail["dtype"]).name
    if tensor.dtype in ("int4", "int2"):
        return dtype == "int8" and tensor.stored_bytes == -(-tensor.elements * BITS[tensor.dtype] // 8)
    return dtype == tensor.dtype


def test_storage_and_compute_dtype_are_those_of_the_recipe(made):
    form, path, _ = made
    facts = read_facts(path)
    assert (facts.storage_dtype, facts.compute_dtype) == FORMS[form][1:]


def test_every_tensor_is_what_the_interpreter_says(made):
    _, path, interpreter = made
    tensors = read_graph(path).tensors
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    for tensor in tensors:
        detail = details[tensor.index]
        assert is_told(tensor, detail), tensor
        assert (tensor.name, tensor.shape) == (detail["name"], tuple(detail["shape"]))
        scales = detail["quantization_parameters"]
        assert np.array_equal(np.float32(tensor.scales), scales["scales"])
        if tensor.scales:
            assert list(tensor.zero_points) == list(scales["zero_points"])
            assert len(tensor.scales) == 1 or tensor.axis == scales["quantized_dimension"]


def test_every_convolution_multiplies_what_the_interpreter_gives_it(made):
    _, path, interpreter = made
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    told = [op for op in interpreter._get_ops_details() if op["op_name"] in PLACES]
    read = read_graph(path).convolutions
    assert [op.type for op in read] == [op["op_name"] for op in told]
    for operator, known in zip(read, told, strict=True):
        image, weights = (known["inputs"][place] for place in PLACES[known["op_name"]])
        assert (operator.image.index, operator.weights.index) == (image, weights)
        floats = np.dtype(details[image]["dtype"]).kind == "f"
        whole = np.dtype(details[weights]["dtype"]).kind == "i"
        assert operator.compute_dtype.endswith("-dynamic") == (floats and whole)
        assert (operator.compute_dtype == "float32") == (floats and not whole)


def test_only_a_file_of_8_bit_activations_and_weights_is_called_int8(made):
    form, path, interpreter = made
    activations = {
        np.dtype(detail["dtype"]).name
        for detail in interpreter.get_tensor_details()
        if detail["index"] in {op.image.index for op in read_graph(path).convolutions}
    }
    eight_bit = activations == {"int8"} and "int4" not in read_facts(path).weights
    assert (read_facts(path).compute_dtype == "int8") == eight_bit
    assert bool(activations & {"int8", "int16"}) == (FORMS[form][2] in CALIBRATED)


def test_ends_have_the_names_that_the_signature_gives_them(made):
    _, path, interpreter = made
    graph, runner = read_graph(path), interpreter.get_signature_runner()
    for ends, details in (
        (graph.inputs, runner.get_input_details()),
        (graph.outputs, runner.get_output_details()),
    ):
        assert {end.given_name: end.index for end in ends} == {n: d["index"] for n, d in details.items()}
    assert (graph.inputs[0].shape, graph.inputs[0].given_name) == (SHAPE, "image")
    assert [key for key, _ in graph.signatures] == list(interpreter.get_signature_list())


@pytest.mark.parametrize(
    ("form", "found"),
    [("int8", True), ("int8, one scale", False), ("int8-dynamic", True), ("float32", False)],
)
def test_one_scale_per_channel_is_told_from_one_per_tensor(form, found, tmp_path):
    assert read_facts(write_form(form, tmp_path)).per_channel is found


def test_a_custom_operator_has_its_own_name_and_options(tmp_path):
    path = tmp_path / "own.tflite"
    path.write_bytes(postprocessed_bytes())
    operator = read_graph(path).operators[-1]
    assert (operator.type, operator.custom) == ("TFLite_Detection_PostProcess", True)
    assert operator.options
    assert read_facts(path).operators["TFLite_Detection_PostProcess"] == 1


BAD = {
    "does not exist": lambda: None,
    "is not a .tflite file": lambda: b"no flatbuffer at all",
    "is damaged": lambda: float_bytes()[:400],
}


@pytest.mark.parametrize("message", BAD)
@pytest.mark.parametrize("read", [read_model, read_graph, read_facts])
def test_what_is_no_tflite_file_is_refused_with_a_cure(tmp_path, message, read):
    path, content = tmp_path / "made.tflite", BAD[message]()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LabError) as caught:
        read(path)
    assert f"{path} {message}" in caught.value.found
    assert caught.value.cure == MADE_ANEW


def test_the_cure_is_that_of_whoever_asks(tmp_path):
    with pytest.raises(LabError) as caught:
        read_graph(tmp_path / "none.tflite", "look elsewhere.")
    assert caught.value.cure == "look elsewhere."


def test_the_size_is_that_of_the_file(tmp_path):
    path = tmp_path / "made.tflite"
    path.write_bytes(float_bytes())
    assert read_graph(path).file_bytes == len(float_bytes())
