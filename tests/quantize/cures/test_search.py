"""The search: what it keeps of planted faults, what it does where nothing helps, how it goes on."""

import json

import numpy as np
import pytest
import tensorflow as tf

from helpers.lab.records import jsonable, structured
from helpers.quantize.cures.agreement import Judge, detections, gain_of
from helpers.quantize.cures.candidates import CURES
from helpers.quantize.cures.draft import FLOAT_NAME, RECIPE_NAME, Draft
from helpers.quantize.cures.records import CureCourse
from helpers.quantize.cures.search import STATE, Search
from helpers.quantize.cures.workshop import Workshop, heads_of
from helpers.quantize.cures.writing import integer_content
from helpers.tasks.detection.tails.selection import Detections
from tests.support.faulty_networks import conv, converted, faulty, images

CHEAP = {
    name: cure for name, cure in CURES.items() if name in ("kernels", "equalize", "concatenations", "ranges")
}


def cells(heads) -> Detections:
    """A detection for each cell: its class by the largest of three outputs, its box by two more."""
    [out] = heads.values()
    rows = out.reshape(-1, 6).astype(float)
    rows = (rows - rows.mean(0)) / (rows.std(0) + 1e-9)
    order = np.argsort(-rows[:, 5], kind="stable")[:30]
    rows = rows[order]
    side = int(np.sqrt(out.size // 6))
    centre = np.stack(np.divmod(order, side), 1) / side + 0.02 * rows[:, 3:5]
    boxes = np.concatenate([centre - 0.05, centre + 0.05], 1).astype(np.float32)
    scores = (1 / (1 + np.exp(-rows[:, 5]))).astype(np.float32)
    return Detections(boxes, scores, (rows[:, :3].argmax(1) + 1).astype(np.int32))


def search_of(name: str, folder, cures=CHEAP, goal=0.001, only=(), key="a", photos=24) -> Search:
    float_file = folder / "float32.tflite"
    float_file.write_bytes(faulty(name))
    drawn = images(photos)
    shop = Workshop(float_file, drawn[::2], cures)
    judge = Judge.of(float_file, cells, drawn[1::2])

    def plain(output):
        shop.start().write(output)

    return Search(shop, judge, folder / "steps", float_file, plain, "int8", goal, key, len(drawn[::2]), only)


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("one_loud_channel", "equalize"),
        ("joined_branches", "equalize"),
        ("uneven_concatenation", "concatenations"),
    ],
)
def test_it_keeps_what_cures_the_planted_fault(name, cure, tmp_path):
    course = search_of(name, tmp_path).run()
    kept = [step.cure for step in course.steps]
    assert cure in kept
    gained = next(step for step in course.steps if step.cure == cure)
    assert gained.gain.low > 0
    assert course.steps[-1].agreement > course.steps[0].agreement + 10


def test_its_steps_are_files_that_do_what_is_recorded(tmp_path):
    search = search_of("one_loud_channel", tmp_path)
    course = search.run()
    for step in course.steps:
        assert float(search.judge.draws(search.folder / step.file)[0]) == pytest.approx(step.agreement)
    assert not list(search.folder.glob("try-*"))


def test_the_recipe_alone_makes_the_last_file_again(tmp_path):
    search = search_of("one_loud_channel", tmp_path)
    course = search.run()
    assert {RECIPE_NAME, FLOAT_NAME} <= {file.name for file in search.folder.iterdir()}
    draft = Draft.load(search.folder)
    made = integer_content(draft.content, draft.plan)
    assert made == (search.folder / course.steps[-1].file).read_bytes()
    both = (heads_of(each, images(2)) for each in (faulty("one_loud_channel"), draft.content))
    for before, after in zip(*both, strict=True):
        assert np.abs(before[0] - after[0]).max() <= 1e-5 * np.abs(before[0]).max()


def test_where_nothing_helps_it_says_so(tmp_path):
    course = search_of(
        "plain", tmp_path, {"kernels": CURES["kernels"], "concatenations": CURES["concatenations"]}
    ).run()
    assert [step.cure for step in course.steps] == ["int8", "kernels"]
    assert "none is shown to help" in course.stopped


def test_it_stops_where_the_goal_is_met(tmp_path):
    course = search_of("plain", tmp_path, CHEAP | {"mixed": CURES["mixed"]}, goal=9.0).run()
    assert "at most 9 AP points" in course.stopped
    assert "mixed" not in {trial.cure for trial in course.trials}


def interrupted_at(name: str):
    def cure(shop, draft):
        raise KeyboardInterrupt(name)

    return cure


