"""The contract of recipes: what a variant is made anew for, and what it is made of."""

import pytest

from helpers.lab.errors import LabError
from helpers.lab.fingerprint import import_closure
from helpers.models.registry import DEFAULT_MODEL, MODELS
from helpers.quantize.recipes.catalogue import RECIPES, get_recipe, module_of, recipe_name
from helpers.quantize.trained import trained_codes
from helpers.run.forms import ALL, FOR_ONNX, TRAINED
from helpers.run.own_files import own_variant

MODEL = MODELS[DEFAULT_MODEL]
RECIPE_FILES = "helpers.quantize.recipes"


def code_of(recipe: str) -> set[str]:
    return import_closure(module_of(recipe))


@pytest.mark.parametrize("recipe", ["float16", "float16-compute", "int8", "int4-weights", "int8-trained"])
def test_what_the_quantizer_makes_is_made_anew_when_its_calls_change(recipe):
    assert {f"{RECIPE_FILES}.edge_quantizer", "helpers.quantize.dead_channels"} <= code_of(recipe)


def test_a_recipe_is_made_anew_for_no_other_recipe_nor_for_a_new_model_or_form():
    others = {module_of(name) for name in RECIPES} - {module_of("int8")}
    assert not code_of("int8") & {*others, "helpers.models.registry", "helpers.run.forms"}
    for name in ("none", "float16", "simulated", "own-file"):
        assert not code_of(name) & {f"{RECIPE_FILES}.integers", f"{RECIPE_FILES}.trained_file"}
    assert {"helpers.quantize.simulate", "helpers.quantize.kinds.catalogue"} <= code_of("simulated")
    assert "helpers.quantize.adopt" in code_of("own-file")


def test_trained_forms_and_files_of_the_users_own_alone_have_further_inputs(tmp_path, monkeypatch):
    codes = tmp_path / "codes.npz"
    codes.touch()
    monkeypatch.setattr(trained_codes, "codes_file", lambda model, form: codes)
    for name, form in ALL.items():
        expected = {"codes": codes} if name in TRAINED else {}
        home = "onnxruntime" if name in FOR_ONNX else "litert"
        assert get_recipe(recipe_name(form.recipe, home)).inputs(MODEL, form) == expected
    file, labels = tmp_path / "mine.tflite", tmp_path / "names.txt"
    file.touch()
    labels.touch()
    own = own_variant("own-mine", f"{file}@{labels}")
    assert get_recipe(own.recipe).inputs(MODEL, own) == {"own/mine.tflite": file, "labels": labels}


def test_an_unknown_recipe_is_refused():
    with pytest.raises(LabError, match=r"recipe 'int3'"):
        get_recipe("int3")
