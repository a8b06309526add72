"""Which stages of a run are done, and what makes one run again."""

import dataclasses
import json
import shutil
from typing import Any

import pytest

from helpers.lab.errors import LabError
from helpers.lab.files import write_json
from helpers.lab.paths import NOTEBOOKS
from helpers.lab.records import read_record
from helpers.run.experiment import open_run
from helpers.suite import ledger
from helpers.suite.ledger import STAGES, finish, get_stage, read_stage, stage_origin, why_not_current
from helpers.suite.pipeline import made_files, notebook_parameters, reason_to_run, stage_times
from tests.support.finished_run import copy_run
from tests.support.finished_run import finish as finish_smoke

pytestmark = pytest.mark.pipeline

NAMES = list(STAGES)


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish_smoke(lab_data)


def not_current(run) -> dict[str, str]:
    """Stage -> why it has to run, of those that have to."""
    return {name: reason for name in NAMES if (reason := why_not_current(run, name))}


@pytest.fixture
def edited_notebooks(tmp_path, monkeypatch):
    """The notebooks' folder as a copy that may be edited."""
    folder = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOKS, folder)
    monkeypatch.setattr(ledger, "NOTEBOOKS", folder)
    return folder


def edit(folder, name: str, kind: str, added: str) -> None:
    path = folder / f"{name}.ipynb"
    notebook = json.loads(path.read_text())
    cell = [cell for cell in notebook["cells"] if cell["cell_type"] == kind][-1]
    cell["source"] = [*cell["source"], added]
    path.write_text(json.dumps(notebook))


def test_all_stages_of_a_finished_run_are_current(finished):
    assert not_current(finished.run) == {}
    assert all(reason_to_run(finished.run, stage) == "" for stage in STAGES.values())


def test_where_03_is_computed_makes_nothing_out_of_date(finished):
    away = dataclasses.replace(finished.run, scheduler="tcp://10.0.0.1:8786")
    assert not_current(away) == {}
    given = {name: notebook_parameters(away, stage) for name, stage in STAGES.items()}
    assert {name for name, each in given.items() if each.get("scheduler")} == {"03_evaluate"}


def test_stages_read_only_what_earlier_stages_write():
    for number, stage in enumerate(STAGES.values()):
        assert set(stage.upstream) <= set(NAMES[:number])


def test_no_stage_of_an_absent_run_has_been_run(finished):
    assert not_current(open_run("smoke", "absent")) == dict.fromkeys(NAMES, "not run yet")


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_stage_whose_input_is_missing_names_the_notebook_that_makes_it(finished, name):
    with pytest.raises(LabError) as caught:
        stage_origin(open_run("smoke", "absent"), get_stage(name))
    assert caught.value.cure == f"run {get_stage(name).upstream[0]}.ipynb first."


def test_edited_code_of_a_notebook_makes_that_stage_run_again(finished, edited_notebooks):
    assert not_current(finished.run) == {}
    edit(edited_notebooks, "03_evaluate", "code", "\nprint(1)")
    assert not_current(finished.run) == {"03_evaluate": "changed: inputs"}


def test_edited_prose_of_a_notebook_does_not(finished, edited_notebooks):
    edit(edited_notebooks, "03_evaluate", "markdown", "\nMore words.")
    assert not_current(finished.run) == {}


@pytest.mark.parametrize("change", [{"seed": 21}, {"resamples": 300}, {"latency_rounds": 7}], ids=str)
def test_a_changed_profile_is_noticed(finished, change):
    run = dataclasses.replace(finished.run, profile=dataclasses.replace(finished.run.profile, **change))
    reasons = not_current(run)
    assert reasons["05_compare"] == "changed: parameters"
    assert set(reasons.values()) == {"changed: parameters"}


def test_fewer_variants_are_another_experiment(finished):
    run = open_run("smoke", variants=["int8"])
    assert set(not_current(run).values()) == {"changed: parameters"}


