"""Variants, profiles, models, run names: looked up by name, never changed, never guessed."""

import dataclasses
import re

import pytest

from helpers.lab import paths
from helpers.lab.errors import LabError
from helpers.lab.paths import ROOT, RunPaths, data_dir, display
from helpers.models import registry as models
from helpers.models.registry import DEFAULT_MODEL, MODELS, get_model
from helpers.photos.synthetic.dataset import CATEGORY_IDS, SPLITS, split_number
from helpers.quantize.recipes.catalogue import RECIPES, get_recipe
from helpers.run import profiles, variants
from helpers.run.experiment import open_run
from helpers.run.forms import usual_forms
from helpers.run.profiles import PROFILES, get_profile
from helpers.run.variants import BASELINE, CONTROL, VARIANTS, get_variant

LOOKUPS = [
    (get_variant, VARIANTS, "int8-dynamik", "int8-dynamic"),
    (get_profile, PROFILES, "quik", "quick"),
    (get_model, MODELS, "ssd_mobilenet_v2_sintetic", "ssd_mobilenet_v2_synthetic"),
    (get_recipe, RECIPES, "int-8", "int8"),
    (split_number, SPLITS, "validtion", "validation"),
]


@pytest.mark.parametrize(("lookup", "registry", "wrong", "near"), LOOKUPS)
def test_unknown_names_are_explained_with_the_nearest_and_all_known_names(lookup, registry, wrong, near):
    with pytest.raises(LabError) as caught:
        lookup(wrong)
    assert repr(wrong) in caught.value.found
    assert f"Did you mean {near!r}?" in caught.value.found
    assert all(name in caught.value.expected for name in registry)
    assert caught.value.cure


@pytest.mark.parametrize("lookup", [entry[0] for entry in LOOKUPS])
def test_far_off_names_get_no_guess(lookup):
    with pytest.raises(LabError) as caught:
        lookup("zzz")
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("registry", [VARIANTS, PROFILES, MODELS])
def test_registries_and_entries_are_read_only(registry):
    name, entry = next(iter(registry.items()))
    assert entry.id == name
    with pytest.raises(TypeError):
        registry["new"] = entry
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.id = "other"


@pytest.mark.parametrize("module", [variants, profiles, models])
def test_no_entry_hides_another(module):
    registry = {variants: VARIANTS, profiles: PROFILES, models: MODELS}[module]
    assert len(registry) == len(module._ENTRIES)


def test_each_variant_looks_different():
    for look in ("colour", "marker", "meaning"):
        assert len({getattr(variant, look) for variant in VARIANTS.values()}) == len(VARIANTS)
    assert all(re.fullmatch(r"#[0-9A-F]{6}", variant.colour) for variant in VARIANTS.values())


def test_the_baseline_comes_first_and_the_control_is_no_variant():
    assert next(iter(VARIANTS)) == BASELINE
    assert CONTROL not in VARIANTS


def test_profiles_can_be_run():
    for profile in PROFILES.values():
        sizes = dataclasses.asdict(profile)
        numbers = [size for size in sizes.values() if type(size) in (int, float)]
        assert all(number > 0 for number in numbers)
        assert profile.subset_images <= profile.images
    assert "quick" in PROFILES
    assert PROFILES["quick"].images >= 500


def test_the_embedded_models_classes_are_those_of_the_drawn_photos():
    assert MODELS[DEFAULT_MODEL].categories == tuple(sorted(CATEGORY_IDS, key=CATEGORY_IDS.get))


def test_a_model_keeps_the_low_scores_that_the_metric_needs():
    for model in MODELS.values():
        assert model.limits.score_threshold <= 0.001
        assert model.limits.most_detections == 100


def test_a_run_is_named_after_its_profile_unless_it_has_a_name():
    assert open_run("smoke").paths.name == "smoke"
    run = open_run("smoke", run_name="my-run.2", variants=["int8"])
    assert run.paths == RunPaths("my-run.2")
    assert run.profile == PROFILES["smoke"]
    assert [v.id for v in run.variants] == ["float32", "int8"]
    assert [m.id for m in run.models] == [DEFAULT_MODEL]
    assert len(open_run().variants) == len(usual_forms())


def test_opening_a_run_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("QUANTLAB_DATA", str(tmp_path / "data"))
    open_run("smoke")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "arguments",
    [{"profile": "smok"}, {"models": ["ssd_mobilenet"]}, {"variants": ["int7"]}, {"variants": ["int8", ""]}],
)
def test_a_run_of_unknown_parts_is_refused(arguments):
    with pytest.raises(LabError, match="does not exist"):
        open_run(**arguments)


@pytest.mark.parametrize("name", ["latest", "..", ".", ".hidden", "a/b", "/tmp/x", "a b", "-x", "a\n", "é"])
def test_run_names_that_cannot_name_a_folder_are_refused(name):
    with pytest.raises(LabError) as caught:
        open_run("smoke", run_name=name)
    assert repr(name) in caught.value.found


def test_the_data_folder_can_be_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("QUANTLAB_DATA", str(tmp_path))
    assert data_dir() == tmp_path
    assert RunPaths("r").folder == tmp_path / "runs" / "r"
    monkeypatch.setenv("QUANTLAB_DATA", "")
    assert data_dir() == ROOT / "data"
    monkeypatch.delenv("QUANTLAB_DATA")
    assert data_dir() == ROOT / "data"


def test_no_two_files_of_a_run_share_a_path():
    run = RunPaths("r")
    of_variants = [
        place(model, variant)
        for model in ("m1", "m2")
        for variant in ("float32", "int8")
        for place in (
            run.variant_file,
            run.variant_record,
            run.detections_dir,
            run.score_record,
            run.evidence_file,
        )
    ]
    others = [
        run.figures,
        run.report,
        run.results("csv"),
        run.stage_record("02_quantize"),
        run.executed_notebook("02_quantize"),
        run.measurement_record("m1", "latency"),
    ]
    places = of_variants + others
    assert len(set(places)) == len(places)
    assert all(place.is_relative_to(run.folder) for place in places)


def test_paths_are_shown_relative_where_they_can_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert display(tmp_path / "a" / "b") == "a/b"
    assert display(paths.NOTEBOOKS) == "notebooks"
    assert display(tmp_path.parent / "elsewhere") == str(tmp_path.parent / "elsewhere")


def test_an_error_says_found_expected_and_cure_and_leaves_out_what_it_lacks():
    assert str(LabError("a.", "b", "c.")) == "Found: a.\nExpected: b\nCure: c."
    assert str(LabError("a.")) == "Found: a."
