"""Weights on their grid, and the gradients that pass the rounding."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from helpers.quantize.kinds.catalogue import get_kind
from helpers.quantize.kinds.coding import decode, pack, unpack
from helpers.quantize.trainable.network import Network
from helpers.quantize.trainable.rounded_layer import (
    SIGNS,
    LayerStart,
    RoundedLayer,
    largest_code,
    nearest,
    on_accumulator,
)
from helpers.quantize.trained.constants import weight_layers
from helpers.quantize.trained.trained_codes import coded
from helpers.run.forms import TRAINED
from tests.support.training_networks import images, network_bytes

KINDS = sorted(set(TRAINED.values()))


@pytest.fixture(scope="module")
def layers():
    return weight_layers(network_bytes())


@pytest.mark.parametrize("kind", KINDS)
def test_training_begins_at_the_weights_that_the_kind_leaves_without_training(kind, layers):
    for layer in layers:
        found = RoundedLayer(layer, kind).weights().numpy()
        wanted = decode(get_kind(kind).encode(layer.weights, layer.axis))
        close = np.isclose(found, wanted, atol=1e-5)
        assert close.mean() > 0.99  # a weight in the middle between two codes may take either


@pytest.mark.parametrize("kind", KINDS)
def test_codes_are_whole_numbers_that_the_kind_can_pack(kind, layers):
    for layer in layers:
        start = LayerStart(weights=3 * layer.weights)  # beyond the ends too
        rounded = RoundedLayer(
            layer, kind, dataclasses.replace(start, steps=RoundedLayer(layer, kind).steps().numpy())
        )
        codes, steps = rounded.codes().numpy(), rounded.steps().numpy()
        top = largest_code(kind)
        levels = {-1, 1} if top == SIGNS else set(range(-top, top + 1))
        assert set(np.unique(codes)) <= levels
        made = coded(kind, codes, steps, layer.axis)
        again = unpack(pack(made), made.layout)
        np.testing.assert_allclose(decode(again), rounded.weights().numpy(), rtol=1e-6)
        assert made.bits == get_kind(kind).encode(layer.weights, layer.axis).bits


def test_the_gradient_is_one_on_the_grid_and_zero_beyond_and_that_of_the_step_is_the_papers():
    weights, step = tf.constant([-3.2, -0.6, 0.2, 1.4, 9.0]), tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch([weights, step])
        values = nearest(weights / step, 3) * step
    to_weights, to_step = tape.gradient(values, [weights, step])
    np.testing.assert_array_equal(values, [-3, -1, 0, 1, 3])
    np.testing.assert_array_equal(to_weights, [0, 1, 1, 1, 0])
    # Esser et al. 2020, equation 3: q - r on the grid, the end's code beyond.
    assert float(to_step) == pytest.approx(-3 + (-1 + 0.6) + (0 - 0.2) + (1 - 1.4) + 3)


def test_signs_have_no_zero_and_pass_all_gradients():
    ratios = tf.constant([-2.0, -0.0, 0.0, 0.3])
    with tf.GradientTape() as tape:
        tape.watch(ratios)
        signs = nearest(ratios, SIGNS)
    np.testing.assert_array_equal(signs, [-1, 1, 1, 1])
    np.testing.assert_array_equal(tape.gradient(signs, ratios), np.ones(4))


def test_a_channel_of_zeros_and_a_layer_of_zeros_stay_finite(layers):
    weights = layers[0].weights.copy()
    weights[0] = 0
    for kind in KINDS:
        for some in (weights, np.zeros_like(weights)):
            layer = dataclasses.replace(layers[0], weights=some)
            assert np.isfinite(RoundedLayer(layer, kind).weights().numpy()).all()


def test_a_bias_lies_on_the_accumulators_grid_and_saturates_at_its_ends():
    step = tf.constant([0.1, 1e-12])
    found = on_accumulator(tf.constant([0.26, 1.0]), step).numpy()
    assert found[0] == pytest.approx(0.3)
    assert found[1] == pytest.approx(2**31 * 1e-12, rel=1e-3)


def drawn(generator: np.random.Generator, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """A mean and a deviation, of either sign, of each channel."""
    return tuple(generator.normal(size=(2, channels)).astype(np.float32))


def test_normalized_layers_are_deployed_with_their_moments_in_steps_and_bias(layers):
    """What is deployed answers as the training graph does on the batch whose moments are taken."""
    content, batch = network_bytes(), tf.constant(images(16))
    generator = np.random.default_rng(0)
    outputs = [None if x.ends else drawn(generator, x.channels) for x in layers]
    rounded = [
        RoundedLayer(layer, "ternary", LayerStart(outputs=pair))
        for layer, pair in zip(layers, outputs, strict=True)
    ]
    wanted = Network(content, layers, rounded)(batch)["heads"].numpy()
    moments = [[part.numpy() for part in one.moments] if one.normalized else None for one in rounded]
    trained = [one.trained(pair) for one, pair in zip(rounded, moments, strict=True)]
    assert all((one.steps > 0).all() for one in trained)
    deployed = [
        RoundedLayer(
            layer, "ternary", LayerStart(one.codes * one.steps.reshape(r.along), one.steps, one.biases)
        )
        for layer, one, r in zip(layers, trained, rounded, strict=True)
    ]
    found = Network(content, layers, deployed)(batch)["heads"].numpy()
    np.testing.assert_allclose(found, wanted, atol=2e-2 * np.abs(wanted).max())
