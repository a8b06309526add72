"""The steps to a cured variant on the evaluation photos, of a finished run."""

import dataclasses

import numpy as np
import pytest

from helpers.evaluate import cured_steps
from helpers.evaluate.stage import read_score
from helpers.quantize.courses import NONE, courses, step_files
from helpers.run.experiment import open_run
from tests.support.finished_run import PROFILE, copy_run, finish, written_times

pytestmark = pytest.mark.pipeline
VARIANT = "int8-cured"


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


def scores_of(run) -> list[cured_steps.StepScore]:
    return list(cured_steps.read_steps(run, run.models[0], VARIANT).values.steps)


def test_every_step_has_an_ap_and_the_ends_have_that_of_03(finished):
    run, model = finished.run, finished.model
    found = scores_of(run)
    assert [step.failure for step in found] == [""] * (1 + len(courses(run, model)[VARIANT].steps))
    for place, variant in ((0, "float32"), (-1, VARIANT)):
        own = read_score(run, model, variant).values
        assert found[place].ap == pytest.approx(own.stats["ap"], abs=1e-12)
        assert (found[place].worst, found[place].best) == pytest.approx(own.tie_bounds)
        assert found[place].distinct_scores == own.distinct_scores
    assert all(step.worst <= step.ap <= step.best for step in found[1:])
    assert all(cured_steps.last_step_checks(run, model).values())


def test_draws_are_of_the_same_photos_for_all(finished):
    draws = cured_steps.read_draws(finished.run, finished.model, VARIANT)
    assert draws.shape == (len(scores_of(finished.run)), 1 + finished.run.profile.resamples)
    assert np.isfinite(draws).all()
    together = np.corrcoef(draws[:, 1:])
    assert together.min() > 0.5  # a hard set of photos is hard for all


def test_what_is_current_is_not_redone(finished):
    run = copy_run(finished, "again")
    before = written_times(run.paths.folder / "scores")
    cured_steps.score_cures(run, run.models)
    assert written_times(run.paths.folder / "scores") == before


def test_on_fewer_photos_the_last_step_is_held_against_the_same_few(finished):
    run = copy_run(finished, "fewer-photos")
    run = dataclasses.replace(run, profile=dataclasses.replace(run.profile, ladder_images=25))
    cured_steps.score_cures(run, run.models)
    record = cured_steps.read_steps(run, run.models[0], VARIANT).values
    whole = read_score(run, run.models[0], VARIANT).values
    assert record.photos == 25 < whole.images
    assert record.steps[-1].ap != whole.stats["ap"]
    assert all(cured_steps.last_step_checks(run, run.models[0]).values())


def test_a_broken_step_fails_alone(finished):
    run = copy_run(finished, "broken-step")
    model = run.models[0]
    files = step_files(run, model, VARIANT, courses(run, model)[VARIANT])
    next(iter(files.values())).write_bytes(b"no core")
    cured_steps.score_cures(run, run.models)
    failed = [bool(step.failure) for step in scores_of(run)]
    assert failed == [False, True] + [False] * (len(failed) - 2)
    table = cured_steps.steps_table(run, model)
    assert table["failed"].astype(bool).tolist() == failed
    assert all(cured_steps.last_step_checks(run, model).values())


def test_a_step_that_is_gone_is_told_with_the_cure(finished):
    run = copy_run(finished, "gone-step")
    model = run.models[0]
    files = step_files(run, model, VARIANT, courses(run, model)[VARIANT])
    next(iter(files.values())).unlink()
    cured_steps.score_cures(run, run.models)
    record = cured_steps.read_steps(run, model, VARIANT)
    assert "run 02_quantize.ipynb again" in record.failure
    assert "does not exist" in cured_steps.steps_table(run, model)["failed"].iloc[0]


def test_without_cured_variants_there_is_a_line(finished, capsys):
    run = open_run(PROFILE, variants=["int8"])
    cured_steps.show_steps(run, run.models)
    assert capsys.readouterr().out.strip() == NONE
    assert cured_steps.last_step_checks(run, run.models[0]) == {}
