"""Tails of cut graphs against plain loops that follow the definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.models.parity import iou
from helpers.tasks.detection.boxes import decode_boxes
from helpers.tasks.detection.tails.boxes_scores import BoxesScoresTail
from helpers.tasks.detection.tails.centernet import CenterNetTail
from helpers.tasks.detection.tails.per_class import select_per_class
from helpers.tasks.detection.tails.selection import Limits
from helpers.tasks.detection.tails.ssd import SSDTail

SEEDS = st.integers(0, 2**32 - 1)


def some_boxes(generator: np.random.Generator, count: int) -> np.ndarray:
    corners = generator.uniform(0, 0.5, (count, 2))
    return np.concatenate([corners, corners + generator.uniform(0.1, 0.5, (count, 2))], 1).astype(np.float32)


def greedy(boxes: np.ndarray, scores: np.ndarray, limits: Limits, most_per_class: int) -> list[tuple]:
    """(score, class, index) of what is kept: the definition of suppression, one box at a time."""
    kept = []
    for label in range(scores.shape[1]):
        mine = []
        for index in np.argsort(-scores[:, label]):
            overlaps = iou(boxes[index][None], boxes[mine])[0] if mine else np.zeros(1)
            free = overlaps.max() <= limits.nms_iou and len(mine) < most_per_class
            if free and scores[index, label] > limits.score_threshold:
                mine.append(index)
        kept += [(scores[index, label], label + 1, index) for index in mine]
    return sorted(kept, reverse=True)[: limits.most_detections]


@given(SEEDS, st.integers(1, 6), st.integers(1, 30))
def test_selection_with_a_limit_per_class_is_greedy_suppression(seed, most_per_class, most):
    generator = np.random.default_rng(seed)
    boxes, scores = some_boxes(generator, 40), generator.uniform(0, 1, (40, 3)).astype(np.float32)
    limits = Limits(0.5, 0.3, most)
    found, values, classes = select_per_class(scores, 0.3, lambda i: boxes[i], limits, most_per_class)
    wanted = greedy(boxes, scores, limits, min(most_per_class, most))
    np.testing.assert_allclose(values, [score for score, _, _ in wanted])
    np.testing.assert_array_equal(classes, [label for _, label, _ in wanted])
    np.testing.assert_array_equal(
        found, np.clip(boxes[[index for _, _, index in wanted]], 0, 1).reshape(-1, 4)
    )


@pytest.mark.parametrize("conversion", ["sigmoid", "softmax"])
@pytest.mark.parametrize("background", [False, True])
def test_ssd_scores_and_classes_follow_their_definitions(conversion, background):
    generator = np.random.default_rng(0)
    anchors = np.float32([[0.2, 0.2, 0.2, 0.2], [0.7, 0.7, 0.3, 0.3]])
    encodings, logits = (
        generator.normal(0, 1, (1, 2, 4)).astype("f"),
        generator.normal(0, 2, (1, 2, 4)).astype("f"),
    )
    tail = SSDTail(anchors, Limits(0.5, 0.01, 100), conversion, background, (4.0, 4.0, 2.0, 2.0))
    found = tail({"box_encodings": encodings, "class_logits": logits})
    wanted = {}
    for row in range(2):
        total = sum(math.exp(value) for value in logits[0, row])
        for channel in range(int(background), 4):
            odds = math.exp(logits[0, row, channel])
            score = odds / total if conversion == "softmax" else odds / (1 + odds)
            if score > 0.01:
                wanted[row, channel + 1 - background] = score
    boxes = np.clip(decode_boxes(encodings[0] * np.float32([2.5, 2.5, 2.5, 2.5]), anchors), 0, 1)
    rows = [int(np.abs(boxes - box).max(1).argmin()) for box in found.boxes]
    assert {*zip(rows, found.classes.tolist(), strict=True)} == set(wanted)
    np.testing.assert_allclose(found.scores, sorted(wanted.values(), reverse=True), rtol=1e-5)


@given(SEEDS, st.sampled_from([1, 3, 5]))
def test_centres_are_the_largest_of_their_square(seed, side):
    generator = np.random.default_rng(seed)
    heat = generator.normal(-1, 2, (1, 6, 7, 2)).astype(np.float32)
    offsets = generator.uniform(0, 1, (1, 6, 7, 2)).astype(np.float32)
    sizes = generator.uniform(-1, 4, (1, 6, 7, 2)).astype(np.float32)
    found = CenterNetTail(Limits(0.5, 0.1, 9), side)({"heat_map": heat, "offsets": offsets, "sizes": sizes})
    scores, wanted = 1 / (1 + np.exp(-heat[0].astype(float))), []
    for y, x, label in np.ndindex(6, 7, 2):
        square = scores[max(0, y - side // 2) : y + side // 2 + 1, max(0, x - side // 2) : x + side // 2 + 1]
        if scores[y, x, label] >= square[..., label].max() - 1e-6 and scores[y, x, label] > 0.1:
            (oy, ox), (h, w) = offsets[0, y, x], np.maximum(sizes[0, y, x], 0)
            box = [(y + oy - h / 2) / 6, (x + ox - w / 2) / 7, (y + oy + h / 2) / 6, (x + ox + w / 2) / 7]
            wanted.append((scores[y, x, label], label + 1, np.clip(box, 0, 1)))
    wanted = sorted(wanted, key=lambda entry: -entry[0])[:9]
    np.testing.assert_allclose(found.scores, [score for score, _, _ in wanted], rtol=1e-5)
    np.testing.assert_array_equal(found.classes, [label for _, label, _ in wanted])
    np.testing.assert_allclose(found.boxes, np.reshape([box for _, _, box in wanted], (-1, 4)), atol=1e-6)


def test_of_two_neighbours_with_almost_one_score_both_are_peaks():
    """As in the Object Detection API: scores within 1e-6 are equal, those farther apart are not."""
    for gap, count in ((4e-7, 2), (4e-6, 1)):
        heat = np.full((1, 4, 4, 1), -9, np.float32)
        heat[0, 1, 1:3, 0] = 0, 4 * gap  # the sigmoid's slope at 0 is a quarter
        heads = {
            "heat_map": heat,
            "offsets": np.zeros((1, 4, 4, 2), "f"),
            "sizes": np.ones((1, 4, 4, 2), "f"),
        }
        found = CenterNetTail(Limits(0.5, 0.1, 9))(heads)
        assert len(set(found.scores.tolist())) == len(found.scores) == count


def test_scores_of_a_core_that_decodes_lose_their_background():
    boxes = np.float32([[[0.1, 0.1, 0.4, 0.4], [0.5, 0.5, 0.9, 0.9]]])
    scores = np.float32([[[0.9, 0.02, 0.3], [0.1, 0.8, 0.0]]])
    found = BoxesScoresTail(Limits(0.5, 0.01, 100), background=True)({"boxes": boxes, "scores": scores})
    np.testing.assert_allclose(found.scores, [0.8, 0.3, 0.02])
    np.testing.assert_array_equal(found.classes, [1, 2, 1])
    np.testing.assert_array_equal(found.boxes, boxes[0][[1, 0, 0]])
