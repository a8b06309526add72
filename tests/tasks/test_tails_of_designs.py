"""The tails of YOLOX, YOLOv5, YOLOv8, NanoDet and DETR: against loops, number by number."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.models.interface import tuples
from helpers.tasks.detection.limits import Limits
from helpers.tasks.detection.tails.cell_heads import CellHeadsTail
from helpers.tasks.detection.tails.cells import cell_places, expectations, grid_of
from helpers.tasks.detection.tails.found_rows import FoundRowsTail
from helpers.tasks.detection.tails.joined_rows import JoinedRowsTail
from helpers.tasks.detection.tails.queries import QueriesTail

EVERYTHING = Limits(nms_iou=1.0, score_threshold=1e-6, most_detections=10_000)
ANCHORS = (((10.0, 13.0), (16.0, 30.0)), ((30.0, 61.0), (62.0, 45.0)))


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def exponent_box(numbers, column, row, stride, _anchor, _offset):
    x, y, w, h = numbers
    return (column + x) * stride, (row + y) * stride, math.exp(w) * stride, math.exp(h) * stride


def anchor_box(numbers, column, row, stride, anchor, _offset):
    x, y, w, h = (2 * logistic(number) for number in numbers)
    return (column + x - 0.5) * stride, (row + y - 0.5) * stride, w * w * anchor[0], h * h * anchor[1]


def distance_box(numbers, column, row, stride, _anchor, offset):
    bins, away = len(numbers) // 4, []
    for side in range(4):
        powers = [math.exp(number) for number in numbers[side * bins : (side + 1) * bins]]
        away.append(sum(i * power for i, power in enumerate(powers)) / sum(powers) * stride)
    left, top, right, bottom = away
    x, y = (column + offset) * stride, (row + offset) * stride
    return x + (right - left) / 2, y + (bottom - top) / 2, left + right, top + bottom


BOXES = {"exponents": exponent_box, "anchors": anchor_box, "distances": distance_box}


def loops(tail: CellHeadsTail, heads: dict) -> list[tuple]:
    """Every (class, score, box) above the threshold, best first; boxes relative, clipped."""
    (height, width), found = tail.input_size, []
    for i, stride in enumerate(tail.strides):
        anchors = tail.anchors[i] if tail.anchors else ((0.0, 0.0),)
        _, _, rows, columns = heads[f"box_{i}"].shape
        numbers = heads[f"box_{i}"].shape[1] // len(anchors)
        for a, anchor in enumerate(anchors):
            for row in range(rows):
                for column in range(columns):
                    raw = heads[f"box_{i}"][0, a * numbers : (a + 1) * numbers, row, column].tolist()
                    x, y, w, h = BOXES[tail.decoding](raw, column, row, stride, anchor, tail.offset)
                    box = [
                        (y - h / 2) / height,
                        (x - w / 2) / width,
                        (y + h / 2) / height,
                        (x + w / 2) / width,
                    ]
                    sure = logistic(heads[f"objectness_{i}"][0, a, row, column]) if tail.objectness else 1.0
                    for label in range(tail.classes):
                        logit = heads[f"class_{i}"][0, a * tail.classes + label, row, column]
                        found.append((label + 1, sure * logistic(logit), np.clip(box, 0, 1)))
    return sorted((f for f in found if f[1] > tail.limits.score_threshold), key=lambda f: -f[1])


def heads_for(tail: CellHeadsTail, generator: np.random.Generator, bins: int = 1) -> dict[str, np.ndarray]:
    heads = {}
    for i, stride in enumerate(tail.strides):
        rows, columns = grid_of(tail.input_size, stride)
        for part, numbers in (("box", 4 * bins), ("objectness", 1), ("class", tail.classes)):
            count = numbers * tail.anchors_each
            heads[f"{part}_{i}"] = generator.normal(-0.5, 1.5, (1, count, rows, columns)).astype(np.float32)
    return heads


@st.composite
def tails(draw) -> tuple[CellHeadsTail, int]:
    """A tail of any design, and its bins."""
    decoding = draw(st.sampled_from(sorted(BOXES)))
    size, classes = (draw(st.integers(16, 40)), draw(st.integers(16, 40))), draw(st.integers(1, 4))
    facts = {
        "exponents": {"objectness": True},
        "anchors": {"objectness": True, "anchors": ANCHORS},
        "distances": {"offset": draw(st.sampled_from([0.0, 0.5])), "clipped": draw(st.booleans())},
    }[decoding]
    tail = CellHeadsTail(size, (8, 16), decoding, classes, EVERYTHING, **facts)
    return tail, draw(st.integers(2, 16)) if decoding == "distances" else 1


@settings(max_examples=30, deadline=None)
@given(tails(), st.integers(0, 2**32 - 1))
def test_boxes_and_scores_are_those_of_the_loops(drawn, seed):
    tail, bins = drawn
    heads = heads_for(tail, np.random.default_rng(seed), bins)
    wanted, found = loops(tail, heads), tail(heads)
    assert len(found.scores) == len(wanted)
    assert found.scores == pytest.approx([score for _, score, _ in wanted], rel=1e-4, abs=1e-6)
    by_class = [
        sorted((score, *box) for label, score, box in wanted if label == kind)
        for kind in range(1, tail.classes + 1)
    ]
    for kind, rows in enumerate(by_class, 1):
        ours = found.classes == kind
        table = np.column_stack([found.scores[ours], found.boxes[ours]])
        order = np.lexsort(table.T[::-1])
        assert table[order] == pytest.approx(np.array(rows).reshape(-1, 5), abs=2e-4)


@settings(max_examples=20, deadline=None)
@given(tails(), st.integers(0, 2**32 - 1))
def test_all_candidates_are_those_that_are_selected_from(drawn, seed):
    tail, bins = drawn
    heads = heads_for(tail, np.random.default_rng(seed), bins)
    boxes, scores = tail.candidates(heads)
    assert boxes.shape == (len(scores), 4)
    found = tail(heads)
    assert np.sort(found.scores) == pytest.approx(np.sort(scores[scores > 1e-6]), rel=1e-4)


@settings(max_examples=20, deadline=None)
@given(tails())
def test_a_tail_is_the_same_after_json(drawn):
    tail, _ = drawn
    values = {f.name: getattr(tail, f.name) for f in dataclasses.fields(tail) if f.name != "limits"}
    assert CellHeadsTail(**tuples(json.loads(json.dumps(values))), limits=tail.limits) == tail


@settings(max_examples=10, deadline=None)
@given(tails())
def test_an_image_without_objects_has_no_detections(drawn):
    tail, bins = drawn
    heads = {
        name: np.full_like(head, -40)
        for name, head in heads_for(tail, np.random.default_rng(0), bins).items()
    }
    assert tail(heads).boxes.shape == (0, 4)


def joined(tail: CellHeadsTail, heads: dict, scores_first: bool = False) -> np.ndarray:
    """Rows of heads as exporters join them, scores through their sigmoid."""
    parts = [tail.rows(heads, "box")]
    parts += [1 / (1 + np.exp(-tail.rows(heads, "objectness")))] if tail.objectness else []
    parts += [1 / (1 + np.exp(-tail.rows(heads, "class")))]
    return np.concatenate(parts[::-1] if scores_first else parts, 1)[None]


@pytest.mark.parametrize("columns_first", [False, True])
@pytest.mark.parametrize("decoding", ["exponents", "distances"])
def test_raw_rows_are_decoded_as_raw_heads(decoding, columns_first):
    bins, sure = (1, True) if decoding == "exponents" else (8, False)
    tail = CellHeadsTail((24, 32), (8, 16), decoding, 3, EVERYTHING, sure, clipped=True)
    heads = heads_for(tail, np.random.default_rng(3), bins)
    rows = joined(tail, heads, scores_first=not sure)
    ours = JoinedRowsTail(
        (24, 32), ("rows",), 3, EVERYTHING, decoding, objectness=sure, columns_first=columns_first,
        scores_first=not sure, strides=(8, 16), clipped=True,
    )  # fmt: skip
    found = ours({"rows": rows.transpose(0, 2, 1) if columns_first else rows})
    wanted = tail(heads)
    assert found.scores == pytest.approx(wanted.scores, abs=1e-6)
    assert found.boxes == pytest.approx(wanted.boxes, abs=1e-5)


ROW = [20.0, 10.0, 8.0, 4.0, 0.5, 0.8, 0.2]  # x, y, w, h, objectness, two classes
BOX = [8 / 40, 16 / 80, 12 / 40, 24 / 80]


def test_a_decoded_row_in_pixels():
    tail = JoinedRowsTail((40, 80), ("rows",), 2, EVERYTHING, objectness=True)
    found = tail({"rows": np.float32([[ROW]])})
    assert found.boxes == pytest.approx(np.array([BOX, BOX]))
    assert found.scores == pytest.approx([0.4, 0.1])
    assert found.classes.tolist() == [1, 2]


def test_a_decoded_row_relative_to_the_input_in_two_outputs():
    tail = JoinedRowsTail((40, 80), ("a", "b"), 2, EVERYTHING, pixels=False, columns_first=True)
    box = [[20 / 80], [10 / 40], [8 / 80], [4 / 40]]
    found = tail({"a": np.float32([box]), "b": np.float32([[[0.3], [0.6]]])})
    assert found.boxes == pytest.approx(np.array([BOX, BOX]))
    assert found.scores == pytest.approx([0.6, 0.3])
    assert found.classes.tolist() == [2, 1]


def test_a_row_of_corners():
    tail = JoinedRowsTail((40, 80), ("rows",), 1, EVERYTHING, "corners")
    assert tail({"rows": np.float32([[[16, 8, 24, 12, 0.9]]])}).boxes == pytest.approx(np.array([BOX]))


def test_classes_may_be_numbered_as_another_model_does():
    tail = JoinedRowsTail((40, 80), ("rows",), 2, EVERYTHING, objectness=True, numbers=(7, -1))
    assert tail({"rows": np.float32([[ROW]])}).classes.tolist() == [7]


def test_overlapping_boxes_of_one_class_leave_the_better():
    rows = np.float32([[[20, 20, 10, 10, 0.9, 0], [21, 20, 10, 10, 0.8, 0.7], [60, 20, 10, 10, 0.5, 0]]])
    limits = Limits(nms_iou=0.5, score_threshold=0.01)
    found = JoinedRowsTail((40, 80), ("rows",), 2, limits)({"rows": rows})
    assert found.scores == pytest.approx([0.9, 0.7, 0.5])
    assert found.classes.tolist() == [1, 2, 1]


QUERIES = {"boxes": np.float32([[[0.5, 0.25, 0.2, 0.1], [0.1, 0.1, 0.4, 0.2]]])}
QUERY_BOXES = [[0.2, 0.4, 0.3, 0.6], [0.0, 0.0, 0.2, 0.3]]


def test_each_pair_of_query_and_class_is_a_detection():
    logits = np.float32([[[2.0, -1.0], [0.0, -9.0]]])
    tail = QueriesTail(("boxes", "logits"), 2, Limits(1.0, 0.01, 3), "sigmoid")
    found = tail(QUERIES | {"logits": logits})
    assert found.scores == pytest.approx([logistic(2), 0.5, logistic(-1)])
    assert found.classes.tolist() == [1, 1, 2]
    assert found.boxes == pytest.approx(np.array([QUERY_BOXES[i] for i in (0, 1, 0)]), abs=1e-6)


def test_the_column_for_no_object_takes_its_share_and_is_no_class():
    logits = np.float32([[[0.0, math.log(2), math.log(5)], [0.0, -9.0, 9.0]]])
    tail = QueriesTail(("boxes", "logits"), 2, Limits(1.0, 0.01), "softmax")
    found = tail(QUERIES | {"logits": logits})
    assert found.scores == pytest.approx([2 / 8, 1 / 8])
    assert found.classes.tolist() == [2, 1]


def test_scores_that_are_finished_stay_as_they_are_in_one_output():
    rows = np.concatenate([QUERIES["boxes"], np.float32([[[0.3, 0.6], [0.0, 0.1]]])], 2)
    found = QueriesTail(("rows",), 2, Limits(1.0, 0.01), "none")({"rows": rows})
    assert found.scores == pytest.approx([0.6, 0.3, 0.1])


FOUND = [[16, 8, 24, 12, 0.4, 1], [0, 0, 80, 40, 0.9, 0], [0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize("batch", [True, False])
def test_rows_that_a_file_has_found_are_sorted(batch):
    rows = np.float32([FOUND] if batch else FOUND)
    found = FoundRowsTail((40, 80), ("rows",), 2, Limits())({"rows": rows})
    assert found.scores == pytest.approx([0.9, 0.4])
    assert found.classes.tolist() == [1, 2]
    assert found.boxes == pytest.approx(np.array([[0, 0, 1, 1], BOX]))


def test_a_file_that_has_found_nothing():
    found = FoundRowsTail((40, 80), ("rows",), 2, Limits())({"rows": np.zeros((0, 6), np.float32)})
    assert (found.boxes.shape, found.scores.shape) == ((0, 4), (0,))


def test_a_count_tells_how_many_rows_are_filled():
    table = np.float32(FOUND)
    heads = {"b": table[None, :, :4] / [80, 40, 80, 40], "s": table[None, :, 4], "c": table[None, :, 5]}
    tail = FoundRowsTail((40, 80), ("b", "s", "c", "n"), 2, Limits(), pixels=False)
    found = tail(heads | {"n": np.int32([1])})
    assert found.scores == pytest.approx([0.4])
    assert found.boxes == pytest.approx(np.array([BOX]))


@given(st.integers(1, 200), st.integers(1, 200), st.sampled_from([8, 16, 32, 64]), st.integers(1, 3))
def test_a_place_for_each_cell_and_anchor(height, width, stride, each):
    place = cell_places((height, width), (stride,), 0.5, each)
    rows, columns = grid_of((height, width), stride)
    assert len(place) == rows * columns * each
    assert place[-1, :2] * [width, height] == pytest.approx([(columns - 0.5) * stride, (rows - 0.5) * stride])


@given(st.integers(1, 16), st.integers(0, 15))
def test_a_distribution_of_one_bin_is_its_distance(bins, place):
    logits = np.full((1, 4, max(bins, 2)), -60.0, np.float32)
    logits[:, :, place % logits.shape[2]] = 0
    assert expectations(logits.reshape(1, -1))[0] == pytest.approx([place % logits.shape[2]] * 4)
