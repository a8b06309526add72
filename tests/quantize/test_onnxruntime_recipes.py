"""ONNX Runtime's forms store and compute what they promise, as read back from their files."""

import logging

import numpy as np
import pytest

from helpers.lab import host
from helpers.lab.errors import LabError
from helpers.quantize.recipes import onnxruntime_files
from helpers.quantize.recipes.catalogue import RECIPES, get_recipe
from helpers.quantize.recipes.contract import Work
from helpers.quantize.recipes.onnxruntime_files import NOT_FOUND, REDUCED, integer_types, reduced_weights
from helpers.quantize.recipes.onnxruntime_graph import (
    Photos,
    dynamic_weights,
    even_channels,
    half_stored,
    prepared,
    restore_channels,
)
from helpers.run.variants import Variant
from helpers.runtimes.catalogue import ONNXRUNTIME, load_core
from tests.support.onnx_models import NODES, WEIGHTS, stack_model, stack_onnx, stack_photos
from tests.support.tiny_models import tiny_core

# Form -> stored, computed.
FORMS = {
    "none": ("float32", "float32"),
    "float16": ("float16", "float32"),
    "int8-dynamic": ("int8", "int8-dynamic"),
    "int8": ("int8", "int8"),
    "int8-entropy": ("int8", "int8"),
    "int8-percentile": ("int8", "int8"),
}
STATIC = ("int8", "int8-entropy", "int8-percentile")
LEAST = {
    "none": 1e-6,
    "float16": 2e-3,
    "int8-dynamic": 0.1,
    "int8": 0.1,
    "int8-entropy": 0.3,
    "int8-percentile": 0.1,
}


def make(recipe: str, source, photos, output, float_operators=()):
    stored, computed = FORMS[recipe]
    name = f"{recipe}@onnxruntime"
    form = Variant(name, name, stored, computed, recipe in STATIC, "", "", "", runtime="onnxruntime")
    return get_recipe(name).make(Work(form, source, output, lambda: photos, float_operators))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return stack_onnx(tmp_path_factory.mktemp("source") / "core.onnx")


@pytest.fixture(scope="module")
def made(source):
    """Form -> its file and what was recorded of it."""
    outputs = {name: source.with_name(f"made-{name}.onnx") for name in FORMS}
    return {name: (output, make(name, source, stack_photos(6), output)) for name, output in outputs.items()}


def test_every_form_has_a_recipe():
    assert {f"{name}@onnxruntime" for name in FORMS} <= set(RECIPES)


@pytest.mark.parametrize("name", FORMS)
def test_each_form_stores_and_computes_what_it_promises(made, name):
    output, record = made[name]
    facts = record.facts
    assert (facts.storage_dtype, facts.compute_dtype) == FORMS[name]
    assert facts.weights == {"uint8" if name == "int8-dynamic" else FORMS[name][0]: WEIGHTS}
    assert facts.per_channel == (name not in ("none", "float16"))
    assert sum(facts.kernels.values()) == 4
    assert record.size_bytes == output.stat().st_size


@pytest.mark.parametrize("name", FORMS)
def test_each_form_answers_as_float32_as_far_as_its_bits_reach(source, made, name):
    photo = stack_photos(1)[0]
    expected, found = (load_core(path)(photo)["heads"] for path in (source, made[name][0]))
    assert np.linalg.norm(found - expected) <= LEAST[name] * np.linalg.norm(expected)
    assert (name == "none") == np.array_equal(found, expected)


def test_integer_kernels_are_those_that_ran(made):
    assert made["int8"][1].facts.kernels == {"QLinearConv uint8/int8": 4}
    assert made["int8-dynamic"][1].facts.kernels == {"ConvInteger uint8/uint8": 4}


@pytest.mark.parametrize("name", FORMS)
def test_the_same_core_gives_the_same_file(source, made, tmp_path, name):
    make(name, source, stack_photos(6), tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == made[name][0].read_bytes()


@pytest.mark.skipif(integer_types() == ("QInt8", "QInt8"), reason="signed activations have kernels here")
def test_a_file_whose_integers_are_computed_as_floats_is_an_error(monkeypatch, tmp_path):
    """Signed activations before a swish on x86-64: the file says int8, and no integer kernel takes it."""
    source = stack_onnx(tmp_path / "source.onnx", swish=True)
    assert make("int8", source, stack_photos(2), tmp_path / "core.onnx").facts.compute_dtype == "int8"
    monkeypatch.setattr(onnxruntime_files, "integer_types", lambda: ("QInt8", "QInt8"))
    with pytest.raises(LabError, match="stores int8 and computes in float32"):
        make("int8", source, stack_photos(2), tmp_path / "core.onnx")


def test_channels_of_very_different_sizes_keep_their_bits_on_the_fly(tmp_path):
    """With one scale for the layer the small ones would be 0."""
    from onnx import numpy_helper

    model = stack_model()
    wide = next(tensor for tensor in model.graph.initializer if tensor.name == "wide_weights")
    sizes = np.logspace(-3, 3, 16, dtype=np.float32).reshape(16, 1, 1, 1)
    sizes[5] = 0
    wide.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(wide) * sizes, wide.name))
    (tmp_path / "core.onnx").write_bytes(model.SerializeToString())
    make("int8-dynamic", tmp_path / "core.onnx", (), tmp_path / "made.onnx")
    cores = (load_core(tmp_path / name) for name in ("core.onnx", "made.onnx"))
    expected, found = (core(stack_photos(1)[0])["heads"] for core in cores)
    errors = np.linalg.norm((found - expected)[0], axis=(1, 2)) / sizes.ravel().clip(1e-9)
    whole = np.linalg.norm(expected[0], axis=(1, 2)) / sizes.ravel().clip(1e-9)
    assert (errors <= 0.1 * whole.max()).all()
    assert not found[0, 5].any()


