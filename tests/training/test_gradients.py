"""Gradients in few bits: the grid, the backward pass, training that goes on, records and figures."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tf_keras as keras
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from typer.testing import CliRunner

from helpers.lab.errors import LabError
from helpers.lab.files import write_text
from helpers.models.embedded.architecture import ANCHORS_PER_CELL, CLASSES
from helpers.run.experiment import open_run
from helpers.show.context import UNKNOWN
from helpers.suite.cli.commands import app
from helpers.training.gradients import curves, histogram, learning, live, stage
from helpers.training.gradients.backward import (
    Backward,
    convolutions,
    outermost,
    round_gradients,
    stochastic,
    to_grid,
)
from helpers.training.gradients.forms import FORMS, get_form
from helpers.training.gradients.records import (
    Loss,
    Rounding,
    Schedule,
    Trained,
    file_of,
    read_all,
    read_trained,
    write_trained,
)
from helpers.training.gradients.tables import trained_table

BITS = (2, 3, 4, 8)
TINY = Schedule(photos=16, held_out=8, steps=4, batch=4, warmup_steps=1, every=2)
# Gradients as they come: zero, or of a size whose step is a normal float32.
SIZES = st.floats(2**-80, 2**80, width=32)
NUMBERS = st.one_of(st.just(0.0), SIZES, SIZES.map(lambda size: -size))
TENSORS = arrays(np.float32, array_shapes(max_dims=3, max_side=8), elements=NUMBERS)
bits_of_all = pytest.mark.parametrize("bits", BITS)


def levels_of(rounded: np.ndarray, exact: np.ndarray, bits: int) -> np.ndarray:
    """Rounded values in steps."""
    largest = float(np.abs(exact).max())
    return rounded.astype(float) / (largest / float(outermost(bits))) if largest else rounded.astype(float)


def test_the_outermost_level():
    assert [int(outermost(bits)) for bits in BITS] == [1, 3, 7, 127]


@settings(max_examples=40)
@given(TENSORS, st.sampled_from(BITS), st.booleans())
def test_what_is_rounded_lies_on_the_grid_less_than_a_step_away(values, bits, by_chance):
    rounded = (stochastic(values, bits, (3, 4)) if by_chance else to_grid(values, bits)).numpy()
    levels, exact = levels_of(rounded, values, bits), levels_of(values, values, bits)
    assert np.allclose(levels, np.rint(levels), atol=1e-4)
    assert np.abs(levels).max() <= float(outermost(bits)) + 1e-4
    assert np.abs(levels - exact).max() <= (1 if by_chance else 0.5) + 1e-4


@settings(max_examples=40)
@given(TENSORS, st.sampled_from(BITS))
def test_rounding_to_nearest_twice_is_rounding_once(values, bits):
    once = to_grid(values, bits).numpy()
    assert np.allclose(to_grid(once, bits).numpy(), once, rtol=1e-5, atol=0)


@settings(max_examples=40)
@given(TENSORS, st.sampled_from(BITS), st.booleans())
def test_zero_stays_zero_and_no_sign_changes(values, bits, by_chance):
    rounded = (stochastic(values, bits, (1, 2)) if by_chance else to_grid(values, bits)).numpy()
    assert (rounded[values == 0] == 0).all()
    assert (rounded * np.sign(values) >= 0).all()


@bits_of_all
@pytest.mark.parametrize("size", [0.0, 1e-35])
def test_a_tensor_without_a_step_is_zero(bits, size):
    nothing = np.full((2, 3), size, np.float32)
    assert not to_grid(nothing, bits).numpy().any()
    assert not stochastic(nothing, bits, (0, 0)).numpy().any()


@bits_of_all
def test_stochastic_rounding_is_unbiased(bits):
    """Hoeffding: the mean of n roundings lies within t of the value but with probability 2 exp(-2 n t²)."""
    values = np.append(np.linspace(-1, 1, 41), 1).astype(np.float32)
    draws = 4000
    many = np.repeat(values[None], draws, 0)
    mean = stochastic(many, bits, (5, 6)).numpy().astype(float).mean(0)
    bound = math.sqrt(math.log(2 * values.size / 1e-9) / (2 * draws)) / float(outermost(bits))
    assert np.abs(mean - values).max() < bound
    assert np.abs(to_grid(many, bits).numpy().mean(0) - values).max() > 0.4 / float(outermost(bits))


def test_draws_and_layers_have_random_numbers_of_their_own():
    values = tf.random.stateless_uniform((200,), (1, 1))
    backward = Backward()
    backward.set_to(get_form("4-stochastic"))
    first, again = backward.rounded(values, 0).numpy(), backward.rounded(values, 0).numpy()
    other = backward.rounded(values, 1).numpy()
    backward.next_draw()
    assert (first == again).all()
    assert (first != other).any()
    assert (first != backward.rounded(values, 0).numpy()).any()


def small_network() -> keras.Model:
    keras.utils.set_random_seed(3)
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="first")(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.DepthwiseConv2D(3, name="second")(x)
    return keras.Model(image, keras.layers.Conv2D(2, 1, name="third")(x))


def gradients_of(network: keras.Model, image: tf.Tensor) -> list[np.ndarray]:
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(network(image, training=True) ** 2)
    return [each.numpy() for each in tape.gradient(total, network.trainable_variables)]


def test_the_forward_pass_is_untouched_and_the_backward_pass_rounds_once_it_is_asked_to():
    image = tf.random.stateless_uniform((2, 8, 8, 3), (1, 2))
    network = small_network()
    assert [layer.name for layer in convolutions(network)] == ["first", "second", "third"]
    before, answer = gradients_of(network, image), network(image, training=True).numpy()
    backward = round_gradients(network)
    assert np.allclose(network(image, training=True), answer, rtol=1e-6)
    unchanged = gradients_of(network, image)
    assert all(np.allclose(a, b, rtol=1e-5) for a, b in zip(before, unchanged, strict=True))
    backward.set_to(get_form("2-nearest"))
    assert np.allclose(network(image, training=True), answer, rtol=1e-6)
    assert any(not np.allclose(a, b) for a, b in zip(before, gradients_of(network, image), strict=True))


def test_the_gradient_of_the_identity_is_the_rounded_one():
    backward = Backward()
    backward.set_to(get_form("4-nearest"))
    values, weight = tf.constant([1.0, 2.0, 3.0]), tf.constant([0.9, -7.0, 0.2])
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(backward.passing(0)(values) * weight)
    assert tape.gradient(total, values).numpy().tolist() == [1.0, -7.0, 0.0]


@bits_of_all
def test_the_gradient_of_weights_is_right_on_average_with_stochastic_rounding_alone(bits):
    """Of the layer whose gradient is rounded last: its own is linear in what arrives."""
    image = tf.random.stateless_uniform((2, 8, 8, 3), (1, 2))
    network = small_network()
    backward = round_gradients(network)
    kernel = [v.name for v in network.trainable_variables].index("third/kernel:0")
    exact = gradients_of(network, image)[kernel]

    def error(way: str, draws: int) -> float:
        found = []
        for draw in range(draws):
            backward.set_to(FORMS[f"{bits}-{way}"], draw)
            found.append(gradients_of(network, image)[kernel])
        return float(np.linalg.norm(np.mean(found, 0) - exact) / np.linalg.norm(exact))

    once, many = error("stochastic", 1), error("stochastic", 40)
    assert many < once / 2
    if bits == 2:
        assert many < error("nearest", 1) / 2


def test_a_row_of_a_tensor():
    exact, rounded = np.array([4.0, -1.0, 0.0, 1.0]), np.array([4.0, 0.0, 0.0, 2.0])
    vanished, bias, error = stage.tensor_row(exact, rounded)
    assert (vanished, bias, error) == pytest.approx((1 / 3, 0.0, math.sqrt(2 / 18)))
    assert stage.tensor_row(np.zeros(3), np.zeros(3)) is None


def tiny_detector() -> keras.Model:
    """Heads of the embedded detector's shape, on one convolution each."""
    image = keras.Input((192, 192, 3))
    heads = []
    for values in (4, CLASSES):
        parts = []
        for stride in learning.STRIDES:
            x = keras.layers.Conv2D(values * ANCHORS_PER_CELL, 1, stride, "same")(image)
            parts.append(keras.layers.Reshape((-1, values))(x))
        heads.append(keras.layers.Concatenate(axis=1)(parts))
    return keras.Model(image, heads)


