"""A simulated form through 02: what its file computes, and what is recorded of it."""

import zlib

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from helpers.lab.errors import LabError
from helpers.lab.records import jsonable, structured
from helpers.quantize.kinds.catalogue import get_kind
from helpers.quantize.recipes.catalogue import quantize_file
from helpers.quantize.recipes.simulated_file import bits_text, write_simulated
from helpers.quantize.records import CodedWeights, NotAsAsked
from helpers.quantize.simulate import simulated
from helpers.run.forms import FOR_ONNX, FORMS, SIMULATED, UNTRAINED, get_form, is_simulated
from helpers.runtimes.litert.core import Core
from helpers.runtimes.litert.operator_kinds import CONVOLUTIONS, WEIGHTS
from helpers.runtimes.litert.reader import graph_of, read_facts
from tests.support.mixed_layers import SHAPE, float_bytes

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")


@pytest.fixture(scope="module")
def float_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("mixed") / "float32.tflite"
    path.write_bytes(float_bytes())
    return path


DEPLOYABLE = [name for name in UNTRAINED if not is_simulated(FORMS[name]) and name not in FOR_ONNX]


@pytest.mark.parametrize("name", DEPLOYABLE)
def test_a_deployable_form_stores_and_computes_what_it_promises(name, float_file, tmp_path):
    form, photos = get_form(name), np.random.default_rng(0).uniform(-1, 1, (3, *SHAPE)).astype(np.float32)
    facts = quantize_file(float_file, form, photos if form.calibrated else (), tmp_path / "made.tflite")
    assert (facts.storage_dtype, facts.compute_dtype) == (form.storage_dtype, form.compute_dtype)
    assert not (facts.per_channel and name == "int8-per-tensor")


def test_a_simulated_file_is_one_of_float32_and_its_record_is_of_its_codes(float_file, tmp_path):
    form, output = get_form("uniform-4-channel-lse"), tmp_path / "made.tflite"
    made = write_simulated(float_file, form, output)
    found = simulated(float_bytes(), get_kind(form.id))
    assert output.read_bytes() == found.content
    assert read_facts(output).storage_dtype == "float32"
    assert (made.facts.storage_dtype, made.facts.compute_dtype) == (form.id, SIMULATED)
    assert made.size_bytes == found.coded_bytes < len(found.content)
    assert made.download_bytes == len(zlib.compress(found.rest)) + len(zlib.compress(found.packed))
    weights = sum(layer.weights for layer in found.layers)
    assert f"{8 * len(found.packed) / weights:.2f} bits a weight" in made.notes[0]


def test_what_is_recorded_of_codes_tells_which_layers_are_kept(float_file, tmp_path):
    plain, edged = (
        write_simulated(float_file, get_form(name), tmp_path / f"{name}.tflite").coded
        for name in ("uniform-4-channel-lse", "uniform-4-channel-lse+edges")
    )
    found = simulated(float_bytes(), get_kind("uniform-4-channel-lse"), keep_first_last=True)
    first, *inner, last = found.layers
    assert (plain.kept, edged.kept) == ((), (first.name, last.name))
    assert plain.weight_bits == plain.quantized_bits < edged.weight_bits
    bits = sum(layer.coded_bits for layer in inner) + 32 * (first.weights + last.weights)
    assert edged.weight_bits == bits / sum(layer.weights for layer in found.layers)
    assert edged.quantized_bits == found.weight_bits < 6
    assert edged.coded_bytes == found.coded_bytes > plain.coded_bytes
    assert structured(CodedWeights, jsonable(edged)) == edged


def test_the_error_of_all_weights_is_weighted_by_their_energy(float_file, tmp_path):
    form, output = get_form("ternary+edges"), tmp_path / "made.tflite"
    coded = write_simulated(float_file, form, output).coded
    before, after = (weights_of(path) for path in (float_file, output))
    changed = [(old, new) for old, new in zip(before, after, strict=True) if not np.array_equal(old, new)]
    assert len(changed) == len(before) - len(coded.kept) == 3
    signal = sum((old**2).sum() for old, _ in changed)
    noise = sum(((old - new) ** 2).sum() for old, new in changed)
    assert coded.sqnr_db == pytest.approx(10 * np.log10(signal / noise), abs=1e-6)


def weights_of(path) -> list[np.ndarray]:
    """Of each layer of weights, float64."""
    content = path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    layers = [op for op in graph_of(model, len(content)).operators if op.type in CONVOLUTIONS]
    data = [np.asarray(model.buffers[op.inputs[WEIGHTS].buffer].data, np.uint8) for op in layers]
    return [each.view("<f4").astype(np.float64) for each in data]


def test_the_sentence_tells_what_is_kept_coded_otherwise_and_skipped():
    others = {"small": (NotAsAsked("b", "binary"),), "skipped": (NotAsAsked("c", "why"),)}
    coded = CodedWeights(3.0, 2.25, 1000, 12.0, kept=("stem", "boxes"), **others)
    assert bits_text(coded) == (
        "3.00 bits a weight with all side information (2.25 in the quantized layers); first and last layers "
        "kept in float32: stem, boxes; 1 small layer coded as binary; 1 layer as in float32."
    )
    assert bits_text(CodedWeights(2.0, 2.0, 1000, 12.0)) == "2.00 bits a weight with all side information."


def test_codes_and_the_rest_are_the_whole_file(float_file, tmp_path):
    """Size of all that is no weight, and of all that is: neither is counted twice or left out."""
    found = simulated(float_bytes(), get_kind("uniform-4-channel-lse"))
    zeros = sum(4 * layer.weights for layer in found.layers)
    assert len(found.rest) - zeros + len(found.packed) == found.coded_bytes
    again = simulated(found.content, get_kind("float16"))
    assert again.rest == found.rest


def test_simulated_int8_weights_are_those_that_the_file_quantizer_writes(float_file, tmp_path):
    """The check on the whole idea: both compute the same in float32."""
    write_simulated(float_file, get_form("uniform-8-channel-minmax"), tmp_path / "simulated.tflite")
    quantize_file(float_file, get_form("int8-weights"), (), tmp_path / "deployable.tflite")
    photo = np.random.default_rng(1).uniform(-1, 1, SHAPE).astype(np.float32)
    ours, theirs = (
        next(iter(Core(tmp_path / f"{name}.tflite")(photo).values())) for name in ("simulated", "deployable")
    )
    assert np.abs(ours - theirs).max() < 2e-3 * np.abs(theirs).max()


def test_a_file_without_weights_to_quantize_is_one_clear_error(float_file, tmp_path):
    quantize_file(float_file, get_form("int8-weights"), (), tmp_path / "int8.tflite")
    with pytest.raises(LabError, match="no layer with float32 weights"):
        write_simulated(tmp_path / "int8.tflite", get_form("ternary"), tmp_path / "made.tflite")
