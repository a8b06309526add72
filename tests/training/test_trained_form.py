"""A detector of the user's own, trained on its calibration photos alone, and the files that a run makes."""

import json

import numpy as np
import pytest

from helpers.lab.errors import LabError
from helpers.lab.records import structured
from helpers.models.darknet.architecture import parse_architecture
from helpers.quantize import stage
from helpers.quantize.kinds.coding import decode
from helpers.quantize.records import OUTPUTS, TrainedForm
from helpers.quantize.stage import made_variant
from helpers.quantize.trained import trained_codes
from helpers.quantize.trained.constants import weight_layers
from helpers.quantize.trained.trained_codes import TrainedCodes, codes_file
from helpers.run.experiment import open_run
from helpers.run.forms import SIMULATED, get_form, is_simulated
from helpers.run.variants import BASELINE, VARIANTS
from helpers.suite.ledger import STAGES, trained_inputs
from helpers.training.command import train_asked
from tests.models.darknet import generate
from tests.support.coco_sources import make_source

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
EPOCHS, CALIBRATION = 2, 6
FORMS = ("int8-qat", "ternary-qat")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Of a small Darknet network that lies beside its weights, and of a folder of photos."""
    folder = tmp_path_factory.mktemp("own")
    cfg = generate.net() + generate.convolution(8, 3, 2) + generate.convolution(8, 3, 2) + generate.head()
    (folder / "net.cfg").write_text(cfg)
    (folder / "net.weights").write_bytes(generate.weights_for(parse_architecture(cfg, "net.cfg"), 0))
    (folder / "net.txt").write_text("cat\ndog\ncow\n")
    photos = make_source(folder / "photos", 6, CALIBRATION)
    name = f"{folder / 'net.cfg'}@{folder / 'net.txt'}"
    return open_run("coco-smoke", "own-trained", [name], FORMS, coco_dir=str(photos))


@pytest.fixture(scope="module")
def records(run):
    changes = {"epochs": EPOCHS, "seed": 3}
    return {form: train_asked(run, form, BASELINE, changes, None) for form in FORMS}


def test_before_it_is_trained_the_form_fails_with_the_command_and_stops_nothing(run):
    record = made_variant(run, run.models[0], get_form("binary-qat"))
    assert "binary-qat" in record.failure
    assert f"`python -m helpers train --model {run.models[0].given} --form binary-qat`" in record.failure


def test_the_record_says_what_was_trained_on_what(run, records):
    model = run.models[0]
    for form, (path, record) in records.items():
        assert path == codes_file(model, form)
        assert structured(TrainedForm, json.loads(path.with_suffix(".json").read_text())) == record
        assert (record.form, record.model, record.trained_on) == (form, model.id, OUTPUTS)
        assert (record.photos, record.schedule["photos"]) == (CALIBRATION, CALIBRATION)
        assert len(record.history) == record.schedule["epochs"] == EPOCHS
        assert record.started_from == ""
        assert record.versions["tensorflow"]


def test_a_run_makes_the_files_of_what_was_trained(run, records):
    model = run.models[0]
    assert not made_variant(run, model, VARIANTS[BASELINE]).failure
    for form in FORMS:
        record = made_variant(run, model, get_form(form))
        assert not record.failure
        assert "codes" in record.origin.inputs
        facts = record.values.facts
        if is_simulated(get_form(form)):
            assert facts.compute_dtype == SIMULATED
            codes = TrainedCodes.load(records[form][0], "")
            layers = weight_layers(run.paths.variant_file(model.id, form).read_bytes())
            for layer, kept in zip(layers, codes.layers, strict=True):
                np.testing.assert_array_equal(layer.weights, decode(kept))
        else:
            assert (facts.storage_dtype, facts.compute_dtype) == ("int8", "int8")


def test_new_codes_make_02_07_and_08_run_again(run, records):
    before = trained_inputs(run, STAGES["02_quantize"])
    model = run.models[0]
    assert set(before) == {f"{model.id}/{form}" for form in FORMS}
    path = codes_file(model, "ternary-qat")
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    after = trained_inputs(run, STAGES["02_quantize"])
    later = [trained_inputs(run, STAGES[name]) for name in ("05_compare", "07_ladder", "08_training")]
    path.write_bytes(content)
    assert [name for name in before if before[name] != after[name]] == [f"{model.id}/ternary-qat"]
    assert not later[0]
    assert all(inputs[f"{model.id}/ternary-qat"] == after[f"{model.id}/ternary-qat"] for inputs in later[1:])


def test_trained_again_the_finished_training_gives_the_same_codes(run, records):
    (path, record), changes = records["ternary-qat"], {"epochs": EPOCHS, "seed": 3}
    _, again = train_asked(run, "ternary-qat", BASELINE, changes, path.with_name("b.npz"))
    assert again.history == record.history
    for ours, theirs in zip(
        TrainedCodes.load(path.with_name("b.npz"), "").layers, TrainedCodes.load(path, "").layers, strict=True
    ):
        np.testing.assert_array_equal(decode(ours), decode(theirs))


def test_a_form_that_starts_at_its_own_end_tells_both_trainings(run, records):
    path, first = records["ternary-qat"]
    _, second = train_asked(
        run, "ternary-qat", "ternary-qat", {"epochs": 1, "seed": 4}, path.with_name("c.npz")
    )
    assert (second.started_from, second.earlier.history) == ("ternary-qat", first.history)
    written = json.loads(path.with_name("c.json").read_text())
    assert structured(TrainedForm, written) == second


def test_codes_of_other_weights_fail_alone(run, records, monkeypatch):
    model = run.models[0]
    monkeypatch.setattr(trained_codes, "source_sha256", lambda *_: "f" * 64)
    record = made_variant(run, model, get_form("int8-qat"))
    assert not record.failure  # made before, of the same inputs: still valid
    run.paths.variant_record(model.id, "int8-qat").unlink()
    record = made_variant(run, model, get_form("int8-qat"))
    assert "of other float32 weights" in record.failure
    assert "train it again: `python -m helpers train" in record.failure


def test_a_start_or_a_form_that_there_is_not_is_refused(run):
    with pytest.raises(LabError, match="int8-qut") as caught:
        train_asked(run, "int8-qut", "", {}, None)
    assert "'int8-qat'" in str(caught.value)
    with pytest.raises(LabError, match="was not trained here") as caught:
        train_asked(run, "int2-qat", "int4-qat", {}, None)
    assert "--form int4-qat" in caught.value.cure


def test_the_embedded_models_untrained_form_names_its_command(monkeypatch, tmp_path):
    monkeypatch.setattr(trained_codes, "EMBEDDED", tmp_path)
    monkeypatch.setattr(stage, "require_files", lambda *_: ())
    embedded = open_run("smoke", "untrained", variants=["int4-qat"])
    record = made_variant(embedded, embedded.models[0], get_form("int4-qat"))
    assert "`python -m helpers train --form int4-qat`" in record.failure
