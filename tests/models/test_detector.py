"""The embedded detector: its network, its anchors, its loss."""

import numpy as np
import pytest
import tensorflow as tf

from helpers.models.embedded.architecture import CLASSES, INPUT_SIDE, PRIOR_SCORE, anchors, build_network
from helpers.models.embedded.loss import detection_loss, encode, focal_loss, match, overlaps, smooth_l1
from helpers.models.embedded.training import load_photos
from helpers.models.parity import iou

ANCHORS = anchors()


@pytest.fixture(scope="module")
def network():
    return build_network()


def random_objects(seed: int, count: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """One image's boxes ``[1, 16, 4]`` and labels ``[1, 16]``, padded as training pads them."""
    random = np.random.default_rng(seed)
    boxes, labels = np.zeros((1, 16, 4), np.float32), np.zeros((1, 16), np.int32)
    sides = random.uniform(0.08, 0.7, (count, 2))
    low = random.uniform(0, 1, (count, 2)) * (1 - sides)
    boxes[0, :count] = np.concatenate([low, low + sides], 1)
    labels[0, :count] = random.integers(1, CLASSES + 1, count)
    return boxes, labels


def matched(boxes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    classes, targets = match(tf.constant(boxes), tf.constant(labels), tf.constant(ANCHORS))
    return classes.numpy()[0], targets.numpy()[0]


def anchor_corners() -> np.ndarray:
    return np.concatenate([ANCHORS[:, :2] - ANCHORS[:, 2:] / 2, ANCHORS[:, :2] + ANCHORS[:, 2:] / 2], 1)


def test_the_network_answers_once_per_anchor(network):
    assert network.input_shape == (None, INPUT_SIDE, INPUT_SIDE, 3)
    encodings, logits = network.output_shape
    assert encodings == (None, len(ANCHORS), 4)
    assert logits == (None, len(ANCHORS), CLASSES)


def test_the_network_starts_at_the_prior_score(network):
    image = np.zeros((1, INPUT_SIDE, INPUT_SIDE, 3), np.float32)
    _, logits = network(image, training=False)
    assert tf.sigmoid(logits).numpy().mean() == pytest.approx(PRIOR_SCORE, rel=0.2)


def test_the_files_weights_stay_small(network):
    assert 2 * network.count_params() < 4_000_000


def test_overlap_is_that_of_an_independent_calculation():
    boxes, _ = random_objects(3)
    ours, covered = overlaps(tf.constant(boxes[:, :8]), tf.constant(ANCHORS))
    np.testing.assert_allclose(ours.numpy()[0], iou(anchor_corners(), boxes[0, :8]), atol=1e-5)
    assert covered.numpy().max() <= 1 + 1e-5
    everything = tf.constant([[[-1.0, -1, 2, 2]]])
    np.testing.assert_allclose(overlaps(everything, tf.constant(ANCHORS))[1].numpy(), 1, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_an_object_alone_has_an_anchor_of_its_class(seed):
    boxes, labels = random_objects(seed, count=1)
    classes, targets = matched(boxes, labels)
    assert (classes == labels[0, 0]).any()
    np.testing.assert_array_equal(np.unique(targets[classes > 0], axis=0), boxes[0, :1])


def test_every_drawn_object_has_an_anchor_of_its_class(drawn_photos):
    _, boxes, labels = load_photos(drawn_photos)
    for i in range(len(labels)):
        classes, targets = matched(boxes[i : i + 1], labels[i : i + 1])
        for box, label in zip(boxes[i], labels[i], strict=True):
            assert label <= 0 or ((classes == label) & (targets == box).all(1)).any()


@pytest.mark.parametrize("seed", range(5))
def test_positive_anchors_overlap_and_background_does_not(seed):
    boxes, labels = random_objects(seed)
    classes, targets = matched(boxes, labels)
    overlap = iou(anchor_corners(), boxes[0, :8])
    assert (overlap[classes == 0] < 0.4 + 1e-5).all()
    assert (classes[(overlap > 0.5 + 1e-5).any(1)] > 0).all()
    positive = np.flatnonzero(classes > 0)
    own = np.array([iou(anchor_corners()[[i]], targets[[i]])[0, 0] for i in positive])
    assert own.min() > 0.1
    assert set(classes[positive]) <= set(labels[0, :8])


def test_padding_is_never_matched():
    boxes, labels = np.zeros((1, 16, 4), np.float32), np.zeros((1, 16), np.int32)
    assert (matched(boxes, labels)[0] == 0).all()
    boxes[0, 0], labels[0, 0] = (0.3, 0.3, 0.6, 0.6), 5
    classes, targets = matched(boxes, labels)
    assert set(classes) <= {5, 0, -1}
    np.testing.assert_array_equal(np.unique(targets[classes > 0], axis=0), boxes[0, :1])


def test_anchors_in_a_crowd_are_ignored_and_others_are_not():
    boxes, labels = np.zeros((1, 16, 4), np.float32), np.zeros((1, 16), np.int32)
    boxes[0, 0], labels[0, 0] = (0, 0, 1, 0.5), -1
    classes, _ = matched(boxes, labels)
    top, left, bottom, right = anchor_corners().T
    height, width = np.minimum(bottom, 1) - np.maximum(top, 0), np.minimum(right, 0.5) - np.maximum(left, 0)
    share = height * np.maximum(width, 0) / ANCHORS[:, 2:].prod(1)
    assert (classes[share > 0.51] == -1).all()
    assert (classes[share < 0.49] == 0).all()
    assert 0 < (classes == -1).mean() < 1


def test_an_object_inside_a_crowd_is_still_learned():
    boxes, labels = np.zeros((1, 16, 4), np.float32), np.zeros((1, 16), np.int32)
    boxes[0, :2], labels[0, :2] = [(0, 0, 1, 1), (0.4, 0.4, 0.6, 0.6)], [-1, 3]
    assert (matched(boxes, labels)[0] == 3).any()


def test_a_crowd_takes_no_anchor_from_an_object():
    boxes, labels = np.zeros((1, 16, 4), np.float32), np.zeros((1, 16), np.int32)
    fitting = anchor_corners()[1200]
    boxes[0, 0], labels[0, 0] = fitting + 0.15 * (fitting[2] - fitting[0]), 3
    alone, _ = matched(boxes, labels)
    boxes[0, 1], labels[0, 1] = fitting, -1
    beside, targets = matched(boxes, labels)
    assert alone[1200] == 3
    np.testing.assert_array_equal(beside == 3, alone == 3)
    np.testing.assert_array_equal(targets[1200], boxes[0, 0])


def test_focal_loss_by_hand():
    logits = tf.constant([[[0.0, 2.0], [1.0, -1.0], [5.0, 5.0]]])
    scores = tf.sigmoid(logits).numpy()[0]
    # Anchor 0 is of class 2, anchor 1 background, anchor 2 ignored.
    right = 0.25 * (1 - scores[0, 1]) ** 2 * -np.log(scores[0, 1])
    wrong = sum(0.75 * s**2 * -np.log(1 - s) for s in (scores[0, 0], scores[1, 0], scores[1, 1]))
    assert focal_loss(logits, tf.constant([[2, 0, -1]])).numpy() == pytest.approx(right + wrong, rel=1e-5)


def test_smooth_l1_by_hand():
    assert smooth_l1(tf.constant([0.0, 0.5, -0.5, 1.0, -3.0])).numpy() == pytest.approx(
        [0, 0.125, 0.125, 0.5, 2.5]
    )


def test_a_perfect_answer_costs_almost_nothing():
    boxes, labels = random_objects(1)
    classes, targets = matched(boxes, labels)
    encodings = encode(tf.constant(targets[None]), tf.constant(ANCHORS))
    logits = np.where(np.eye(CLASSES + 1)[np.maximum(classes, 0)][:, 1:] > 0, 12, -12).astype(np.float32)
    arguments = tf.constant(boxes), tf.constant(labels), tf.constant(ANCHORS)
    good = detection_loss(encodings, tf.constant(logits[None]), *arguments)
    assert max(part.numpy() for part in good) < 1e-6
    bad = detection_loss(encodings + 1.0, tf.constant(-logits[None]), *arguments)
    assert bad[0].numpy() > 1
    assert bad[1].numpy() == pytest.approx(4 * 0.5, rel=1e-3)


def test_an_image_without_objects_costs_finite_loss():
    boxes, labels = np.zeros((1, 16, 4), np.float32), np.zeros((1, 16), np.int32)
    shape = (1, len(ANCHORS))
    parts = detection_loss(
        tf.zeros((*shape, 4)),
        tf.zeros((*shape, CLASSES)),
        tf.constant(boxes),
        tf.constant(labels),
        tf.constant(ANCHORS),
    )
    assert np.isfinite(parts[0].numpy())
    assert parts[1].numpy() == 0
