"""The tail against TensorFlow's own non-maximum suppression, and against a plain slow one."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.models.parity import iou
from helpers.tasks.detection.boxes import decode_boxes, make_anchors
from helpers.tasks.detection.limits import Limits
from helpers.tasks.detection.tails import selection
from helpers.tasks.detection.tails.selection import Detections, top
from helpers.tasks.detection.tails.ssd import SSDTail

ANCHORS = make_anchors((8, 4), (0.2, 0.5), (1.0, 2.0))
CLASSES = 4
NMS_IOU, THRESHOLD, MOST = 0.6, 1e-3, 100


def make_tail(anchors: np.ndarray = ANCHORS, most: int = MOST) -> SSDTail:
    return SSDTail(anchors, Limits(NMS_IOU, THRESHOLD, most))


# Near 1 float32 scores of different logits are equal, and TensorFlow ranks scores: so tests against it
# stay at low logits.
def random_heads(seed: int, mean_logit: float = -2, step: float = 0) -> dict[str, np.ndarray]:
    """Heads of one image; a ``step`` rounds the logits, which makes ties as quantization does."""
    random = np.random.default_rng(seed)
    logits = random.normal(mean_logit, 3, (1, len(ANCHORS), CLASSES))
    logits = np.round(logits / step) * step if step else logits
    encodings = random.normal(0, 2, (1, len(ANCHORS), 4))
    return {"box_encodings": encodings.astype(np.float32), "class_logits": logits.astype(np.float32)}


def crowded_heads(places: int, per_place: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Heads and anchors of many boxes on few places: most of the best candidates suppress one another."""
    random = np.random.default_rng(5)
    side = int(np.ceil(places**0.5))
    centres = (np.stack(np.divmod(np.arange(places), side), 1) + 0.5) / side
    anchors = np.concatenate([centres, np.full((places, 2), 0.9 / side)], 1).repeat(per_place, axis=0)
    # The places are sorted by score, so that the first candidates are all on the first few places.
    logits = 1 - np.arange(places).repeat(per_place) * 6 / places + random.uniform(0, 0.1, len(anchors))
    encodings = random.normal(0, 0.02, (1, len(anchors), 4)).astype(np.float32)
    heads = {"box_encodings": encodings, "class_logits": logits.astype(np.float32)[None, :, None]}
    return heads, anchors.astype(np.float32)


def by_tensorflow(heads: dict, anchors: np.ndarray = ANCHORS) -> Detections:
    boxes = decode_boxes(heads["box_encodings"][0], anchors)
    kept = tf.image.combined_non_max_suppression(
        boxes[None, :, None], tf.sigmoid(heads["class_logits"]), MOST, MOST, NMS_IOU, THRESHOLD
    )
    count = int(kept.valid_detections[0])
    parts = (kept.nmsed_boxes, kept.nmsed_scores, kept.nmsed_classes)
    boxes, scores, classes = (part.numpy()[0, :count] for part in parts)
    return Detections(boxes, scores, classes.astype(np.int32) + 1)


def by_slow_search(heads: dict, most: int = MOST) -> Detections:
    """Greedy suppression, one candidate at a time; equal scores in the order of the heads."""
    logits = heads["class_logits"][0].ravel().astype(float)
    scores = 1 / (1 + np.exp(-logits))
    boxes = decode_boxes(heads["box_encodings"][0], ANCHORS)
    kept: list[int] = []
    for candidate in np.argsort(-logits, kind="stable"):
        anchor, label = divmod(candidate, CLASSES)
        rivals = [k // CLASSES for k in kept if k % CLASSES == label]
        free = not rivals or iou(boxes[[anchor]], boxes[rivals]).max() <= NMS_IOU
        if scores[candidate] > THRESHOLD and free and len(kept) < most:
            kept.append(candidate)
    found = np.array(kept, int)
    clipped = np.clip(boxes[found // CLASSES], 0, 1)
    return Detections(clipped, scores[found], found % CLASSES + 1)


def assert_same(ours: Detections, theirs: Detections) -> None:
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-6)
    np.testing.assert_array_equal(ours.classes, theirs.classes)
    np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=1e-6)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([-16, -10, -5]))
def test_detections_are_those_of_tensorflow(seed, mean_logit):
    heads = random_heads(seed, mean_logit)
    assert_same(make_tail()(heads), by_tensorflow(heads))


