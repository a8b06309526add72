"""What is damaged or out of date on disk is noticed, made again, and never mixed with the rest."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from helpers.compare import stage as compare
from helpers.download import stage as download
from helpers.energy import stage as measure
from helpers.energy.records import Latency, read_measurement
from helpers.energy.rounds.partial import PartialRounds
from helpers.evaluate import stage as evaluate
from helpers.evaluate.records import Scored
from helpers.lab.errors import LabError
from helpers.lab.records import read_record
from helpers.quantize import stage as quantize
from helpers.run.profiles import get_profile
from helpers.tasks.detection.evidence import Evidence
from tests.support.finished_run import copy_run, finish, written_times

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


# --- damage on disk --------------------------------------------------------------------------------------


def test_a_removed_variant_is_made_again_with_the_same_bytes_and_the_others_are_kept(finished):
    run = copy_run(finished, "one-removed", (f"variants/{finished.model.id}/int8.tflite",))
    folder = run.paths.folder / "variants" / finished.model.id
    before = written_times(folder)
    quantize.make_variants(run, run.models[0])
    after = written_times(folder)
    assert {name for name in after if after[name] != before.get(name)} == {"int8.tflite", "int8.json"}
    whole = finished.run.paths.variant_file(finished.model.id, "int8")
    assert (folder / "int8.tflite").read_bytes() == whole.read_bytes()


def test_damaged_evidence_is_made_again_from_the_detections(finished):
    run = copy_run(finished, "bad-evidence")
    model, dataset = run.models[0], download.prepare_data(run)
    path = run.paths.evidence_file(model.id, "float16")
    whole, before = Evidence.load(path), written_times(run.paths.folder / "scores" / model.id)
    shards = written_times(run.paths.folder / "detections")
    path.write_bytes(path.read_bytes()[:100])
    evaluate.detect_all(run, model, dataset)
    evaluate.score_all(run, model, dataset)
    for name, values in vars(Evidence.load(path)).items():
        assert np.array_equal(values, getattr(whole, name))
    after = written_times(run.paths.folder / "scores" / model.id)
    made = {name for name in after if after[name] != before[name]}
    assert made == {"float16.npz", "float16.kinds.npz", "float16.json"}
    assert written_times(run.paths.folder / "detections") == shards


def test_a_damaged_shard_of_detections_is_made_again(finished):
    run = copy_run(finished, "bad-shard", ("scores",))
    model, dataset = run.models[0], download.prepare_data(run)
    shard = next(run.paths.detections_dir(model.id, "float16").glob("*.npz"))
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    evaluate.detect_all(run, model, dataset)
    scored = evaluate.score_all(run, model, dataset)
    expected = read_record(finished.run.paths.score_record(model.id, "float16"), Scored, "")
    assert scored["float16"].values.stats == expected.values.stats


def test_detections_of_an_earlier_file_of_the_variant_are_not_used(finished):
    """int8's file becomes float16's: its detections must be float16's then, and the old ones are removed."""
    run = copy_run(finished, "other-file", ("scores",))
    model, dataset = run.models[0], download.prepare_data(run)
    shutil.copy(run.paths.variant_file(model.id, "float16"), run.paths.variant_file(model.id, "int8"))
    old = next(run.paths.detections_dir(model.id, "int8").glob("*.npz"))
    evaluate.detect_all(run, model, dataset)
    assert not old.exists()
    work = evaluate.Progress(run, model, dataset)
    int8, float16 = (next(evaluate.load_detections(work, v)) for v in ("int8", "float16"))
    assert np.array_equal(int8.score, float16.score)
    assert np.array_equal(int8.bbox, float16.bbox)


def test_rounds_of_an_interrupted_measurement_are_kept(finished):
    run = copy_run(finished, "interrupted", ("measurements",))
    model = run.models[0]
    stored = read_measurement(finished.run, model, Latency)
    path = run.paths.measurement_record(model.id, "latency")
    raw = dataclasses.replace(stored.values, rounds=stored.values.rounds[:4])
    PartialRounds(path.with_suffix(".partial"), stored.origin, Latency).keep(raw)
    record = measure.latency(run, model)
    assert record.values.rounds[:4] == raw.rounds
    assert len(record.values.rounds) == get_profile("smoke").latency_rounds
    assert record.values.rounds[4] != stored.values.rounds[4]
    assert not path.with_suffix(".partial").exists()


def test_rounds_of_another_measurement_are_not_used(finished):
    run = copy_run(finished, "other-rounds", ("measurements",))
    model = run.models[0]
    stored = read_measurement(finished.run, model, Latency)
    path = run.paths.measurement_record(model.id, "latency")
    other = dataclasses.replace(stored.origin, parameters={"rounds": 99})
    PartialRounds(path.with_suffix(".partial"), other, Latency).keep(stored.values)
    record = measure.latency(run, model)
    assert record.values.rounds[0] != stored.values.rounds[0]


def test_records_of_two_machines_are_not_put_into_one_table(finished):
    run = copy_run(finished, "two-machines")
    path = run.paths.measurement_record(finished.model.id, "latency")
    content = json.loads(path.read_text())
    content["origin"]["setting"]["host_id"] = "another"
    path.write_text(json.dumps(content))
    with pytest.raises(LabError, match="records of different hosts or library versions") as caught:
        compare.build_results(run)
    assert "--run two-machines" in caught.value.cure
