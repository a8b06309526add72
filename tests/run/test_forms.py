"""The further forms by name, and what of them a run takes."""

import re
from types import SimpleNamespace

import pytest

from helpers.lab.errors import LabError
from helpers.quantize.kinds.catalogue import KINDS
from helpers.quantize.recipes.catalogue import RECIPES, get_recipe, recipe_name
from helpers.run.cured_forms import CURED, CURES, chained_form, cures_named, is_cured
from helpers.run.experiment import chosen_variants
from helpers.run.forms import (
    ALL,
    CURED_WEIGHTS,
    EDGES,
    FOR_ONNX,
    FORMS,
    IN_LADDER,
    LADDER,
    LADDER_EDGES,
    LADDER_UNIFORM,
    LIMITED_TO,
    OTHER_RUNTIMES,
    TRAINED,
    get_form,
    is_simulated,
    is_trained,
    require_forms,
    usual_forms,
)
from helpers.run.own_files import own_variant
from helpers.run.variants import BASELINE, VARIANTS, baseline_of, control_of, form_named, reference_of
from helpers.runtimes import contract


def ids(names: list[str]) -> list[str]:
    return [form.id for form in require_forms(names)]


def test_every_kind_of_weights_is_a_form_but_float16_which_is_a_file_of_its_own():
    simulated = {name for name, form in FORMS.items() if is_simulated(form)}
    assert simulated - set(TRAINED) - {CURED_WEIGHTS.id} == set(KINDS) - set(VARIANTS)
    assert set(TRAINED.values()) <= set(KINDS)


def test_every_form_and_every_file_of_the_users_own_names_a_recipe_and_every_recipe_is_named():
    own = own_variant("own-detector", "/a/detector.tflite")
    forms = (*ALL.values(), own)
    named = {recipe_name(form.recipe, home) for form in forms for home in ("litert", "onnxruntime")}
    assert set(RECIPES) <= named
    assert {form.recipe for form in forms if form.id not in FOR_ONNX} <= set(RECIPES)
    assert all(recipe_name(name, "onnxruntime") in RECIPES for name in FOR_ONNX)


def test_chosen_forms_come_in_registry_order_with_the_baseline():
    assert ids(["ternary", "int8", "int16x8"]) == [BASELINE, "int8", "int16x8", "ternary"]
    assert ids([]) == [BASELINE]


def test_the_ladder_is_all_of_them_with_a_few_that_keep_their_edges_and_no_name_is_the_usual_ones():
    edged = [f"{name}{EDGES}" for name in LADDER_EDGES]
    assert ids([LADDER]) == ids([LADDER, "int8"]) == list(IN_LADDER)
    between = {name for name in FORMS if name.startswith("uniform-")} - set(LADDER_UNIFORM)
    searched = {CURED, CURED_WEIGHTS.id}
    assert set(IN_LADDER) == {*VARIANTS, *FORMS, *edged} - set(TRAINED) - between - set(FOR_ONNX) - searched


def test_a_run_that_names_no_variant_takes_the_usual_forms_in_every_runtime_that_is_there(monkeypatch):
    assert [form.id for form in chosen_variants([])] == list(VARIANTS)
    for named in ("", "openvino", "onnxruntime, openvino"):
        monkeypatch.setenv(LIMITED_TO, named)
        assert [form.id for form in chosen_variants([])] == [*VARIANTS, *OTHER_RUNTIMES]
    monkeypatch.setenv(LIMITED_TO, "openvno")
    with pytest.raises(LabError, match="openvno"):
        chosen_variants([])
    monkeypatch.delenv(LIMITED_TO)
    monkeypatch.setattr(contract.importlib.util, "find_spec", lambda name: None)
    assert [form.id for form in chosen_variants([])] == list(VARIANTS)
    assert [form.id for form in chosen_variants(["int8@openvino"])] == [
        BASELINE, "float32@openvino", "int8@openvino"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "form", "base", "control", "reference"),
    [
        ("int8", "int8", "float32", "float32-control", "float32"),
        ("int8@openvino", "int8", "float32@openvino", "float32-control@openvino", "float32@openvino"),
        ("float32@openvino", "float32", "float32@openvino", "float32-control@openvino", "float32"),
    ],
)
def test_a_variant_is_a_form_in_a_runtime(name, form, base, control, reference):
    assert form_named(name) == form
    assert (baseline_of(name), control_of(name), reference_of(name)) == (base, control, reference)


@pytest.mark.parametrize(
    ("name", "near"), [("int9", "int8"), ("uniform-4-chanel-lse", "uniform-4-channel-lse")]
)
def test_an_unknown_form_is_refused_with_the_nearest_name(name, near):
    with pytest.raises(LabError, match=f"{name}.*Did you mean '{near}'"):
        require_forms(["float32", name])


def test_every_simulated_form_has_one_that_keeps_first_and_last_layers_right_after_it():
    assert ids(["ternary+edges", "ternary", "binary+edges"]) == [
        BASELINE, "ternary", "ternary+edges", "binary+edges"
    ]  # fmt: skip
    for name, form in ALL.items():
        plain = ALL[name.removesuffix(EDGES)]
        assert form.keep_first_last == (form is not plain)
        whole = is_trained(form) or form is CURED_WEIGHTS
        assert (name + EDGES in ALL) == (is_simulated(form) and form is plain and not whole)
        assert form.storage_dtype == plain.storage_dtype
    assert ALL["binary+edges"].meaning.endswith("first and the last layers of weights stay float32.")