@pytest.mark.parametrize("change", [{"threads": 2}, {"meter": "none"}, {"power_w": (1.0, 3.0)}], ids=str)
def test_options_of_measuring_concern_04_alone(finished, change):
    assert not_current(dataclasses.replace(finished.run, **change)) == {"04_energy": "changed: parameters"}


def test_other_outputs_of_a_stage_make_those_that_read_them_run_again(finished):
    run = copy_run(finished, "remeasured")
    path = run.paths.measurement_record(finished.model.id, "latency")
    content = json.loads(path.read_text())
    content["values"]["rounds"] = content["values"]["rounds"][:-1]
    write_json(path, content)
    assert not_current(run) == {"04_energy": "an output is missing or changed"}
    finish(run, "04_energy")
    assert not_current(run) == {"05_compare": "changed: inputs"}


def test_a_stage_that_wrote_the_same_again_makes_nothing_run(finished):
    run = copy_run(finished, "same-again")
    before = read_stage(run, "02_quantize")
    finish(run, "02_quantize")
    assert read_stage(run, "02_quantize").outputs == before.outputs
    assert not_current(run) == {}


@pytest.mark.parametrize(
    ("damage", "stage"),
    [
        ("variants/{model}/int8.tflite", "02_quantize"),
        ("variants/{model}/int8.json", "02_quantize"),
        ("scores/{model}/int8.npz", "03_evaluate"),
        ("measurements/{model}/energy.json", "04_energy"),
        ("figures/pareto.pdf", "05_compare"),
        ("results.csv", "05_compare"),
        ("report.html", "05_compare"),
    ],
)
def test_a_removed_output_makes_its_own_stage_run_again(finished, damage, stage):
    path = damage.format(model=finished.model.id)
    run = copy_run(finished, "damaged-output", without=(path,))
    assert not_current(run) == {stage: "an output is missing or changed"}


def test_an_output_that_changed_by_one_byte_is_noticed(finished):
    run = copy_run(finished, "one-byte")
    path = run.paths.evidence_file(finished.model.id, "int8")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert not_current(run) == {"03_evaluate": "an output is missing or changed"}


def test_a_missing_executed_copy_makes_the_stage_run_again(finished):
    run = copy_run(finished, "no-copy", without=("notebooks/04_energy.ipynb",))
    reasons = {name: reason_to_run(run, stage) for name, stage in STAGES.items()}
    assert {name: r for name, r in reasons.items() if r} == {"04_energy": "its executed copy is missing"}


def test_a_record_that_does_not_parse_counts_as_not_done(finished):
    run = copy_run(finished, "broken-record")
    run.paths.stage_record("04_energy").write_text('{"format": 1,')
    reasons = not_current(run)
    assert "not valid JSON" in reasons["04_energy"]
    assert set(reasons) == {"04_energy", "05_compare"}


def test_a_stage_without_all_its_outputs_cannot_be_marked_as_done(finished):
    run = copy_run(finished, "no-report", without=("report.html", "results.tex", "stages/05_compare.json"))
    with pytest.raises(LabError, match=r"05_compare wrote no results\.tex, report\.html"):
        finish(run, "05_compare")
    assert why_not_current(run, "05_compare") == "not run yet"


def test_a_stage_record_says_what_it_came_from_and_where(finished):
    record = read_record(finished.run.paths.stage_record("03_evaluate"), Any, "")
    assert set(record.origin.inputs) == {"notebook", "01_download", "02_quantize"}
    assert record.origin.parameters["profile"]["images"] == 40
    assert {"cpu", "packages", "commit", "time_utc", "host_id"} <= set(record.provenance)
    assert set(record.outputs) == {f"../{name}" for name in get_stage("03_evaluate").folders}


def test_the_time_of_every_stage_is_kept(finished):
    times = stage_times(finished.run)
    assert list(times) == NAMES
    assert all(seconds > 0 for seconds in times.values())


def test_made_files_are_there_and_start_with_the_report(finished):
    paths = made_files(finished.run)
    assert paths[0] == finished.run.paths.report
    assert all(path.is_file() for path in paths)
    assert len(set(paths)) == len(paths)