def random_photos(root, split: str, count: int, side: int) -> learning.Photos:
    boxes, labels = np.zeros((count, 16, 4), np.float32), np.zeros((count, 16), np.int32)
    boxes[:, 0] = 0.2, 0.2, 0.7, 0.6
    labels[:, 0] = 1
    pixels = np.random.default_rng(1).integers(0, 256, (count, side, side, 3), np.uint8)
    return learning.Photos(pixels, boxes, labels, "0" * 64)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(learning, "build_network", tiny_detector)
    monkeypatch.setattr(stage, "draw_photos", random_photos)
    monkeypatch.setattr(live, "draw_photos", random_photos)
    chosen = {name: FORMS[name] for name in ("float32", "4-nearest", "4-stochastic")}
    monkeypatch.setattr(stage, "FORMS", chosen)
    return chosen


def test_training_goes_on_where_it_stopped_and_is_the_same_again(tiny, tmp_path, monkeypatch):
    made = stage.train_gradients(tmp_path, tmp_path / "a", (1,), TINY)
    assert made == [file_of(tmp_path / "a", name, 1) for name in tiny]
    trained = read_all(tmp_path / "a")
    assert [each.form for each in trained] == list(tiny)
    for each in trained:
        assert [loss.step for loss in each.held_out] == [0, 2, 4]
        assert len(each.training_loss) == TINY.steps
        assert each.held_out[0] == trained[0].held_out[0]
        assert [look.step for look in each.rounding] == ([] if each.form == "float32" else [0, 2, 4])
    assert trained[0].held_out[-1].total < trained[0].held_out[0].total
    assert trained[1].training_loss != trained[2].training_loss
    made[1].unlink()
    assert stage.train_gradients(tmp_path, tmp_path / "a", (1,), TINY) == [made[1]]
    assert np.allclose(read_trained(made[1]).training_loss, trained[1].training_loss, rtol=1e-4)
    monkeypatch.setattr(stage, "Learner", None)  # nothing is left to train
    assert stage.train_gradients(tmp_path, tmp_path / "a", (1,), TINY) == []


