"""The embedded detector: anchors find their objects, training learns and resumes, weights survive."""

import io
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from helpers.detector import weights as weights_module
from helpers.detector.architecture import CLASSES, INPUT_SIDE, PRIOR_SCORE, anchors, build_network
from helpers.detector.loss import detection_loss, encode, focal_loss, match, overlaps, smooth_l1
from helpers.detector.training import Schedule, Trainer, WarmCosine, augment, load_photos
from helpers.detector.weights import load_network, save_network
from helpers.errors import LabError
from helpers.files import sha256_file
from helpers.parity import iou
from helpers.synthetic.dataset import SEED
from tests.drawing import draw

ANCHORS = anchors()
SCHEDULE = Schedule(photos=2, epochs=24, batch=2, peak_rate=4e-3, warmup_steps=4)


@pytest.fixture(scope="module")
def network():
    return build_network()


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("training-data")
    draw(root, "train", SCHEDULE.photos)
    return root


@pytest.fixture(scope="module")
def trained(data_root, tmp_path_factory):
    trainer = Trainer(data_root, tmp_path_factory.mktemp("straight"), SCHEDULE)
    trainer.run()
    return trainer


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


def test_photos_are_loaded_with_relative_boxes(drawn_photos):
    photos, boxes, labels = load_photos(drawn_photos)
    coco = json.loads((drawn_photos / "labels.json").read_text())
    assert (photos.shape, photos.dtype) == ((60, INPUT_SIDE, INPUT_SIDE, 3), np.uint8)
    assert (labels != 0).sum() == len(coco["annotations"])
    assert (labels == -1).sum() == sum(a["iscrowd"] for a in coco["annotations"])
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    first = next(a for a in coco["annotations"] if a["image_id"] == 1)
    x, y, w, h = first["bbox"]
    size = coco["images"][0]
    expected = [y / size["height"], x / size["width"], (y + h) / size["height"], (x + w) / size["width"]]
    assert boxes[0, 0] == pytest.approx(expected, abs=1e-6)


def test_augmentation_mirrors_photos_together_with_their_boxes():
    photo = np.full((1, 8, 8, 3), 100, np.uint8)
    photo[0, 2:4, 0:2] = 250
    boxes = np.zeros((1, 16, 4), np.float32)
    labels = np.zeros((1, 16), np.int32)
    boxes[0, 0], labels[0, 0] = (0.25, 0, 0.5, 0.25), 4
    sides = set()
    for seed in range(12):
        image, moved, kept = map(np.asarray, augment(photo, boxes, labels, tf.constant([seed, 0])))
        left, right = np.rint(moved[0, 0, [1, 3]] * 8).astype(int)
        bright = image[0, 3].mean(-1) > image[0, 7].mean(-1) + 0.1
        assert np.flatnonzero(bright).tolist() == list(range(left, right))
        assert (moved[0, 1:] == 0).all()
        np.testing.assert_array_equal(kept, labels)
        assert np.abs(image).max() <= 1
        sides.add(left)
    assert sides == {0, 6}


def test_the_learning_rate_rises_then_falls_to_zero():
    rate = WarmCosine(1.0, warmup_steps=10, steps=110)
    values = [float(rate(step)) for step in range(111)]
    assert values[:10] == pytest.approx(np.arange(1, 11) / 10, rel=1e-5)
    assert values[60] == pytest.approx(0.5, abs=1e-5)
    assert values[110] == pytest.approx(0, abs=1e-6)
    assert (np.diff(values[10:]) <= 1e-6).all()


def test_training_lowers_the_loss(trained):
    losses = [entry["class_loss"] + entry["box_loss"] for entry in trained.history]
    assert len(losses) == SCHEDULE.epochs
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.7 * losses[0]
    assert [entry["epoch"] for entry in trained.history] == list(range(1, SCHEDULE.epochs + 1))


def test_training_killed_in_its_last_epoch_goes_on_to_the_same_result(trained, data_root, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(trained.work_folder, work)
    # As a kill leaves it between writing the history and saving the last checkpoint.
    for path in (work / "checkpoints").glob(f"ckpt-{SCHEDULE.epochs}.*"):
        path.unlink()
    last = f"ckpt-{SCHEDULE.epochs - 1}"
    state = f'model_checkpoint_path: "{last}"\nall_model_checkpoint_paths: "{last}"\n'
    (work / "checkpoints" / "checkpoint").write_text(state)
    resumed = Trainer(data_root, work, SCHEDULE)
    assert resumed.resume() == SCHEDULE.epochs - 1
    resumed.run()
    assert resumed.history[:-1] == trained.history[:-1]
    for part in ("class_loss", "box_loss"):
        assert resumed.history[-1][part] == pytest.approx(trained.history[-1][part], rel=1e-3)
    assert int(resumed.optimizer.iterations) == int(trained.optimizer.iterations)
    for ours, theirs in zip(resumed.network.get_weights(), trained.network.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=2e-4)


def test_finished_training_is_not_repeated(trained, monkeypatch):
    monkeypatch.setattr(trained, "train_epoch", lambda epoch: pytest.fail(f"epoch {epoch} again"))
    before = list(trained.history)
    trained.run()
    assert trained.history == before


def test_the_record_says_what_the_weights_come_from(trained, data_root):
    record = json.loads(json.dumps(trained.record()))
    labels = data_root / f"synthetic-{SEED}" / f"train-{SCHEDULE.photos}" / "labels.json"
    assert record["train_labels_sha256"] == sha256_file(labels)
    assert record["schedule"]["epochs"] == SCHEDULE.epochs
    assert record["parameters"] == trained.network.count_params()


def test_weights_saved_and_loaded_answer_nearly_the_same(trained, tmp_path):
    path = tmp_path / "weights.npz"
    save_network(trained.network, path)
    assert path.stat().st_size < 4_000_000
    loaded = load_network(path)
    for ours, theirs in zip(loaded.get_weights(), trained.network.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-6)
        if theirs.ndim == 1:
            np.testing.assert_array_equal(ours, theirs)
    image = np.random.default_rng(0).uniform(-1, 1, (1, INPUT_SIDE, INPUT_SIDE, 3)).astype(np.float32)
    for ours, theirs in zip(loaded(image), trained.network(image), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=0.05 * np.abs(theirs.numpy()).max())


def other_arrays() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{"000 a": np.zeros((3, 3)), "001 b": np.zeros(2)})
    return buffer.getvalue()


@pytest.mark.parametrize("content", [None, b"hello, this is text", b"PK\x03\x04 half a zip", other_arrays()])
def test_a_wrong_weights_file_names_its_cure(network, tmp_path, monkeypatch, content):
    monkeypatch.setattr(weights_module, "build_network", lambda: network)
    path = tmp_path / "weights.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LabError, match=r"weights.npz does not hold") as caught:
        load_network(path)
    assert "git checkout" in caught.value.cure


def test_a_truncated_weights_file_is_refused(network, tmp_path, monkeypatch):
    monkeypatch.setattr(weights_module, "build_network", lambda: network)
    path = tmp_path / "weights.npz"
    save_network(network, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(LabError, match=r"weights.npz does not hold"):
        load_network(path)
