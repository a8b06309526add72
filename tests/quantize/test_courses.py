"""What 02 tells of how cured forms were found."""

import pytest

from helpers.lab.intervals import Interval
from helpers.quantize import courses
from helpers.quantize.cures.records import CureCourse, CureStep
from helpers.run.cured_forms import CURES
from helpers.run.experiment import open_run
from helpers.run.variant_files import variant_file
from helpers.run.variants import baseline_of
from tests.support.finished_run import PROFILE, finish

GAIN = Interval(1.0, 0.5, 1.5, 0.9)


def course_of(*cures: str) -> CureCourse:
    steps = tuple(
        CureStep(cure, "", f"{n}-{cure}.tflite", 90.0, GAIN, 1.0, 1.0) for n, cure in enumerate(cures)
    )
    return CureCourse(steps, (), (), 8, 8, 1.0, "Done.")


def test_every_cure_has_words_and_no_two_the_same():
    assert {"int8", *CURES} == set(courses.CURE_WORDS)
    assert len(set(courses.CURE_WORDS.values())) == len(courses.CURE_WORDS)
    assert courses.cure_words("a cure of tomorrow") == "a cure of tomorrow"


def test_names_of_steps_tell_their_runtime_and_differ_where_a_cure_comes_twice():
    names = courses.step_names(course_of("int8", "ranges", "ranges"), "int8-cured@openvino")
    assert names == ["0-int8@openvino", "1-ranges@openvino", "2-ranges@openvino"]
    assert {baseline_of(name) for name in names} == {"float32@openvino"}
    assert courses.step_names(course_of("int8"), "int8+bias") == ["0-int8"]


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


@pytest.mark.pipeline
def test_the_table_has_every_candidate_and_the_recipe_lies_where_it_says(finished, capsys):
    run, model = finished.run, finished.model
    course = courses.courses(run, model)["int8-cured"]
    table = courses.trials_table(run, model)
    assert tuple(table.columns) == courses.TRIALS
    assert len(table) == 1 + len(course.trials)
    assert (table["kept"] == "yes").sum() == len(course.steps) - 1
    files = courses.recipe_files(run, model, "int8-cured")
    assert {file.suffix for file in files} == {".json", ".tflite"}
    courses.show_courses(run, run.models)
    told = capsys.readouterr().out
    assert course.stopped in told
    assert all(file.name in told for file in files)


@pytest.mark.pipeline
def test_a_cured_file_is_as_small_as_plain_int8s(finished):
    sizes = {
        variant: variant_file(finished.run, finished.model, variant).stat().st_size
        for variant in ("float32", "int8", "int8-cured")
    }
    assert sizes["int8-cured"] < 1.1 * sizes["int8"] < sizes["float32"]


@pytest.mark.pipeline
def test_without_cured_variants_there_is_a_line(finished, capsys):
    run = open_run(PROFILE, variants=["int8"])
    courses.show_courses(run, run.models)
    assert capsys.readouterr().out.strip() == courses.NONE
