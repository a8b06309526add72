"""Milliseconds of the steps to a cured variant, of a finished run."""

import pytest

from helpers.energy import cured_steps
from helpers.lab.intervals import Absent
from helpers.quantize.courses import NONE, courses, step_files, step_names
from helpers.run.experiment import open_run
from tests.support.finished_run import PROFILE, copy_run, finish

pytestmark = pytest.mark.pipeline
VARIANT = "int8-cured"


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


def test_every_step_was_timed_in_the_same_rounds_as_float32(finished):
    run, model = finished.run, finished.model
    names = ["float32", *step_names(courses(run, model)[VARIANT], VARIANT)]
    raw = cured_steps.read_times(run, model, VARIANT).values
    assert list(raw.settings.variants) == names
    assert {raw.settings.baselines[name] for name in names} == {"float32"}
    assert all(set(played.visits) == set(names) for played in raw.rounds)
    assert raw.process_count >= 2
    found = cured_steps.summarize_steps(run, model, VARIANT)
    assert all(0 < found[name].p50_ms.value < 1000 for name in names)
    assert all(cured_steps.times_checks(run, model).values())
    assert len(cured_steps.times_table(run, model)) == len(names)


def test_what_is_current_is_not_measured_again(finished):
    run = copy_run(finished, "timed-again")
    path = cured_steps.times_record(run, run.models[0], VARIANT)
    before = path.stat().st_mtime_ns
    cured_steps.time_cures(run, run.models)
    assert path.stat().st_mtime_ns == before


def test_a_broken_step_fails_alone_and_one_that_is_gone_is_told(finished):
    run = copy_run(finished, "untimed")
    model = run.models[0]
    first, *_ = step_files(run, model, VARIANT, courses(run, model)[VARIANT]).items()
    first[1].write_bytes(b"no core")
    cured_steps.time_cures(run, run.models)
    found = cured_steps.summarize_steps(run, model, VARIANT)
    assert [name for name, each in found.items() if isinstance(each, Absent)] == [first[0]]
    first[1].unlink()
    cured_steps.time_cures(run, run.models)
    found = cured_steps.summarize_steps(run, model, VARIANT)
    assert all("02_quantize.ipynb" in each.reason for each in found.values())
    assert all(cured_steps.times_checks(run, model).values())


def test_without_cured_variants_there_is_a_line(finished, capsys):
    run = open_run(PROFILE, variants=["int8"])
    cured_steps.show_times(run, run.models)
    assert capsys.readouterr().out.strip() == NONE
    assert cured_steps.times_checks(run, run.models[0]) == {}