@pytest.mark.parametrize("place", ["equalize", "concatenations", "ranges"])
def test_an_interrupted_search_goes_on_where_it_was(place, tmp_path):
    first, folder = tmp_path / "whole", tmp_path / "cut"
    first.mkdir()
    folder.mkdir()
    whole = search_of("one_loud_channel", first).run()
    with pytest.raises(KeyboardInterrupt):
        search_of("one_loud_channel", folder, CHEAP | {place: interrupted_at(place)}).run()
    tried = []

    def watched(name, cure):
        def run(shop, draft):
            tried.append(name)
            yield from cure(shop, draft)

        return run

    course = search_of("one_loud_channel", folder, {n: watched(n, c) for n, c in CHEAP.items()}).run()
    assert tried == list(CHEAP)[list(CHEAP).index(place) :]
    assert [(s.cure, s.told, s.agreement) for s in course.steps] == [
        (s.cure, s.told, s.agreement) for s in whole.steps
    ]


def test_what_was_searched_with_other_inputs_is_not_taken(tmp_path):
    search_of("one_loud_channel", tmp_path).run()
    state = (tmp_path / "steps" / STATE).read_bytes()
    course = search_of("one_loud_channel", tmp_path, key="b").run()
    assert (tmp_path / "steps" / STATE).read_bytes() != state
    assert len(course.trials) > 2


def test_named_cures_are_applied_whether_they_help_or_not(tmp_path):
    course = search_of("plain", tmp_path, only=("equalize", "ranges")).run()
    assert [step.cure for step in course.steps] == ["int8", "kernels", "equalize", "ranges"]
    assert "asked for" in course.stopped


def folded(x):
    """With an operator that has no gradient here, which bias correction has to walk through."""
    return conv(tf.abs(conv(x, 8, 1, strides=2)), 6, 9, size=1)


def test_a_cure_that_could_not_be_tried_is_a_row_of_the_record(tmp_path):
    search = search_of("plain", tmp_path, {name: CURES[name] for name in ("kernels", "bias")})
    search.float_file.write_bytes(converted(folded))
    course = search.run()
    [failed] = [trial for trial in course.trials if trial.told == "could not be tried"]
    assert failed.cure == "bias"
    assert "ABS" in failed.why
    assert "\n" not in failed.why
    again = structured(CureCourse, json.loads(json.dumps(jsonable(course))))
    assert np.isnan(again.trials[-1].agreement)
    assert again.steps == course.steps
    assert search.known_state().done == ("kernels", "bias")


def test_without_photos_to_choose_by_no_gain_is_told(tmp_path):
    search = search_of("one_loud_channel", tmp_path, only=("kernels", "equalize"))
    search.blind = "Too few photos."
    course = search.run()
    assert course.stopped == "Too few photos."
    assert course.held_back_photos == 0
    assert all(np.isnan(step.gain.value) for step in course.steps[1:])
    assert {trial.why for trial in course.trials if trial.kept} == {"applied without a choice"}


def test_what_an_interrupt_left_of_a_candidate_goes(tmp_path):
    search = search_of("plain", tmp_path)
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "try-ranges-0.tflite").write_bytes(b"half")
    search.run()
    assert not list((tmp_path / "steps").glob("try-*"))


def found(boxes, scores, classes) -> Detections:
    return Detections(np.float32(boxes).reshape(-1, 4), np.float32(scores), np.int32(classes))


def judge_of(wanted) -> Judge:
    return Judge([np.zeros(1)] * len(wanted), None, wanted)


def test_float32_agrees_with_itself_and_nothing_with_nothing():
    wanted = [found([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]], [0.9, 0.3], [1, 2])] * 3
    judge = judge_of(wanted)
    assert judge.draws_of(wanted)[0] == pytest.approx(100)
    assert judge.draws_of([found([], [], [])] * 3)[0] == 0
    other = [found([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]], [0.9, 0.3], [2, 1])] * 3
    assert judge.draws_of(other)[0] == 0


def test_a_gain_is_paired():
    wanted = [found([[0, 0, 0.5, 0.5]], [0.9], [1]), found([[0.2, 0.2, 0.7, 0.9]], [0.8], [1])] * 6
    worse = [wanted[0], found([], [], [])] * 6
    judge = judge_of(wanted)
    gain = gain_of(judge.draws_of(wanted), judge.draws_of(worse))
    assert gain.value > 40
    assert 0 < gain.low <= gain.value
    assert gain_of(judge.draws_of(worse), judge.draws_of(worse)).high == 0


def test_where_float32_finds_nothing_there_is_nothing_to_agree_on():
    nothing = [found([], [], [])] * 3
    judge = judge_of(nothing)
    assert not len(judge.objects)
    assert (judge.draws_of([found([[0, 0, 1, 1]], [0.9], [1])] * 3) == 0).all()


def test_detections_are_in_the_order_of_the_photos(tmp_path):
    file = tmp_path / "float32.tflite"
    file.write_bytes(faulty("plain"))
    drawn = images(7)
    together, one = detections(file, cells, drawn), [detections(file, cells, [photo])[0] for photo in drawn]
    for a, b in zip(together, one, strict=True):
        np.testing.assert_array_equal(a.boxes, b.boxes)
