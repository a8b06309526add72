"""The loop: it learns, goes on where it stopped, and begins where another form ended."""

import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf

from helpers.lab.errors import LabError
from helpers.quantize.trainable.distance import output_distance
from helpers.quantize.trainable.network import Network, float_network
from helpers.quantize.trainable.rounded_layer import RoundedLayer
from helpers.quantize.trained.constants import weight_layers
from helpers.quantize.trained.weight_file import with_own_biases
from helpers.run.forms import TRAINED
from helpers.training.losses import OUTPUTS_PART
from helpers.training.starts import begun, is_normalized, load_reached, save_reached
from helpers.training.trainer import FormSchedule, FormTrainer, output_moments
from tests.support.branched_keras import SHAPE as BRANCHED
from tests.support.branched_keras import built, converted
from tests.support.training_networks import SHAPE, network_bytes

SCHEDULE = FormSchedule(epochs=8, photos=8, batch=4, peak_rate=3e-3, warmup_steps=1, seed=5)
SOURCE = "a" * 64


class DrawnImages:
    """Noise as photos without labels."""

    sha256 = "0" * 64

    def __len__(self) -> int:
        return SCHEDULE.photos

    def batch(self, chosen, seed):
        noise = tf.random.stateless_uniform([len(chosen), *SHAPE[1:]], seed, -1, 1)
        return (noise * tf.reshape(tf.cast(chosen + 1, tf.float32), (-1, 1, 1, 1)) / len(self),)


def moments_of(layers, content):
    return output_moments(float_network(content, layers), [DrawnImages().batch(np.arange(8), (0, 0))])


def made_trainer(folder, form="int4-qat", schedule=SCHEDULE, other="", reached=()):
    content = network_bytes()
    layers = weight_layers(content)
    starts = begun(layers, form, moments_of(layers, content), other, reached)
    rounded = [RoundedLayer(x, TRAINED[form], start) for x, start in zip(layers, starts, strict=True)]
    teacher, student = float_network(content, layers), Network(content, layers, rounded)
    return FormTrainer(student, rounded, teacher, DrawnImages(), schedule, folder, labelled=False)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    trainer = made_trainer(tmp_path_factory.mktemp("straight"))
    trainer.run()
    return trainer


def test_the_loss_falls_and_the_history_says_how(straight):
    first, last = straight.history[0], straight.history[-1]
    assert last.loss < 0.9 * first.loss
    assert [entry.epoch for entry in straight.history] == list(range(1, SCHEDULE.epochs + 1))
    assert first.parts == {OUTPUTS_PART: first.loss}
    assert (first.steps, last.rate < first.rate) == (2, True)


@pytest.mark.parametrize("form", ["int2-qat", "binary-qat"])
def test_the_lowest_bits_learn_with_normalized_outputs(form, tmp_path):
    trainer = made_trainer(tmp_path, form)
    assert any(layer.normalized for layer in trainer.layers)
    trainer.run()
    assert trainer.history[-1].loss < trainer.history[0].loss
    assert all(np.isfinite(one.steps).all() and (one.steps > 0).all() for one in trainer.trained())


def test_an_interrupted_training_ends_as_a_straight_one(straight, tmp_path):
    begun_only = made_trainer(tmp_path)
    original = begun_only.train_epoch

    def stopped(epoch):
        if epoch == 1:
            raise KeyboardInterrupt
        return original(epoch)

    begun_only.train_epoch = stopped
    with pytest.raises(KeyboardInterrupt):
        begun_only.run()
    resumed = made_trainer(tmp_path)
    assert resumed.resume() == 1
    resumed.run()
    assert [entry.loss for entry in resumed.history] == pytest.approx(
        [entry.loss for entry in straight.history], rel=1e-4
    )
    for ours, theirs in zip(resumed.variables, straight.variables, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-4)


def test_a_finished_training_is_not_repeated(straight, monkeypatch):
    monkeypatch.setattr(straight, "train_epoch", lambda epoch: pytest.fail(f"epoch {epoch} again"))
    straight.run()


