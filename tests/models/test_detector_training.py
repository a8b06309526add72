"""Training the embedded detector: photos, schedule, resuming, weights."""

import io
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from helpers.lab.errors import LabError
from helpers.lab.files import sha256_file
from helpers.models.embedded import weights as weights_module
from helpers.models.embedded.architecture import INPUT_SIDE, build_network
from helpers.models.embedded.training import Schedule, Trainer, WarmCosine, augment, load_photos
from helpers.models.embedded.weights import load_network, save_network
from helpers.photos.synthetic.dataset import SEED
from tests.support.drawing import draw

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
