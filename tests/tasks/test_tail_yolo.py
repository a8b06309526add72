"""YOLO's tail: against loops as in Darknet's C, and against OpenCV's region layer."""

import dataclasses
import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.models.darknet.architecture import parse_architecture
from helpers.models.darknet.opencv import detections, from_memory, with_threshold
from helpers.models.interface import tuples
from helpers.tasks.detection.tails.selection import Limits
from helpers.tasks.detection.tails.yolo import YoloTail
from tests.models.darknet.generate import convolution, head, net, opencv_rows, two_scales, weights_for

EVERYTHING = Limits(nms_iou=1.0, score_threshold=1e-3, most_detections=10_000)


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def loops(tail: YoloTail, heads: dict) -> list[tuple]:
    """Every (class, score, box) above the threshold, number by number, best first."""
    (height, width), found = tail.input_size, []
    for i, (rows, columns) in enumerate(tail.grids):
        stretch, n = tail.scale_x_y[i], 0
        for row in range(rows):
            for column in range(columns):
                for anchor_w, anchor_h in tail.anchors[i]:
                    tx, ty, tw, th = heads[f"box_{i}"][0, n].tolist()
                    x = (column + logistic(tx) * stretch - (stretch - 1) / 2) / columns
                    y = (row + logistic(ty) * stretch - (stretch - 1) / 2) / rows
                    w, h = math.exp(tw) * anchor_w / width, math.exp(th) * anchor_h / height
                    box = [y - h / 2, x - w / 2, y + h / 2, x + w / 2]
                    likely = logistic(float(heads[f"objectness_{i}"][0, n, 0]))
                    for label, logit in enumerate(heads[f"class_{i}"][0, n].tolist(), start=1):
                        found.append((label, likely * logistic(logit), box))
                    n += 1
    return sorted((f for f in found if f[1] > tail.limits.score_threshold), key=lambda f: -f[1])


def heads_for(tail: YoloTail, rng: np.random.Generator, size: float = 3.0) -> dict[str, np.ndarray]:
    heads = {}
    for i, ((rows, columns), anchors) in enumerate(zip(tail.grids, tail.anchors, strict=True)):
        count = rows * columns * len(anchors)
        for part, numbers in (("box", 4), ("objectness", 1), ("class", tail.classes)):
            values = rng.normal(-0.5, size if part != "box" else 1.0, (1, count, numbers))
            heads[f"{part}_{i}"] = values.astype(np.float32)
    return heads


@st.composite
def tails(draw, limits: Limits = EVERYTHING) -> YoloTail:
    count = draw(st.integers(1, 2))
    side = st.integers(1, 4)
    pixels = st.floats(1, 60).map(lambda x: round(x, 1))
    anchors = st.lists(st.tuples(pixels, pixels), min_size=1, max_size=3).map(tuple)
    return YoloTail(
        input_size=(draw(st.integers(32, 64)), draw(st.integers(32, 64))),
        grids=tuple(draw(st.tuples(side, side)) for _ in range(count)),
        anchors=tuple(draw(anchors) for _ in range(count)),
        scale_x_y=tuple(draw(st.sampled_from([1.0, 1.05, 1.2, 2.0])) for _ in range(count)),
        classes=draw(st.integers(1, 4)),
        limits=limits,
    )


@given(tails(), st.integers(0, 999))
def test_boxes_and_scores_are_darknets(tail, seed):
    heads = heads_for(tail, np.random.default_rng(seed))
    want, got = loops(tail, heads), tail(heads)
    # With an IoU limit of 1 nothing is suppressed, and the order is that of the scores.
    assert got.classes.tolist() == [label for label, _, _ in want]
    np.testing.assert_allclose(got.scores, [score for _, score, _ in want], rtol=1e-5)
    boxes = np.clip(np.reshape([box for *_, box in want], (-1, 4)), 0, 1)
    np.testing.assert_allclose(got.boxes, boxes, atol=1e-5)


