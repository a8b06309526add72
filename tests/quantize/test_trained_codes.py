"""Trained codes on disk and in files: whole, refused where they do not fit."""

import dataclasses
import json

import numpy as np
import pytest

from helpers.lab.errors import LabError
from helpers.lab.files import sha256_file
from helpers.lab.records import structured
from helpers.models.registry import DEFAULT_MODEL, get_model
from helpers.quantize.kinds.catalogue import get_kind
from helpers.quantize.kinds.coding import decode
from helpers.quantize.records import TrainedForm
from helpers.quantize.trained import trained_codes
from helpers.quantize.trained.constants import weight_layers
from helpers.quantize.trained.trained_codes import (
    TrainedCodes,
    coded,
    codes_file,
    require_codes,
    require_codes_file,
    require_fitting,
)
from helpers.quantize.trained.weight_file import bias_buffers, with_own_biases, write_trained
from helpers.run.forms import SIMULATED, TRAINED, get_form, is_simulated
from helpers.runtimes.litert.core import Core
from tests.support.branched_keras import built, converted
from tests.support.training_networks import images, network_bytes

SIMULATED_FORMS = [name for name in TRAINED if is_simulated(get_form(name))]
MODEL = get_model(DEFAULT_MODEL)


def as_trained(form: str, content: bytes) -> TrainedCodes:
    """As if training had moved every bias by 1 and no weight."""
    layers = weight_layers(with_own_biases(content))
    kind = get_kind(TRAINED[form])
    return TrainedCodes(
        form, "tiny", "0" * 64,
        tuple(kind.encode(layer.weights, layer.axis) for layer in layers),
        tuple(layer.norm for layer in layers),
        tuple(tuple(bias + 1 for bias in layer.biases) for layer in layers),
        np.zeros(0, np.float32), np.zeros(0, np.int32),
    )  # fmt: skip


@pytest.mark.parametrize("form", TRAINED)
def test_codes_are_packed_and_come_back_to_the_bit(form, tmp_path):
    codes, path = as_trained(form, network_bytes()), tmp_path / "codes.npz"
    codes.save(path)
    found = TrainedCodes.load(path, "")
    assert (found.form, found.model, found.norms) == (codes.form, codes.model, codes.norms)
    for ours, theirs in zip(found.layers, codes.layers, strict=True):
        np.testing.assert_array_equal(decode(ours), decode(theirs))
    for ours, theirs in zip(found.biases, codes.biases, strict=True):
        np.testing.assert_array_equal(np.stack(ours), np.stack(theirs))
    with np.load(path) as stored:
        assert 8 * len(stored["codes"]) == sum(layer.bits for layer in codes.layers)


@pytest.mark.parametrize("form", SIMULATED_FORMS)
def test_a_file_has_the_decoded_weights_the_trained_biases_and_the_size_of_its_codes(form, tmp_path):
    base, output = tmp_path / "float32.tflite", tmp_path / "made.tflite"
    base.write_bytes(network_bytes())
    codes = as_trained(form, network_bytes())
    made = write_trained(base, get_form(form), codes, "", output)
    layers = weight_layers(output.read_bytes())
    for layer, kept, biases in zip(layers, codes.layers, codes.biases, strict=True):
        np.testing.assert_array_equal(layer.weights, decode(kept))
        np.testing.assert_array_equal(np.stack(layer.biases), np.stack(biases))
    assert (made.facts.storage_dtype, made.facts.compute_dtype) == (form, SIMULATED)
    weights = sum(layer.weights.size for layer in layers)
    packed = sum(layer.bits for layer in codes.layers) // 8
    assert made.size_bytes == len(output.read_bytes()) - 4 * weights + packed
    assert "bits a weight" in made.notes[0]
    Core(output)(images(1))


