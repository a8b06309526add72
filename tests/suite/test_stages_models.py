"""Of several models one that fails stops no other; whole measurements may fail, and are tried again."""

import dataclasses
import shutil
from typing import Any

import pytest

from helpers.download import stage as download
from helpers.energy import stage as measure
from helpers.energy import tables as summaries
from helpers.energy.checks import check_measure
from helpers.evaluate import stage as evaluate
from helpers.evaluate.checks import check_evaluate
from helpers.lab.errors import LabError
from helpers.lab.files import read_json
from helpers.lab.records import read_record
from helpers.models.families import find_files
from helpers.models.files.sources import SavedModelSource
from helpers.quantize import originals
from helpers.quantize import stage as quantize
from helpers.quantize.checks import check_quantize
from helpers.run.standing import made_models
from helpers.run.variants import BASELINE
from helpers.suite import ledger
from tests.support.finished_run import copy_run, finish, written_times

NOT_HAD = "files of .* are absent"


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


def with_twin(run, **changes):
    """The run with its model once more, first of the two, under the id ``twin``."""
    twin = dataclasses.replace(run.models[0], id="twin", **changes)
    return dataclasses.replace(run, models=(twin, *run.models)), twin, run.models[0]


def failures(run, model):
    return [quantize.read_variant(run, model, variant.id).failure for variant in run.variants]


def test_a_model_that_cannot_be_had_stops_no_other(finished, tmp_path, capsys):
    run, absent, good = with_twin(copy_run(finished, "one-absent"), source=SavedModelSource(str(tmp_path)))
    dataset = download.prepare_data(run)
    assert list(download.prepare_models(run, dataset)) == [good.id]
    assert "twin cannot be measured" in capsys.readouterr().out
    assert quantize.make_models(run) == (good,)
    first, *others = failures(run, absent)
    assert "are absent" in first
    assert all(reason.startswith(f"{BASELINE} failed: ") for reason in others)
    check_quantize(run)
    before = written_times(run.paths.folder / "variants")
    quantize.make_models(run)
    assert written_times(run.paths.folder / "variants") == before
    assert evaluate.score_models(run, dataset, evaluate.detect_models(run, dataset)) == (good,)
    check_evaluate(run)
    check_measure(run)
    with pytest.raises(LabError, match=NOT_HAD):
        made_models(dataclasses.replace(run, models=(absent,)))


def test_a_model_that_is_not_the_original_is_not_measured(finished):
    run, twin, good = with_twin(copy_run(finished, "unlike"))
    folder = run.paths.variant_file(good.id, BASELINE).parent
    shutil.copytree(folder, folder.with_name(twin.id))
    shutil.copy(folder / "int8.tflite", folder.with_name(twin.id) / "float32.tflite")
    assert list(originals.check_parities(run)) == [good.id]
    assert all(reason.startswith("not as the original model: ") for reason in failures(run, twin))
    assert made_models(run) == (good,)
    check_quantize(run)


def test_a_label_map_with_too_few_names_fails_its_model_before_its_variants_are_made(finished):
    (folder,) = find_files(finished.model, None)
    changes = {"categories": finished.model.categories[:3], "source": SavedModelSource(str(folder))}
    run, short, good = with_twin(copy_run(finished, "short"), **changes)
    assert quantize.make_models(run) == (good,)
    first, *others = failures(run, short)
    assert "the label map of twin has 3 names, and the network of twin has 12 classes" in first
    assert all(reason.startswith(f"{BASELINE} failed: ") for reason in others)


def test_a_measurement_that_fails_is_recorded_and_tried_again(finished, monkeypatch):
    run, raised = copy_run(finished, "unmeasured", ("measurements",)), [RuntimeError("the meter went away")]
    model = run.models[0]

    def fail(*arguments, **settings):
        raise raised[0]

    with monkeypatch.context() as patch:
        patch.setattr(measure, "measure_memory", fail)
        record = measure.memory(run, model)
        before = written_times(run.paths.folder / "measurements")
        measure.memory(run, model)
        assert written_times(run.paths.folder / "measurements") == before
        raised[0] = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            measure.memory(run, model)
    assert set(record.values.failures.values()) == {"RuntimeError: the meter went away"}
    assert "RuntimeError: the meter went away" in summaries.memory_table(run, model).to_string()
    assert ledger.failed_measurements(run) == {f"{model.id}, memory": "RuntimeError: the meter went away"}
    assert not measure.memory(run, model).values.failures
    assert not ledger.failed_measurements(run)


def test_labels_that_break_a_model_stop_that_model_alone(finished):
    """A float32 that cannot be run on the first photos, while its labels are looked at."""
    run, twin, good = with_twin(copy_run(finished, "one-broken"))
    folder = run.paths.variant_file(good.id, BASELINE).parent
    shutil.copytree(folder, folder.with_name(twin.id))
    (folder.with_name(twin.id) / "float32.tflite").write_bytes(b"\0\0\0\0TFL3" + b"\0" * 64)
    dataset = download.prepare_data(run)
    assert evaluate.score_models(run, dataset, evaluate.detect_models(run, dataset)) == (good,)
    path = run.paths.score_record(twin.id, BASELINE)
    assert read_record(path, Any, "").failure
    assert read_json(path, "")["values"] is None
    check_evaluate(run)