@settings(max_examples=8)
@given(st.integers(0, 10_000), st.sampled_from([0, 0.5, 2]))
def test_equal_scores_keep_the_order_of_the_heads(seed, step):
    heads = random_heads(seed, -3, step)
    assert_same(make_tail()(heads), by_slow_search(heads))


@settings(max_examples=8)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_fewer_detections_are_the_first_of_many(seed, most):
    heads = random_heads(seed, -3, 0.5)
    assert_same(make_tail(most=most)(heads), by_slow_search(heads, most))


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_equal_scores_have_tensorflows_scores(seed):
    heads = random_heads(seed, -2, 1.0)
    np.testing.assert_allclose(make_tail()(heads).scores, by_tensorflow(heads).scores, atol=1e-6)


@pytest.mark.parametrize(("places", "rounds"), [(60, 3), (150, 3), (1500, 1)])
def test_the_search_goes_on_until_enough_survive(places, rounds, monkeypatch):
    counts = []

    def counted_top(values, candidates, count):
        counts.append(count)
        return top(values, candidates, count)

    monkeypatch.setattr(selection, "top", counted_top)
    heads, anchors = crowded_heads(places, 3000 // places)
    ours = make_tail(anchors)(heads)
    assert counts == [400, 1600, 6400][:rounds]
    assert len(ours.scores) == min(places, MOST)
    assert_same(ours, by_tensorflow(heads, anchors))


def test_nothing_above_the_threshold_gives_empty_arrays_of_the_right_kind():
    heads = random_heads(0)
    heads["class_logits"][:] = -20
    found = make_tail()(heads)
    assert (found.boxes.shape, found.boxes.dtype) == ((0, 4), np.float32)
    assert (found.scores.shape, found.scores.dtype) == ((0,), np.float32)
    assert (found.classes.shape, found.classes.dtype) == ((0,), np.int32)


def test_detections_have_the_promised_kinds_and_ranges():
    found = make_tail()(random_heads(3, 2))
    assert (found.boxes.dtype, found.scores.dtype, found.classes.dtype) == (np.float32, np.float32, np.int32)
    assert len(found.scores) == MOST
    assert (np.diff(found.scores) <= 0).all()
    assert found.boxes.min() >= 0
    assert found.boxes.max() <= 1
    assert set(found.classes.tolist()) <= {1, 2, 3, 4}


def test_boxes_of_different_classes_do_not_suppress_one_another():
    anchors = np.array([[0.5, 0.5, 0.2, 0.2]] * 2, np.float32)
    heads = {"box_encodings": np.zeros((1, 2, 4), np.float32), "class_logits": np.full((1, 2, 2), -20.0)}
    heads["class_logits"][0, 0, 0], heads["class_logits"][0, 1, 1] = 2, 1
    assert make_tail(anchors)(heads).classes.tolist() == [1, 2]
    heads["class_logits"][0, 1] = -20, -20
    heads["class_logits"][0, 1, 0] = 1
    assert make_tail(anchors)(heads).classes.tolist() == [1]


def test_scores_at_the_threshold_are_dropped_and_above_it_kept():
    anchors = np.array([[0.2, 0.2, 0.1, 0.1], [0.8, 0.8, 0.1, 0.1]], np.float32)
    scores = np.array([0.0009, 0.0011])
    logits = np.log(scores / (1 - scores)).astype(np.float32)
    heads = {"box_encodings": np.zeros((1, 2, 4), np.float32), "class_logits": logits[None, :, None]}
    assert make_tail(anchors)(heads).scores == pytest.approx([0.0011], rel=1e-4)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=60), st.integers(1, 70), st.randoms())
def test_top_is_the_head_of_a_full_sort(values, count, random):
    values = np.array(values, np.float32)
    chosen = sorted(random.sample(range(len(values)), random.randint(0, len(values))))
    candidates = np.array(chosen, int)
    expected = candidates[np.argsort(-values[candidates], kind="stable")]
    best = top(values, candidates, count)
    assert len(best) >= min(count, len(candidates))
    np.testing.assert_array_equal(best, expected[: len(best)])
    # More than asked for come only where they tie with the last one.
    assert (values[best[count:]] == values[best[count - 1 : count]]).all()
