"""One labelled photo: the first with an object, its boxes on axes in pixels and in shares."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers.download import labelled_photo
from helpers.show.context import Context
from helpers.show.pictures import DrawnBox
from tests.support.figure_checks import lines_by_gid, overlapping

BOX = DrawnBox("ball", (20.0, 10.0, 30.0, 15.0))


class Samples(dict):
    """As much of a FiftyOne data set as is asked: id -> labels of its objects."""

    def values(self, _names):
        return [list(self), list(self.values_list())]

    def values_list(self):
        return dict.values(self)


@pytest.mark.parametrize(
    ("labels", "chosen"),
    [
        ({"a": None, "b": [], "c": ["ball"]}, "c"),
        ({"a": ["ball"], "b": ["cone"]}, "a"),
        ({"a": None, "b": []}, "a"),
    ],
)
def test_the_first_photo_with_an_object_is_opened(labels, chosen, capsys):
    samples = Samples(labels)
    assert labelled_photo.open_sample(samples) is samples[chosen]
    assert (labelled_photo.NO_OBJECT in capsys.readouterr().out) is not any(labels.values())


def test_a_sample_without_ground_truth_has_no_objects():
    assert labelled_photo.objects_of({"ground_truth": None}) == []
    assert labelled_photo.objects_of({"ground_truth": SimpleNamespace(detections=[1])}) == [1]


@pytest.mark.parametrize("boxes", [[], [BOX], [BOX, DrawnBox("cone", (50, 30, 10, 8), crowd=True)]])
@pytest.mark.parametrize("size", [(60, 80), (200, 50), (50, 200)])
def test_boxes_are_drawn_in_pixels_and_shares(boxes, size):
    figure = labelled_photo.draw_boxes(np.zeros((*size, 3), np.uint8), boxes, Context(run="r"))
    corners = lines_by_gid(figure).get("corner", [])
    assert [line.get_xydata().tolist() for line in corners] == [[[20.0, 10.0]]] * bool(boxes)
    assert f"{len(boxes)} labelled objects" in figure.caption
    figure.draw_without_rendering()
    (panel,) = figure.axes
    shares = {axes.get_xlim() for axes in panel.child_axes} | {axes.get_ylim() for axes in panel.child_axes}
    assert any(abs(end[1] - end[0]) == pytest.approx(1) for end in shares)
    assert [pair for pair in overlapping(figure) if "page" in pair] == []
