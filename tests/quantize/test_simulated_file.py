"""A simulated form through 02: what its file computes, and what is recorded of it."""

import zlib

import numpy as np
import pytest

from helpers.lab.errors import LabError
from helpers.quantize.kinds.catalogue import get_kind
from helpers.quantize.recipes import quantize_file
from helpers.quantize.simulate import simulated
from helpers.quantize.simulated_file import write_simulated
from helpers.run.forms import SIMULATED, UNTRAINED, get_form, is_simulated
from helpers.runtimes.litert.core import Core
from helpers.runtimes.litert.reader import read_facts
from tests.support.mixed_layers import SHAPE, float_bytes

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")


@pytest.fixture(scope="module")
def float_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("mixed") / "float32.tflite"
    path.write_bytes(float_bytes())
    return path


@pytest.mark.parametrize("name", [name for name, form in UNTRAINED.items() if not is_simulated(form)])
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