@given(st.integers(0, 5), st.floats(0.002, 0.6), st.floats(0.2, 0.8))
def test_the_limits_hold(seed, threshold, iou):
    limits = Limits(nms_iou=iou, score_threshold=threshold, most_detections=7)
    tail = YoloTail((64, 64), ((4, 4), (8, 8)), (((30, 30), (20, 9)),) * 2, (1.0, 1.1), 2, limits)
    heads = heads_for(tail, np.random.default_rng(seed))
    got, want = tail(heads), greedy(loops(tail, heads), limits)
    assert got.classes.tolist() == [label for label, _, _ in want]
    np.testing.assert_allclose(got.scores, [score for _, score, _ in want], rtol=1e-5)


def greedy(found: list[tuple], limits: Limits) -> list[tuple]:
    kept = []
    for label, score, box in found:
        if all(label != other or overlap(box, rival) <= limits.nms_iou for other, _, rival in kept):
            kept.append((label, score, box))
    return kept[: limits.most_detections]


def overlap(a: list[float], b: list[float]) -> float:
    height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(height, 0) * max(width, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return shared / max(sum(areas) - shared, 1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_tail_equals_opencvs_region_layer(seed):
    cfg, limits = (
        net(40, 56) + convolution(8, 3, 2) + head(scale_x_y=1.2) + two_scales(),
        Limits(nms_iou=0.45),
    )
    architecture = parse_architecture(cfg, "a.cfg")
    weights = weights_for(architecture, seed)
    image = np.random.default_rng(seed).random((1, *architecture.image), np.float32)
    yolos = architecture.yolos
    heads = {}
    for i, rows in enumerate(opencv_rows(cfg, weights, architecture, image)):
        heads |= {f"box_{i}": rows[None, :, :4], f"objectness_{i}": rows[None, :, 4:5]}
        heads |= {f"class_{i}": rows[None, :, 5:]}
    tail = YoloTail(
        architecture.image[:2],
        tuple(yolo.shape[:2] for yolo in yolos),
        tuple(yolo.anchors for yolo in yolos),
        tuple(yolo.scale_x_y for yolo in yolos),
        yolos[0].classes,
        limits,
    )
    network = from_memory(with_threshold(cfg, limits.score_threshold), weights)
    network.setInput(np.ascontiguousarray(image.transpose(0, 3, 1, 2)))
    want = detections(np.concatenate(network.forward(network.getUnconnectedOutLayersNames())), limits)
    got = tail(heads)
    assert len(want.scores) > 20
    np.testing.assert_allclose(got.scores, want.scores, atol=1e-6)
    assert got.classes.tolist() == want.classes.tolist()
    np.testing.assert_allclose(got.boxes, want.boxes, atol=1e-5)


def test_nothing_above_the_threshold_gives_no_detections():
    tail = YoloTail((32, 32), ((2, 2),), (((8, 8),),), (1.0,), 3, Limits())
    heads = {name: values - 40 for name, values in heads_for(tail, np.random.default_rng(0)).items()}
    got = tail(heads)
    assert (got.boxes.shape, got.scores.shape, got.classes.shape) == ((0, 4), (0,), (0,))


@given(st.integers(0, 99))
def test_numbers_beyond_all_measure_give_boxes_and_no_warning(seed):
    tail = YoloTail((32, 32), ((3, 2),), (((8, 8), (20, 9)),), (1.1,), 3, Limits())
    rng = np.random.default_rng(seed)
    heads = {name: values * 1000 for name, values in heads_for(tail, rng).items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = tail(heads)
    assert np.isfinite(got.boxes).all()
    assert ((got.boxes >= 0) & (got.boxes <= 1)).all()
    assert ((got.scores > 1e-3) & (got.scores <= 1)).all()


@given(tails())
def test_a_tail_survives_json(tail):
    values = {field.name: getattr(tail, field.name) for field in dataclasses.fields(tail)}
    limits = values.pop("limits")
    assert YoloTail(**tuples(json.loads(json.dumps(values))), limits=limits) == tail
