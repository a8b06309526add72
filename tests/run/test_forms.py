"""The further forms by name, and what of them a run takes."""

import pytest

from helpers.lab.errors import LabError
from helpers.quantize.kinds.catalogue import KINDS
from helpers.quantize.recipes import RECIPES
from helpers.run.experiment import chosen_variants
from helpers.run.forms import ALL, FORMS, LADDER, TRAINED, is_simulated, is_trained, require_forms
from helpers.run.variants import BASELINE, VARIANTS


def ids(names: list[str]) -> list[str]:
    return [form.id for form in require_forms(names)]


def test_every_kind_of_weights_is_a_form_but_float16_which_is_a_file_of_its_own():
    simulated = {name for name, form in FORMS.items() if is_simulated(form) and not is_trained(form)}
    assert simulated == set(KINDS) - set(VARIANTS)
    made = {form.recipe for form in ALL.values() if not is_simulated(form) and not is_trained(form)}
    assert made <= set(RECIPES)


def test_every_trained_form_has_a_kind_that_stores_its_codes():
    assert {name for name, form in FORMS.items() if is_trained(form)} == set(TRAINED)
    assert set(TRAINED.values()) <= set(KINDS)
    assert [name for name in TRAINED if not is_simulated(FORMS[name])] == ["int8-qat"]


def test_chosen_forms_come_in_registry_order_with_the_baseline():
    assert ids(["ternary", "int8", "int16x8"]) == [BASELINE, "int8", "int16x8", "ternary"]
    assert ids([]) == [BASELINE]


def test_the_ladder_is_all_that_need_no_training_and_no_name_is_the_usual_ones():
    assert ids([LADDER]) == ids([LADDER, "int8"]) == [name for name in ALL if name not in TRAINED]
    assert ids([LADDER, "int4-qat"]) == [*ids([LADDER]), "int4-qat"]
    assert [form.id for form in chosen_variants([])] == list(VARIANTS)


@pytest.mark.parametrize(
    ("name", "near"), [("int9", "int8"), ("uniform-4-chanel-lse", "uniform-4-channel-lse")]
)
def test_an_unknown_form_is_refused_with_the_nearest_name(name, near):
    with pytest.raises(LabError, match=f"{name}.*Did you mean '{near}'"):
        require_forms(["float32", name])


def test_each_form_says_what_it_is():
    assert len({form.meaning for form in ALL.values()}) == len(ALL)
    assert "4-bit integers at equal steps, one scale per 32 weights" in ALL["uniform-4-block-lse"].meaning