def test_another_form_begins_where_one_has_ended(straight, tmp_path):
    layers = [layer.layer for layer in straight.layers]
    reached = [layer.reached() for layer in straight.layers]
    save_reached(tmp_path / "reached.npz", SOURCE, "int4-qat", reached)
    found = load_reached(tmp_path / "reached.npz", SOURCE, "int4-qat", "")
    for ours, theirs in zip(found, reached, strict=True):
        np.testing.assert_array_equal(ours.weights, theirs.weights)
        np.testing.assert_array_equal(np.stack(ours.biases), np.stack(theirs.biases))
    moments = moments_of(layers, network_bytes())
    for form, takes_steps in (("int4-qat", True), ("binary-qat", False)):
        starts = begun(layers, form, moments, "int4-qat", found)
        assert [start.steps is not None for start in starts] == [takes_steps] * len(layers)
        assert [start.outputs is not None for start in starts] == [is_normalized(x, form) for x in layers]
    same = made_trainer(tmp_path / "again", other="int4-qat", reached=found)
    batch = DrawnImages().batch(np.arange(4), (9, 9))
    for name, value in same.losses(batch).items():
        assert float(value) == pytest.approx(float(straight.losses(batch)[name]), rel=1e-3)


def test_a_normalized_layers_end_is_a_normalized_layers_beginning(tmp_path):
    trainer = made_trainer(tmp_path / "two", "int2-qat", dataclasses.replace(SCHEDULE, epochs=1))
    trainer.run()
    save_reached(tmp_path / "reached.npz", SOURCE, "int2-qat", [x.reached() for x in trainer.layers])
    found = load_reached(tmp_path / "reached.npz", SOURCE, "int2-qat", "")
    other = made_trainer(tmp_path / "ternary", "ternary-qat", other="int2-qat", reached=found)
    for ours, theirs in zip(other.variables, trainer.variables, strict=True):
        if "latent" not in ours.name and "growth" not in ours.name:
            np.testing.assert_allclose(ours.numpy(), theirs.numpy())
    for ours, theirs in zip(other.layers, trainer.layers, strict=True):
        np.testing.assert_allclose(ours.weights().numpy(), theirs.weights().numpy(), atol=1e-5)


def test_neither_shared_layers_nor_vectors_nor_the_last_ones_are_normalized():
    layers = weight_layers(converted(built()))
    left = [layer for layer in layers if not is_normalized(layer, "ternary-qat")]
    assert {layer.type for layer in left if layer.weights.ndim < 4} == {"FULLY_CONNECTED"}
    assert [len(layer.convolutions) for layer in left].count(2) == 1
    assert all(layer.ends or len(layer.convolutions) > 1 or layer.weights.ndim < 4 for layer in left)
    assert not any(is_normalized(layer, "int4-qat") for layer in layers)


def test_a_layer_that_is_used_twice_is_trained_once(tmp_path):
    """Its weights get the gradients of both uses, and each use has a bias of its own."""
    content = with_own_biases(converted(built()))
    layers = weight_layers(content)
    rounded = [RoundedLayer(layer, "ternary") for layer in layers]
    network = Network(content, layers, rounded)
    image = tf.random.stateless_uniform(BRANCHED, (1, 2), -1, 1)
    shared = next(one for one in rounded if len(one.layer.convolutions) == 2)
    with tf.GradientTape() as tape:
        loss = tf.add_n([tf.reduce_sum(head) for head in network(image).values()])
    gradients = tape.gradient(loss, [shared.latent, *shared.bias_offsets])
    assert len(shared.biases) == 2
    assert all(np.count_nonzero(gradient) for gradient in gradients)


def test_a_start_that_is_not_there_or_of_other_weights_is_refused(straight, tmp_path):
    with pytest.raises(LabError, match="was not trained here") as caught:
        load_reached(tmp_path / "reached.npz", SOURCE, "int4-qat", "train it first")
    assert caught.value.cure == "train it first"
    save_reached(tmp_path / "reached.npz", SOURCE, "int4-qat", [x.reached() for x in straight.layers])
    with pytest.raises(LabError, match="other float32 weights"):
        load_reached(tmp_path / "reached.npz", "b" * 64, "int4-qat", "")


def test_the_distance_is_0_for_equal_heads_and_1_for_their_mean():
    heads = {"a": tf.constant([[1.0, 2.0, 6.0]]), "b": tf.constant([[0.0, 1.0]])}
    assert float(output_distance(heads, heads)) == 0
    means = {name: tf.fill(head.shape, tf.reduce_mean(head)) for name, head in heads.items()}
    assert float(output_distance(means, heads)) == pytest.approx(1)


def test_checkpoints_of_another_folder_are_not_taken(straight, tmp_path):
    shutil.copytree(straight.folder, tmp_path / "copy")
    assert made_trainer(tmp_path / "copy").resume() == SCHEDULE.epochs
    assert made_trainer(tmp_path / "empty").resume() == 0
