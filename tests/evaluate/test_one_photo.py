"""One photo through a detector: which is opened, what suppression took, what is shown of it."""

import numpy as np
import pytest

from helpers.evaluate import one_photo
from helpers.models.interface import Interface
from helpers.photos.preprocessing import Preprocessing
from helpers.run.experiment import open_run
from helpers.tasks.detection.limits import Limits
from helpers.tasks.detection.tails.boxes_scores import BoxesScoresTail
from tests.support.tiny_models import SIZE

RUN = open_run("smoke", "one-photo")
PHOTO = np.zeros((60, 80, 3), np.uint8)
BEFORE = Preprocessing(SIZE, SIZE, (1 / 255,) * 3, (0.0,) * 3)
BOXES = np.float32([[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.52], [0.6, 0.6, 0.9, 0.9]])
SCORES = np.float32([[0.9, 0], [0.8, 0], [0, 0.4]])


def opened(**changes) -> one_photo.OnePhoto:
    tail = BoxesScoresTail(Limits())
    values = {
        "model": RUN.models[0],
        "image_id": 7,
        "path": RUN.paths.folder / "seven.jpg",
        "photo": PHOTO,
        "core": None,
        "interface": Interface(BEFORE, tail),
        "known": np.ones(12, bool),
        "truth": [],
        "stored": np.zeros((0, 5)),
    }
    return one_photo.OnePhoto(**values | changes)


def heads(boxes=BOXES, scores=SCORES) -> dict[str, np.ndarray]:
    return {"boxes": boxes[None], "scores": scores[None]}


def test_suppression_keeps_the_better_of_two_boxes_of_one_class():
    box = opened()
    before, after = box.before(heads()), box.after(heads())
    assert before.scores.tolist() == pytest.approx([0.9, 0.8, 0.4])
    assert after.scores.tolist() == pytest.approx([0.9, 0.4])
    assert one_photo.suppressed(box, before, after) == [(1, 0)]
    table = one_photo.best(box, before)
    names = RUN.models[0].categories
    assert table["class"].tolist() == [names[0], names[0], names[1]]
    assert table.loc[0, ["x", "y", "width", "height"]].tolist() == pytest.approx([8, 6, 32, 24])


def test_without_a_detection_there_are_tables_and_a_picture_all_the_same():
    box, nothing = opened(), heads(scores=np.zeros_like(SCORES))
    before, after = box.before(nothing), box.after(nothing)
    assert len(one_photo.best(box, before)) == len(one_photo.best(box, after)) == 0
    assert one_photo.suppressed(box, before, after) == []
    figure = one_photo.picture(RUN, box, before, after)
    assert [axes.get_title(loc="center") for axes in figure.axes] == [
        "ground truth", "before suppression", "after it",
    ]  # fmt: skip


def test_the_picture_draws_what_scores_enough():
    box = opened()
    figure = one_photo.picture(RUN, box, box.before(heads()), box.after(heads()))
    assert [len(axes.patches) for axes in figure.axes] == [0, 3, 2]


def test_a_class_without_a_name_is_told_by_its_number():
    assert one_photo.class_name(opened(), 99) == "class 99"


class Samples:
    """As much of a FiftyOne data set as is asked."""

    def __init__(self, *rows):
        self.rows = rows

    def values(self, _names):
        return [list(column) for column in zip(*self.rows, strict=True)]


@pytest.mark.parametrize(
    ("rows", "chosen", "told"),
    [
        ([(3, ["a"], [0.9]), (1, None, [0.9]), (2, ["a"], [0.2])], 3, False),
        ([(3, ["a"], [0.1]), (1, None, [0.9]), (2, ["a"], [0.2])], 2, False),
        ([(3, ["a"], []), (1, None, [0.9]), (2, ["a"], None)], 1, False),
        ([(1, ["a"] * 9, [0.9]), (2, ["a"], [0.8])], 2, False),
        ([(1, ["a"] * 9, [0.9]), (2, ["a"], [])], 1, False),
        ([(3, ["a"], []), (1, None, None)], 1, True),
    ],
)
def test_a_photo_is_chosen_on_which_there_is_something_to_see(rows, chosen, told, capsys):
    assert one_photo.choose(Samples(*rows), "float32_model") == chosen
    assert (one_photo.NOTHING_FOUND in capsys.readouterr().out) is told


def test_arrays_are_told_by_shape_dtype_and_range():
    assert one_photo.told(np.float32([[0, 0.25]])) == "[1, 2] float32, 0 to 0.25"
