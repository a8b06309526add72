"""Bits and noise of the weights in a runtime's file, against counts by hand and LiteRT's own dequantizing."""

import numpy as np
import pytest

from helpers.quantize.stored_weights import stored_weights
from helpers.runtimes.litert.operator_kinds import CONVOLUTIONS
from helpers.runtimes.litert.reader import read_graph
from tests.support.mixed_layers import float_bytes, write_form
from tests.support.own_tflite_files import heads_bytes, write

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")


@pytest.fixture(scope="module")
def float_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "float32.tflite"
    path.write_bytes(float_bytes())
    return path


def counts(path) -> tuple[int, int]:
    """Weights of all convolutions, and their output channels."""
    graph = read_graph(path)
    layers = [op for op in graph.operators if op.type in CONVOLUTIONS]
    return sum(op.weights.elements for op in layers), sum(op.channels for op in layers)


def stored(float_file, form: str, folder):
    """Of a form's file."""
    return stored_weights(float_file, write_form(form, folder))


def test_float32_has_32_bits_and_no_noise(float_file):
    found = stored_weights(float_file, float_file)
    assert (found.bits, found.sqnr_db) == (32, 140)


def test_float16_has_16_bits(float_file, tmp_path):
    found = stored_weights(float_file, write_form("float16", tmp_path))
    assert found.bits == 16
    assert 65 < found.sqnr_db < 80


def test_int8_counts_a_scale_per_channel(float_file, tmp_path):
    weights, channels = counts(float_file)
    found = stored_weights(float_file, write_form("int8 weights alone", tmp_path))
    assert found.bits == pytest.approx((8 * weights + 32 * channels) / weights)
    assert 40 < found.sqnr_db < 55


def test_one_scale_per_layer_takes_fewer_bits_and_has_more_noise(float_file, tmp_path):
    weights, _ = counts(float_file)
    layers = sum(op.type in CONVOLUTIONS for op in read_graph(float_file).operators)
    shared = stored(float_file, "int8, one scale", tmp_path)
    own = stored(float_file, "int8", tmp_path)
    assert shared.bits == pytest.approx((8 * weights + 32 * layers) / weights)
    assert shared.sqnr_db < own.sqnr_db


def test_the_noise_is_that_of_the_weights_as_litert_reads_them(float_file, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    file = write_form("int8 weights alone", tmp_path)
    tensors = [values_of(Interpreter(model_path=str(path)), path) for path in (float_file, file)]
    signal = sum(np.sum(values.astype(float) ** 2) for values in tensors[0])
    noise = sum(np.sum((b - a.astype(float)) ** 2) for a, b in zip(*tensors, strict=True))
    assert stored_weights(float_file, file).sqnr_db == pytest.approx(10 * np.log10(signal / noise), abs=1e-3)


def values_of(interpreter, path) -> list[np.ndarray]:
    """Every convolution's weights as real numbers, by the interpreter's scales."""
    interpreter.allocate_tensors()
    details = {each["index"]: each for each in interpreter.get_tensor_details()}
    found, graph = [], read_graph(path)
    for operator in graph.convolutions:
        index = graph.stored_weights(operator).index
        values, known = interpreter.get_tensor(index), details[index]["quantization_parameters"]
        scales, axis = known["scales"], known["quantized_dimension"]
        if len(scales):
            shape = [-1 if place == axis else 1 for place in range(values.ndim)]
            values = values.astype(float) * (scales.reshape(shape) if len(scales) > 1 else scales[0])
        found.append(values)
    return found


def test_a_file_without_convolutions_has_no_bits(tmp_path):
    path = write(tmp_path / "none.tflite", heads_bytes())
    assert not read_graph(path).convolutions
    assert np.isnan(stored_weights(path, path).bits)
