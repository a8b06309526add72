"""Pictures of photos with boxes: the right boxes, every image."""

import numpy as np
import pytest

from helpers.compare.figures import catalogue as figures
from tests.support.example_results import (
    CONTEXT,
)
from tests.support.figure_checks import pictures


def test_detections_grid_draws_boxes_above_the_score_and_no_others():
    box = figures.DrawnBox("cup", (10, 20, 30, 15))
    detections = [[box._replace(score=0.9), box._replace(score=0.1)], []]
    panels = {"ground truth": [[box], [box._replace(crowd=True)]], "int8": detections}
    figure = figures.detections_grid(pictures(), panels, CONTEXT, titles=["a", "b"])
    counts = [len(axes.patches) for axes in figure.axes]
    assert counts == [1, 1, 1, 0]
    [drawn_box] = figure.axes[1].patches
    assert drawn_box.get_bbox().bounds == (10, 20, 30, 15)
    assert [t.get_text() for t in figure.axes[1].texts] == ["cup 0.90"]


def test_detections_grid_gives_each_row_the_height_of_its_image_and_its_title():
    tall, wide = np.zeros((90, 60, 3), np.uint8), np.zeros((30, 60, 3), np.uint8)
    figure = figures.detections_grid([tall, wide], {"int8": [[], []]}, CONTEXT, titles=["a: −0.02", "b"])
    figure.draw_without_rendering()
    heights = [axes.get_window_extent().height for axes in figure.axes]
    assert heights[0] == pytest.approx(3 * heights[1], rel=0.02)
    assert [axes.get_xlabel() for axes in figure.axes] == ["a: −0.02", "b"]


def test_contact_sheet_shows_every_image_and_empty_places_stay_empty():
    figure = figures.contact_sheet(pictures(5), [[[1, 2, 10, 12]]] * 5, [["cup"]] * 5, CONTEXT, columns=3)
    assert [len(axes.patches) for axes in figure.axes] == [1, 1, 1, 1, 1, 0]
    assert not figure.axes[5].axison
