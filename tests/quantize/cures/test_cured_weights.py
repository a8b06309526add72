"""Weights in 4 bits with all cures, as a file."""

import dataclasses

import numpy as np
import pytest

from helpers.lab.errors import LabError
from helpers.quantize.cures.plan import Plan
from helpers.quantize.kinds.catalogue import get_kind
from helpers.quantize.recipes.contract import Work
from helpers.quantize.recipes.cured_weights import INT4_CURED, cured, planned_codes, write_int4_cured
from helpers.quantize.simulate import simulated
from helpers.quantize.trained.weight_file import with_own_biases
from helpers.run.forms import get_form
from tests.support.planned_networks import answers, error, photos, with_planned_weights
from tests.support.training_networks import network_bytes

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
KIND = "uniform-4-channel-lse"
HELD = photos(8, seed=77)


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.quantize.cures.tuning.MOST_STEPS", 40)
    base = tmp_path / "float32.tflite"
    base.write_bytes(network_bytes())
    variant = dataclasses.replace(get_form("int4-qat"), id=INT4_CURED, storage_dtype=KIND)
    return Work(variant, base, tmp_path / "cured.tflite", calibration=lambda: photos(40))


def test_the_file_is_on_its_grid_nearer_to_float32_and_as_small_as_plain(work):
    made = write_int4_cured(work)
    content, plain = network_bytes(), simulated(with_own_biases(network_bytes()), get_kind(KIND))
    assert made.size_bytes == plain.coded_bytes
    assert made.coded.kept == made.coded.small == ()
    assert error(work.output.read_bytes(), content, HELD) < 0.5 * error(plain.content, content, HELD)


def test_too_few_photos_are_refused(work):
    with pytest.raises(LabError, match="3 calibration photos"):
        write_int4_cured(dataclasses.replace(work, calibration=lambda: photos(3)))


def test_photos_that_are_all_alike_are_refused(work):
    with pytest.raises(LabError, match="All 12 calibration photos are alike"):
        write_int4_cured(dataclasses.replace(work, calibration=lambda: photos(1) * 12))


def test_a_plain_plan_is_the_plain_form():
    content = with_own_biases(network_bytes())
    plain = simulated(content, get_kind("uniform-4-channel-minmax")).content
    ours = with_planned_weights(content, Plan({}, weight_bits=4))
    np.testing.assert_allclose(answers(ours, HELD), answers(plain, HELD), atol=1e-4)


def test_layers_are_cured_without_tuning_too():
    content = with_own_biases(network_bytes())
    plan = cured(content, photos(16), tune=False)
    layers, codes = planned_codes(content, plan, INT4_CURED)
    assert len(layers) == len(codes.layers) == len(codes.biases)