def test_shared_weights_and_shared_or_absent_biases_get_what_was_trained(tmp_path):
    """The converter lets convolutions without bias share one constant of zeros."""
    content = converted(built())
    own = with_own_biases(content)
    assert len(set(bias_buffers(own))) == len(bias_buffers(own))
    assert with_own_biases(own) == own
    codes, base, output = as_trained("int4-qat", content), tmp_path / "f.tflite", tmp_path / "m.tflite"
    base.write_bytes(content)
    write_trained(base, get_form("int4-qat"), codes, "", output)
    for layer, biases in zip(weight_layers(output.read_bytes()), codes.biases, strict=True):
        np.testing.assert_array_equal(np.stack(layer.biases), np.stack(biases))


def test_a_file_whose_convolutions_share_a_bias_keeps_its_answers_with_own_ones(tmp_path):
    content = network_bytes("CONV_2D grouped")
    own = with_own_biases(content)
    answers = []
    for name, each in (("before", content), ("after", own)):
        (tmp_path / name).write_bytes(each)
        answers.append(Core(tmp_path / name)(images(1))["heads"])
    np.testing.assert_array_equal(*answers)


def test_codes_of_another_network_are_refused_with_the_layer_that_differs():
    codes, layers = as_trained("int4-qat", network_bytes()), weight_layers(network_bytes())
    require_fitting(codes, layers, "")
    with pytest.raises(LabError, match="trained for 6 layers; the float32 file has 5"):
        require_fitting(codes, layers[:-1], "")
    other = [*layers[:2], dataclasses.replace(layers[2], weights=1.1 * layers[2].weights), *layers[3:]]
    with pytest.raises(LabError, match=f"of which {layers[2].name} is another one") as caught:
        require_fitting(codes, other, "train again")
    assert caught.value.cure == "train again"


def test_absent_codes_name_the_command_that_trains_them(monkeypatch, tmp_path):
    monkeypatch.setattr(trained_codes, "EMBEDDED", tmp_path)
    with pytest.raises(LabError, match="is not trained") as caught:
        require_codes_file(MODEL, "int4-qat")
    assert "`python -m helpers train --form int4-qat`" in caught.value.cure
    other = get_model("yolo_fastest_xl")
    with pytest.raises(LabError) as caught:
        require_codes_file(other, "int8-qat")
    assert "`python -m helpers train --model yolo_fastest_xl --form int8-qat`" in caught.value.cure


def test_codes_of_other_weights_or_a_damaged_file_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(trained_codes, "EMBEDDED", tmp_path)
    path = codes_file(MODEL, "int4-qat")
    as_trained("int4-qat", network_bytes()).save(path)
    with pytest.raises(LabError, match="of other float32 weights") as caught:
        require_codes(MODEL, "int4-qat", ())
    assert "train --form int4-qat" in caught.value.cure
    as_trained("ternary-qat", network_bytes()).save(path)
    with pytest.raises(LabError, match="holds ternary-qat"):
        require_codes(MODEL, "int4-qat", ())
    for content in (b"no zip", path.read_bytes()[:-200]):
        path.write_bytes(content)
        with pytest.raises(LabError, match="holds no trained codes"):
            require_codes(MODEL, "int4-qat", ())


def test_binary_codes_below_zero_are_ones_and_steps_stay():
    codes = np.array([[1.0, -1.0, 1.0]], np.float32)
    made = coded("binary", codes, np.array([0.5], np.float32), 0)
    assert made["codes"].tolist() == [[0, 1, 0]]
    np.testing.assert_array_equal(decode(made), 0.5 * codes)


@pytest.mark.parametrize("form", [name for name in TRAINED if codes_file(MODEL, name).is_file()])
def test_the_embedded_models_codes_are_those_of_its_weights_and_records(form):
    path = codes_file(MODEL, form)
    codes = require_codes(MODEL, form, ())
    record = structured(TrainedForm, json.loads(path.with_suffix(".json").read_text()))
    assert (record.form, record.model, record.source_sha256) == (form, MODEL.id, codes.source_sha256)
    assert record.codes_sha256 == sha256_file(path)
    assert len(record.history) == record.schedule["epochs"]
    assert path.stat().st_size < 1_300_000