def test_with_another_schedule_it_is_trained_again(tmp_path):
    write_trained(tmp_path, generated("float32", 1))
    assert stage.done(tmp_path, get_form("float32"), 1, Schedule())
    assert not stage.done(tmp_path, get_form("float32"), 1, TINY)
    assert not stage.done(tmp_path, get_form("float32"), 2, Schedule())


def test_photos_become_smaller_by_the_mean_of_squares():
    pixels = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    small = learning.shrunk(pixels, 2)
    assert small.shape == (2, 2, 2, 3)
    assert small[1, 1, 0, 2] == np.rint(pixels[1, 2:, :2, 2].mean())


def test_anchors_fit_the_network_on_smaller_photos():
    assert len(learning.anchors_of(96)) == (12**2 + 6**2 + 3**2 + 2**2) * ANCHORS_PER_CELL


def test_batches_follow_from_seed_and_step():
    photos, schedule = random_photos(None, "train", 16, 96), TINY
    one, same, other = (learning.training_batch(photos, schedule, seed, 5)[0] for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert [len(batch[1]) for batch in learning.held_out_batches(photos, 6)] == [6, 6, 4]


def generated(form: str, seed: int) -> Trained:
    schedule = Schedule()
    steps = range(0, schedule.steps + 1, schedule.every)
    held_out = tuple(Loss(step, 4 / (1 + step / 50) + seed / 10, 2.0) for step in steps)
    looks = tuple(Rounding(step, 0.7, -0.15, 0.3) for step in steps) if FORMS[form].bits else ()
    losses = tuple(np.linspace(6, 3, schedule.steps).tolist())
    return Trained(form, seed, schedule, losses, held_out, looks, {"train": "0"}, {"numpy": "2"})


def test_records_come_back_as_they_were(tmp_path):
    kept = [generated(form, seed) for form in FORMS for seed in (1, 2)]
    for each in reversed(kept):
        write_trained(tmp_path, each)
    assert read_all(tmp_path) == kept
    assert read_all(tmp_path / "nowhere") == []


def test_a_broken_record_names_the_cure(tmp_path):
    path = write_trained(tmp_path, generated("float32", 1))
    write_text(path, '{"form": "float32"}')
    with pytest.raises(LabError, match="--gradients"):
        read_all(tmp_path)


def test_an_unknown_form_is_explained():
    with pytest.raises(LabError, match="4-nearest"):
        get_form("4-nearst")


def test_the_committed_records_are_whole():
    for each in read_all():
        assert each.schedule == Schedule()
        assert each.held_out[-1].step == each.schedule.steps
        assert bool(each.rounding) == bool(FORMS[each.form].bits)


def test_the_figure_is_drawn_from_records():
    trained = [generated(form, seed) for form in FORMS for seed in (1, 2)]
    drawn = curves.picture(trained, UNKNOWN)
    assert "n = 2 seeds" in drawn.caption
    lines = {line.get_gid() for line in drawn.axes[0].lines}
    assert {f"loss:{form}" for form in FORMS} <= lines
    assert [tick.get_text() for tick in drawn.axes[1].get_yticklabels()] == [
        form.title for form in FORMS.values() if form.bits
    ]
    assert curves.picture([], UNKNOWN).texts


def overflowed(form: str) -> Trained:
    """As ``generated``, but for float32's range after the first look."""
    whole, nan = generated(form, 1), float("nan")
    held_out = (whole.held_out[0], *(Loss(loss.step, nan, nan) for loss in whole.held_out[1:]))
    looks = (whole.rounding[0], *(Rounding(look.step, 1.0, nan, nan) for look in whole.rounding[1:]))
    return dataclasses.replace(whole, held_out=held_out, rounding=looks)


def test_a_training_that_overflowed_is_told_and_stops_nothing(tmp_path):
    write_trained(tmp_path, overflowed("2-stochastic"))
    trained = [generated("float32", 1), *read_all(tmp_path)]
    assert [each.overflowed for each in trained] == [False, True]
    table = trained_table(trained).set_index("gradients")
    assert table.loc["2 bits, stochastic", "final held-out loss"] == "none: overflowed"
    assert table.loc["2 bits, stochastic", "vanished (%)"] == "70.0 [70.0, 70.0]"
    labels = [text.get_text() for text in curves.picture(trained, UNKNOWN).axes[0].get_legend().get_texts()]
    assert labels == ["float32", "2 bits, stochastic\n(overflows)"]


def test_forms_that_differ_look_different():
    looks = [(look["color"], look["linestyle"]) for look in map(curves.look, FORMS.values())]
    assert len({str(look) for look in looks}) == len(FORMS)


def test_the_table_has_a_row_per_form():
    table = trained_table([generated(form, seed) for form in ("float32", "4-nearest") for seed in (1, 2)])
    assert table["gradients"].tolist() == ["float32", "4 bits, nearest"]
    assert table["bias (%)"].tolist() == ["none", "−15.0 [−15.0, −15.0]"]
    assert "--gradients" in trained_table([])["gradients"][0]


@settings(max_examples=5)
@given(st.integers(2, 8), st.integers(0, 5))
def test_the_mean_of_many_roundings_comes_nearer(bits, seed):
    values = np.random.default_rng(seed).normal(size=300).astype(np.float32)
    once, many = stochastic(values, bits, (0, 0)).numpy(), live.averaged(values, bits, 64)
    assert np.linalg.norm(many - values) < np.linalg.norm(once - values) / 4


def test_what_the_notebook_watches(tiny, monkeypatch):
    run = open_run("smoke", "watched")
    watched = live.open_live(run)
    layer = watched.names[-1]  # of the classes: of the boxes, only photos with an object there have any
    table = live.rounding_table(watched, layer)
    assert len(table) == 3 * len({form.bits for form in FORMS.values() if form.bits})
    assert isinstance(live.few_steps(watched), pd.DataFrame)
    assert live.described(watched, layer)["layer"] == layer
    assert len(histogram.picture(run, watched, layer).axes) == 2


def test_the_command_trains_what_is_lacking(monkeypatch, tmp_path):
    made = [tmp_path / "4-nearest-1.json"]
    monkeypatch.setattr(stage, "train_gradients", lambda root: made)
    answer = CliRunner().invoke(app, ["train", "--gradients"])
    assert answer.exit_code == 0, answer.output
    assert "4-nearest-1.json" in answer.output
    made.clear()
    assert "trained already" in CliRunner().invoke(app, ["train", "--gradients"]).output
