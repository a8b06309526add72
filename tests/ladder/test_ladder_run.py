"""07 of a finished run: its table against 03's and other software's, what is redone, and what fails alone."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from helpers.evaluate.labelled import read_labelled
from helpers.lab.errors import LabError
from helpers.lab.records import read_record
from helpers.ladder import stage, tables
from helpers.ladder.finding import find_all, shard_file
from helpers.ladder.records import Rung
from helpers.quantize import stage as quantize
from helpers.quantize.trained.trained_codes import codes_file
from helpers.run.experiment import open_run
from helpers.run.forms import TRAINED
from helpers.run.profiles import FEW_FORMS
from tests.support.finished_run import PROFILE, copy_run, finish, written_times

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


@pytest.fixture(scope="module")
def frame(finished) -> pd.DataFrame:
    return pd.read_csv(tables.table_file(finished.run))


@pytest.fixture(scope="module")
def ladder(finished) -> stage.Ladder:
    return stage.open_ladder(finished.run, finished.model)


def test_the_table_has_the_forms_of_the_profile_and_the_columns_that_are_promised(finished, frame):
    assert tuple(frame.columns) == tables.COLUMNS
    trained = {form for form in TRAINED if codes_file(finished.model, form).is_file()}
    assert set(frame["variant"]) == {"float32", *FEW_FORMS, *trained}
    assert frame["failed"].isna().all()
    assert (frame["size_bytes"].notna() == frame["deployable"]).all()
    small = frame.set_index("variant")["coded_bytes"]
    assert (
        small["binary"] < small["ternary"] < small["uniform-4-channel-lse"] < small["int8"] < small["float32"]
    )


def test_ap_is_that_of_03_for_every_variant_that_both_have(finished, frame):
    results = pd.read_csv(finished.folder / "results.csv").set_index("variant")
    own = frame.set_index("variant")
    for variant in ("float32", "float16", "int8"):
        assert own.loc[variant, "ap"] == pytest.approx(results.loc[variant, "ap"], abs=1e-12)
    for end in ("", "_low", "_high"):
        both = own.loc["int8", f"ap_diff{end}"], results.loc["int8", f"ap_diff{end}"]
        assert both[0] == pytest.approx(both[1], abs=1e-12)


def test_eight_bits_in_the_file_and_on_the_grid_are_one_form(frame):
    own = frame.set_index("variant")
    real, simulated = own.loc["int8-weights"], own.loc["uniform-8-channel-minmax"]
    assert abs(real["ap"] - simulated["ap"]) <= 0.0005
    assert real["weight_bits"] == pytest.approx(simulated["weight_bits"], abs=0.01)
    assert real["sqnr_db"] == pytest.approx(simulated["sqnr_db"], abs=0.1)


def test_the_labels_without_fiftyone_are_those_with_it(finished, ladder):
    labels = json.loads((stage.data_folders(finished.run).validation / "labels.json").read_text())
    assert list(ladder.labelled.photos) == sorted(image["id"] for image in labels["images"])
    assert len(ladder.labelled.objects.area) == len(labels["annotations"])
    few = read_labelled(stage.data_folders(finished.run).validation, finished.model.categories, 5)
    kept = [entry for entry in labels["annotations"] if entry["image_id"] in few.photos]
    assert (len(few.photos), len(few.objects.area)) == (5, len(kept))


def test_nothing_is_done_again_and_nothing_unfinished_is_left(finished, ladder):
    before = written_times(ladder.folder)
    stage.climb(ladder)
    assert written_times(ladder.folder) == before
    assert not list(ladder.working_folder.glob("*"))


def test_a_form_that_is_lost_is_made_again_alone(finished):
    run = copy_run(finished, "ladder-lost")
    own = stage.open_ladder(run, run.models[0])
    before = read_record(own.record_file("ternary"), Rung, "").values
    draws = np.load(own.draws_file("ternary"))
    own.draws_file("ternary").unlink()
    times = written_times(own.folder)
    stage.climb(own)
    after = written_times(own.folder)
    assert read_record(own.record_file("ternary"), Rung, "").values == before
    np.testing.assert_array_equal(np.load(own.draws_file("ternary")), draws)
    others = [name for name in times if not name.startswith("ternary.")]
    assert all(after[name] == times[name] for name in others)


def test_detections_that_are_there_are_not_looked_for_again(ladder, tmp_path):
    file = tmp_path / "ternary-0123.tflite"
    quantize.write_form(ladder.run, ladder.model, next(f for f in ladder.forms if f.id == "ternary"), file)
    assert find_all({"ternary": file}, ladder.interface, ladder.labelled) == {}
    first = shard_file(file, 0)
    written = first.stat().st_mtime_ns
    assert find_all({"ternary": file}, ladder.interface, ladder.labelled) == {}
    assert first.stat().st_mtime_ns == written
    first.write_bytes(first.read_bytes()[:100])
    find_all({"ternary": file}, ladder.interface, ladder.labelled)
    assert first.stat().st_size > 100


def test_a_form_that_fails_is_told_and_stops_no_other(finished, monkeypatch):
    run = copy_run(finished, "ladder-failing", ("ladder",))
    run = open_run(PROFILE, "ladder-failing", forms=["int8-weights", "int4-weights"])
    own = stage.open_ladder(run, run.models[0])
    plain = stage.make_files

    def failing(run, model, forms, files):
        for form, found in plain(run, model, forms, files):
            yield form, "no kernel for it" if form == "int4-weights" else found

    monkeypatch.setattr(stage, "make_files", failing)
    stage.climb(own)
    frame = tables.ladder_frame(run, [own]).set_index("variant")
    assert frame.loc["int4-weights", "failed"] == "no kernel for it"
    assert np.isnan(frame.loc["int4-weights", "ap"])
    assert frame.loc["int8-weights", "ap"] > 0.3
    assert "failed" in tables.shown(frame.reset_index()).columns


def test_a_file_that_cannot_be_run_fails_alone(ladder, tmp_path):
    broken, whole = tmp_path / "broken.tflite", ladder.float_file
    broken.write_bytes(whole.read_bytes()[:1000])
    copied = tmp_path / "whole.tflite"
    copied.write_bytes(whole.read_bytes())
    failures = find_all({"broken": broken, "whole": copied}, ladder.interface, ladder.labelled)
    assert list(failures) == ["broken"]
    assert shard_file(copied, 0).exists()


def test_the_forms_asked_for_are_those_compared_and_an_unknown_one_is_refused(finished):
    run = open_run(PROFILE, forms=["binary"])
    assert [form.id for form in stage.chosen_forms(run, run.models[0])] == ["float32", "binary"]
    with pytest.raises(LabError, match="int9"):
        open_run(PROFILE, forms=["int9"])


def test_every_form_of_a_model_that_has_no_ap_has_the_reason(finished, monkeypatch):
    monkeypatch.setattr(tables, "scored_failure", lambda run, model: "it found nothing")
    frame = tables.ladder_frame(finished.run, [])
    assert set(frame["failed"]) == {"it found nothing"}
    assert {"float32", *FEW_FORMS} <= set(frame["variant"])


def test_tables_of_several_models_name_them(ladder):
    one = tables.of_ladders(tables.claims_table, [ladder])
    assert "model" not in one
    other = dataclasses.replace(ladder, model=dataclasses.replace(ladder.model, id="other"))
    # The records are found by the model's id: here both are the same.
    other_folder = other.folder
    shutil.copytree(ladder.folder, other_folder, dirs_exist_ok=True)
    both = tables.of_ladders(tables.answers_table, [ladder, other])
    assert both["model"].unique().tolist() == [ladder.model.id, "other"]
    shutil.rmtree(other_folder)
