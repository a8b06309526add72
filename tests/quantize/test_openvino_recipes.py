"""OpenVINO's forms store and compute what they promise, as read back from their files."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.lab import host
from helpers.lab.errors import LabError, UnavailableError
from helpers.quantize.recipes.catalogue import RECIPES, get_recipe
from helpers.quantize.recipes.contract import Work, require_promised
from helpers.quantize.recipes.openvino_files import BFLOAT16_FLAGS, NOT_MAPPED
from helpers.quantize.recipes.openvino_graph import core_graph
from helpers.run.variants import Variant
from helpers.runtimes.catalogue import OPENVINO, load_core
from tests.support.onnx_models import WEIGHTS, stack_onnx, stack_photos
from tests.support.tiny_models import tiny_core, tiny_images
from tests.support.why_models import WEIGHTS as TFLITE_WEIGHTS
from tests.support.why_models import stack_core, stack_images

# Form -> stored, computed.
FORMS = {
    "none": ("float32", "float32"),
    "float16": ("float16", "float32"),
    "bfloat16": ("float32", "bfloat16"),
    "int8": ("int8", "int8"),
}
BFLOAT16 = bool(set(BFLOAT16_FLAGS) & set(host.isa_flags()))
HERE = [name for name in FORMS if BFLOAT16 or name != "bfloat16"]


def variant(recipe: str) -> Variant:
    stored, computed = FORMS[recipe]
    name = f"{recipe}@openvino"
    return Variant(name, name, stored, computed, recipe == "int8", "", "", "", runtime="openvino")


def make(recipe: str, source, photos, output, float_operators=()):
    form = variant(recipe)
    work = Work(form, source, output, lambda: photos, float_operators)
    return get_recipe(form.recipe).make(work)


@pytest.fixture(scope="module", params=["tflite", "onnx"])
def source(request, tmp_path_factory):
    """A float32 core, photos for it, and the number of its weights."""
    folder = tmp_path_factory.mktemp("source")
    if request.param == "tflite":
        return stack_core(folder / "core.tflite"), stack_images(6), TFLITE_WEIGHTS
    return stack_onnx(folder / "core.onnx"), stack_photos(6), WEIGHTS


@pytest.fixture(scope="module")
def made(source):
    """Form -> its file and what was recorded of it."""
    file, photos, _ = source
    outputs = {name: file.with_name(f"made-{name}.xml") for name in HERE}
    return {name: (output, make(name, file, photos, output)) for name, output in outputs.items()}


def test_every_form_has_a_recipe():
    assert {f"{name}@openvino" for name in FORMS} <= set(RECIPES)


@pytest.mark.parametrize("name", HERE)
def test_each_form_stores_and_computes_what_it_promises(source, made, name):
    output, record = made[name]
    assert (record.facts.storage_dtype, record.facts.compute_dtype) == FORMS[name]
    assert record.facts.weights == {FORMS[name][0]: source[2]}
    assert record.facts.per_channel == (name == "int8")
    assert sum(record.facts.kernels.values()) == 4
    assert record.size_bytes == sum(file.stat().st_size for file in OPENVINO.files(output))
    assert record.download_bytes > 0
    assert require_promised(output, variant(name)) == record.facts


@pytest.mark.parametrize(
    ("name", "most"), [("none", 1e-5), ("float16", 2e-3), ("bfloat16", 0.03), ("int8", 0.1)]
)
def test_each_form_answers_as_float32_as_far_as_its_bits_reach(source, made, name, most):
    if name not in HERE:
        pytest.skip("this processor does not multiply bfloat16")
    file, photos, _ = source
    expected, found = (load_core(path)(photos[0])["heads"] for path in (file, made[name][0]))
    assert np.linalg.norm(found - expected) <= most * np.linalg.norm(expected)
    assert (name == "none") == np.allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_int8_is_a_quarter_of_float32_in_weights(made):
    whole, quarter = (OPENVINO.stored(made[name][0]).weights_bytes for name in ("none", "int8"))
    assert quarter * 4 == whole


def test_the_same_photos_give_the_same_int8(source, made, tmp_path):
    make("int8", source[0], source[1], tmp_path / "made-int8.xml")
    pairs = zip(OPENVINO.files(tmp_path / "made-int8.xml"), OPENVINO.files(made["int8"][0]), strict=True)
    assert all(first.read_bytes() == second.read_bytes() for first, second in pairs)


def test_every_photo_counts_for_the_ranges(source, tmp_path):
    file, photos, _ = source
    wide = [*photos[:-1], 8 * photos[-1]]
    make("int8", file, wide, tmp_path / "wide.xml")
    make("int8", file, photos, tmp_path / "usual.xml")
    loud = load_core(file)(wide[-1])["heads"]
    found = (load_core(tmp_path / f"{name}.xml")(wide[-1])["heads"] for name in ("wide", "usual"))
    errors = [np.abs(heads - loud).mean() for heads in found]
    assert errors[0] < errors[1], errors


def test_int8_needs_photos(source, tmp_path):
    with pytest.raises(LabError, match="no calibration photos"):
        make("int8", source[0], [], tmp_path / "core.xml")


def test_operators_that_are_to_stay_float_do(tmp_path):
    file = tiny_core(tmp_path / "core.tflite")
    kept = make("int8", file, list(tiny_images(3)), tmp_path / "kept.xml", ["^Relu;"])
    assert kept.facts.kernels == {"Convolution uint8/int8": 1, "Convolution float32/float32": 1}
    assert kept.notes == ()
    assert load_core(tmp_path / "kept.xml").output_shapes == {"heads": (1, 8, 8, 8)}


def test_operators_of_an_onnx_core_that_are_to_stay_float_do(tmp_path):
    file = stack_onnx(tmp_path / "core.onnx")
    kept = make("int8", file, stack_photos(3), tmp_path / "kept.xml", ["^dense_made$", "^depthwise_made$"])
    assert kept.facts.kernels["Convolution float32/float32"] == 1
    assert kept.facts.kernels["GroupConvolution float32/float32"] == 1
    assert kept.facts.kernels["Convolution uint8/int8"] == 2


def test_names_that_no_operator_has_are_noted(tmp_path):
    file = tiny_core(tmp_path / "core.tflite")
    record = make("int8", file, list(tiny_images(3)), tmp_path / "core.xml", ["no such name"])
    assert record.notes == (NOT_MAPPED.format("no such name"),)


def test_a_processor_without_bfloat16_is_a_reason(monkeypatch, source, tmp_path):
    monkeypatch.setattr(host, "isa_flags", lambda: ["avx2"])
    with pytest.raises(UnavailableError, match="neither amx_bf16 nor avx512_bf16"):
        make("bfloat16", source[0], (), tmp_path / "core.xml")
    assert not (tmp_path / "core.xml").exists()


def test_a_file_that_is_not_what_was_promised_is_an_error(source, made):
    promised = replace(variant("none"), storage_dtype="int8")
    with pytest.raises(LabError, match="stores float32 and computes in float32"):
        require_promised(made["none"][0], promised)


def test_weights_that_were_stored_as_halves_are_float32_in_float32(tmp_path):
    """A core with float16 weights that are widened in the graph."""
    from helpers.quantize.recipes.onnxruntime_graph import half_stored

    half_stored(stack_onnx(tmp_path / "core.onnx"), tmp_path / "half.onnx")
    assert make("none", tmp_path / "half.onnx", (), tmp_path / "core.xml").facts.weights == {
        "float32": WEIGHTS
    }


def test_a_core_that_openvino_cannot_read_is_told(tmp_path):
    (tmp_path / "core.onnx").write_bytes(b"no model")
    with pytest.raises(LabError, match=r"OpenVINO cannot read core\.onnx"):
        core_graph(tmp_path / "core.onnx")


def test_nothing_is_printed(capfd, tmp_path):
    make("int8", tiny_core(tmp_path / "core.tflite"), list(tiny_images(3)), tmp_path / "core.xml")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["heads", "narrow_weights", "image", "."])
def test_names_of_constants_and_ends_are_no_operators(tmp_path, name):
    graph, kept = core_graph(stack_onnx(tmp_path / "core.onnx"), [name])
    types = {node.get_friendly_name(): node.get_type_name() for node in graph.get_ops()}
    assert {types[each] for each in kept} <= {"Convolution", "GroupConvolution", "Relu"}
    assert len(kept) == {"heads": 1, ".": 7}.get(name, 0)


def test_a_convolution_of_a_tflite_is_all_that_openvino_makes_of_it(tmp_path):
    """Its bias and its activation are operators of their own there; what turns the axes is none."""
    graph, kept = core_graph(tiny_core(tmp_path / "core.tflite"), ["^Relu;"])
    types = {node.get_friendly_name(): node.get_type_name() for node in graph.get_ops()}
    assert sorted(types[name] for name in kept) == ["Add", "Convolution", "Relu"]
    assert [end.get_names() for end in graph.outputs] == [{"heads"}]