@pytest.mark.parametrize(
    "plain", ["int8", "float32", "int4-weights", "ternary+edges", LADDER, "/a/detector.tflite"]
)
def test_edges_of_what_is_not_simulated_are_one_clear_error(plain):
    with pytest.raises(LabError) as caught:
        require_forms([plain + EDGES])
    assert f"+edges cannot follow {plain}" in caught.value.found
    assert "ternary+edges" in caught.value.expected


def test_edges_of_a_form_that_there_is_not_name_the_nearest_one():
    with pytest.raises(LabError, match="Did you mean 'codebook-8'"):
        require_forms(["codebok-8+edges"])
    with pytest.raises(LabError, match=r"Did you mean 'ternary\+edges'"):
        require_forms(["ternary+edge"])


def test_each_form_says_what_it_is():
    assert len({form.meaning for form in ALL.values()}) == len(ALL)
    assert "4-bit integers at equal steps, one scale per 32 weights" in ALL["uniform-4-block-lse"].meaning


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "int8@openvno",
            ("runtime 'openvno' does not exist", "Did you mean 'int8@openvino'", "int8@openvino"),
        ),
        ("int8@", ("runtime ''", "leave it out")),
        ("ternary@openvino", ("ternary is not made for OpenVINO", "bfloat16@openvino", "without @openvino")),
        ("ternary+edges@openvino", ("ternary\\+edges is not made for OpenVINO",)),
        ("int8@openvino+edges", ("int8 is not made for OpenVINO|cannot follow",)),
        ("int8@onnxruntime", ("ONNX Runtime is the runtime of models", "--model detector.onnx")),
        ("int8@litert", ("LiteRT is the runtime of models", "leave @litert out")),
        ("int8-entropie", ("Did you mean 'int8-entropy'",)),
        ("int4-qad", ("Did you mean 'int4-qat'",)),
    ],
)
def test_what_stands_after_the_at_is_told_as_such(name, parts):
    with pytest.raises(LabError) as caught:
        require_forms([name])
    assert all(re.search(part, str(caught.value)) for part in parts), str(caught.value)


@pytest.mark.parametrize(
    ("recipe", "parts"),
    [
        ("int8-entropy", ("no int8-entropy is made for LiteRT", "name an ONNX model")),
        ("int16x8@onnxruntime", ("no int16x8 is made for ONNX Runtime", "int8-percentile")),
        (
            "simulated-trained@onnxruntime",
            ("no trained form is made for ONNX Runtime", "the simulated forms"),
        ),
        ("int8-trained@onnxruntime", ("no int8-qat is made for ONNX Runtime",)),
        ("quantum", ("recipe 'quantum', which does not exist",)),
    ],
)
def test_a_recipe_of_another_runtime_is_told_as_such(recipe, parts):
    with pytest.raises(LabError) as caught:
        get_recipe(recipe)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_a_recipe_is_for_the_runtime_that_it_names_else_for_the_models_own():
    assert recipe_name("int8", "litert") == "int8"
    assert recipe_name("int8", "onnxruntime") == "int8@onnxruntime"
    assert recipe_name("int8@openvino", "onnxruntime") == recipe_name("int8@openvino", "litert")
    assert recipe_name("own-file", "onnxruntime") == "own-file"


def test_forms_are_not_trained_of_a_model_that_is_no_tflite():
    from helpers.training.trained_form import require_trainable

    model = SimpleNamespace(runtime="onnxruntime", title="net.onnx")
    with pytest.raises(LabError, match=r"net\.onnx is a core for ONNX Runtime"):
        require_trainable("int8-qat", model)
    require_trainable("int8-qat", SimpleNamespace(runtime="litert", title="a"))
    with pytest.raises(LabError, match="form to train 'int8'"):
        require_trainable("int8", model)


def test_cures_are_named_in_any_order_and_applied_in_one():
    form = get_form("int8+ranges+equalize")
    assert form.id == "int8+equalize+ranges"
    assert cures_named(form.id) == ("equalize", "ranges")
    assert is_cured(form)
    assert all(text in form.meaning for text in (CURES["equalize"], CURES["ranges"]))
    assert get_form("int8+ranges@openvino").runtime == "openvino"
    assert cures_named("int8-cured") == cures_named("int8") == ()
    assert [each.id for each in require_forms(["int8+ranges@openvino"])] == [
        BASELINE, "float32@openvino", "int8+ranges@openvino"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("int8+equalise", "Did you mean 'equalize'"),
        ("int8+bias+bias", "twice"),
        ("int8+", "no cure ''"),
        ("int8+bias@onnxruntime", "not made for 'onnxruntime'"),
        ("int8+bias@openvino", "the cure 'bias' is not made for 'openvino'"),
    ],
)
def test_a_cure_that_is_none_is_one_clear_error(name, hint):
    with pytest.raises(LabError) as caught:
        chained_form(name)
    assert hint in caught.value.found


@pytest.mark.parametrize("name", ["float32+equalize", "int8-cured+equalize", "int4-weights+bias@openvino"])
def test_cures_of_another_form_than_int8_are_an_error_that_names_int8s(name):
    with pytest.raises(LabError) as caught:
        get_form(name)
    assert "cures are of plain int8 alone" in caught.value.found
    assert "int8+" in caught.value.cure


def test_without_a_model_of_litert_the_usual_forms_have_no_cured_one():
    assert CURED not in usual_forms({"onnxruntime"})
    assert CURED in usual_forms({"onnxruntime", "litert"})