def test_dividing_channels_and_multiplying_scales_leaves_floats_as_they_were():
    model, before = stack_model(), stack_model()
    restore_channels(model, even_channels(model))
    from onnx import numpy_helper

    for tensor, was in zip(model.graph.initializer, before.graph.initializer, strict=True):
        np.testing.assert_allclose(numpy_helper.to_array(tensor), numpy_helper.to_array(was), rtol=1e-6)


def test_a_constant_that_others_read_too_is_left_alone():
    from onnx import helper

    model = stack_model()
    assert set(dynamic_weights(model)) == {f"{name}_weights" for name in NODES}
    model.graph.node.append(helper.make_node("Identity", ["wide_weights"], ["copy"]))
    assert "wide_weights" not in dynamic_weights(model)


def test_an_old_opset_is_made_newer(tmp_path):
    old = stack_onnx(tmp_path / "old.onnx", opset=11)
    assert make("int8", old, stack_photos(2), tmp_path / "core.onnx").facts.per_channel


def test_operators_that_are_to_stay_float_do(source, tmp_path):
    for name, kernel in (("int8", "QLinearConv uint8/int8"), ("int8-dynamic", "ConvInteger uint8/uint8")):
        record = make(name, source, stack_photos(2), tmp_path / "core.onnx", ["^dense", "^depthwise"])
        floats = {key: n for key, n in record.facts.kernels.items() if key.endswith("float32/float32")}
        assert record.facts.kernels[kernel] == 2
        assert sum(floats.values()) == 2
        assert record.notes == ()


def test_names_that_no_operator_has_are_noted(source, tmp_path):
    record = make("int8-dynamic", source, (), tmp_path / "core.onnx", ["no such name"])
    assert record.notes == (NOT_FOUND.format("no such name"),)


def test_static_ranges_need_photos(source, tmp_path):
    with pytest.raises(LabError, match="no calibration photos"):
        make("int8", source, [], tmp_path / "core.onnx")


@pytest.mark.parametrize("name", FORMS)
def test_a_core_of_another_runtime_is_told(tmp_path, name):
    with pytest.raises(LabError, match=r"the float32 core is core\.tflite") as found:
        make(name, tiny_core(tmp_path / "core.tflite"), (), tmp_path / "made.onnx")
    assert "ONNX Runtime runs no other" in found.value.expected


def test_processors_without_vnni_have_weights_of_seven_bits(monkeypatch, source, tmp_path):
    from onnx import load, numpy_helper

    monkeypatch.setattr(host, "isa_flags", lambda: ["avx2"])
    monkeypatch.setattr(onnxruntime_files.platform, "machine", lambda: "x86_64")
    record = make("int8", source, stack_photos(2), tmp_path / "core.onnx")
    assert record.notes == (REDUCED,)
    stored = [numpy_helper.to_array(tensor) for tensor in load(tmp_path / "core.onnx").graph.initializer]
    weights = [values for values in stored if values.dtype == np.int8 and values.ndim == 4]
    assert len(weights) == 4
    assert all(np.abs(values.astype(int)).max() <= 64 for values in weights)


@pytest.mark.parametrize(
    ("machine", "flags", "reduced", "activations"),
    [
        ("x86_64", ["avx512_vnni"], False, "QUInt8"),
        ("AMD64", ["avx_vnni"], False, "QUInt8"),
        ("x86_64", ["avx2"], True, "QUInt8"),
        ("aarch64", ["asimddp"], False, "QInt8"),
    ],
)
def test_what_is_chosen_for_a_processor(machine, flags, reduced, activations):
    assert reduced_weights(machine, flags) == reduced
    assert integer_types(machine) == (activations, "QInt8")


def test_weights_beyond_float16_stay_as_they_are(tmp_path):
    from onnx import numpy_helper

    model = stack_model()
    wide = next(tensor for tensor in model.graph.initializer if tensor.name == "wide_weights")
    wide.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(wide) * 1e6, wide.name))
    (tmp_path / "core.onnx").write_bytes(model.SerializeToString())
    half_stored(tmp_path / "core.onnx", tmp_path / "half.onnx")
    weights = ONNXRUNTIME.facts(tmp_path / "half.onnx").weights
    assert weights == {"float32": 16 * 16, "float16": WEIGHTS - 16 * 16}
    assert np.isfinite(load_core(tmp_path / "half.onnx")(stack_photos(1)[0])["heads"]).all()


def test_weights_in_constant_nodes_are_halved_too(tmp_path):
    from onnx import helper

    model = stack_model()
    tensor = next(each for each in model.graph.initializer if each.name == "wide_weights")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["wide_weights"], value=tensor))
    model.graph.initializer.remove(tensor)
    (tmp_path / "core.onnx").write_bytes(model.SerializeToString())
    half_stored(tmp_path / "core.onnx", tmp_path / "half.onnx")
    assert ONNXRUNTIME.facts(tmp_path / "half.onnx").weights == {"float16": WEIGHTS}


def test_photos_are_read_one_range_at_a_time():
    reader = Photos("image", stack_photos(3))
    assert len(reader) == 3
    for place in range(3):
        reader.set_range(place, place + 1)
        assert np.array_equal(reader.get_next()["image"], reader.photos[place])
        assert reader.get_next() is None


def test_preparing_names_every_node(source):
    model = prepared(source)
    names = [node.name for node in model.graph.node]
    assert all(names)
    assert len(set(names)) == len(names)


def test_nothing_is_printed_and_logging_is_as_before(capfd, source, tmp_path):
    for name in FORMS:
        make(name, source, stack_photos(2), tmp_path / f"{name}.onnx")
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == logging.NOTSET
