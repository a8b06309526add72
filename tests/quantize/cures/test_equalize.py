"""Channels of like size: exact in float32, and what a loud channel does to int8."""

import numpy as np
import pytest
import tensorflow as tf

from helpers.quantize.cures.channels import channel_groups
from helpers.quantize.cures.equalize import equalized, equalized_with
from helpers.quantize.cures.observed import observe
from helpers.quantize.cures.plan import Plan
from helpers.quantize.cures.ranges import minmax
from helpers.quantize.cures.workshop import heads_of
from helpers.quantize.cures.writing import integer_content
from helpers.quantize.trained.constants import whole_model
from helpers.runtimes.litert.reader import graph_of
from tests.support import training_networks
from tests.support.faulty_networks import NETWORKS, conv, converted, depthwise, drawn, faulty, images, leaky


def opened(content: bytes, photos):
    graph = graph_of(whole_model(content), len(content))
    return graph, observe(content, graph, photos)


def as_int8(content: bytes, photos) -> bytes:
    _, seen = opened(content, photos)
    return integer_content(content, Plan({name: minmax(each) for name, each in seen.items()}))


def error(content: bytes, made: bytes, photos) -> float:
    """Root of the mean squared error over the spread of float32's output."""
    wanted, found = (np.stack([heads[0] for heads in heads_of(each, photos)]) for each in (content, made))
    return float(np.sqrt(np.square(wanted - found).mean() / wanted.var()))


def equal(content: bytes, photos, share: float = 1.0) -> bytes:
    return equalized(content, opened(content, photos)[1], share)


def require_unchanged(content: bytes, scaled: bytes, photos) -> None:
    for before, after in zip(heads_of(content, photos), heads_of(scaled, photos), strict=True):
        for place, wanted in before.items():
            assert np.abs(after[place] - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_float32_is_unchanged(name, share):
    content, photos = faulty(name), images(4)
    require_unchanged(content, equal(content, photos, share), images(3, seed=5))


@pytest.mark.parametrize("name", sorted(training_networks.CASES))
def test_float32_is_unchanged_whatever_the_operator(name):
    content, photos = training_networks.network_bytes(name), images(3, shape=training_networks.SHAPE)
    require_unchanged(content, equal(content, photos), photos)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_scaled_file_is_no_larger(name):
    content = faulty(name)
    assert len(equal(content, images(4))) < 1.02 * len(content) + 500


@pytest.mark.parametrize("name", ["one_loud_channel", "joined_branches"])
def test_a_loud_channel_no_longer_drowns_the_others(name):
    content, photos = faulty(name), images(12)
    before = error(content, as_int8(content, photos), photos)
    after = error(content, as_int8(equal(content, photos), photos), photos)
    assert before > 0.2
    assert after < 0.05


def test_a_network_without_the_fault_gets_no_worse():
    content, photos = faulty("plain"), images(12)
    before = error(content, as_int8(content, photos), photos)
    after = error(content, as_int8(equal(content, photos), photos), photos)
    assert after < 1.2 * before


def test_what_the_photos_would_show_is_told_without_running_them():
    content, photos = faulty("one_loud_channel"), images(4)
    scaled, told = equalized_with(content, opened(content, photos)[1])
    _, found = opened(scaled, photos)
    for name, seen in found.items():
        size = max(np.abs(seen.low).max(), np.abs(seen.high).max())
        np.testing.assert_allclose(told[name].low, seen.low, atol=1e-4 * size)
        np.testing.assert_allclose(told[name].high, seen.high, atol=1e-4 * size)


def test_every_channel_of_a_free_tensor_becomes_about_as_large():
    content, photos = faulty("one_loud_channel"), images(6)
    graph, seen = opened(content, photos)
    groups = channel_groups(graph, whole_model(content))
    _, after = equalized_with(content, seen)
    spreads = []
    for name, known in seen.items():
        sizes, scaled = (np.maximum(np.abs(s.low), np.abs(s.high)) for s in (known, after[name]))
        if (groups.of.get(name, np.array([-1])) < 0).all():
            np.testing.assert_array_equal(sizes, scaled)
        else:
            spreads.append((sizes.max() / sizes.min(), scaled.max() / scaled.min()))
    assert max(before for before, _ in spreads) > 500
    assert max(behind for _, behind in spreads) < 4


def ties(network, shape=(1, 8, 8, 3)):
    content = converted(network, shape)
    graph = graph_of(whole_model(content), len(content))
    return graph, channel_groups(graph, whole_model(content))


def test_a_scale_runs_through_what_is_homogeneous():
    def network(x):
        y = depthwise(tf.nn.max_pool2d(leaky(conv(x, 4, 1)), 2, 2, "SAME"), 2)
        return conv(tf.compat.v1.image.resize_nearest_neighbor(y, (8, 8)), 3, 3)

    graph, groups = ties(network)
    named = {op.type: groups.of[op.outputs[0].name] for op in graph.operators}
    first = next(op for op in graph.operators if op.type == "CONV_2D")
    np.testing.assert_array_equal(groups.of[first.outputs[0].name], named["MAX_POOL_2D"])
    np.testing.assert_array_equal(named["DEPTHWISE_CONV_2D"], named["RESIZE_NEAREST_NEIGHBOR"])
    assert not set(named["MAX_POOL_2D"]) & set(named["DEPTHWISE_CONV_2D"])
    assert (named["MAX_POOL_2D"] >= 0).all()


@pytest.mark.parametrize("curve", [tf.nn.relu6, tf.sigmoid, tf.tanh, lambda x: x * tf.sigmoid(x)])
def test_no_scale_runs_through_a_curve(curve):
    graph, groups = ties(lambda x: conv(curve(conv(x, 4, 1)), 3, 2))
    assert groups.count == 0
    assert len(graph.convolutions) == 2


def test_weights_that_two_layers_read_stay():
    kernel = drawn(3, 3, 4, 4, seed=8)
    shared = tf.constant(kernel)

    def network(x):
        y = conv(x, 4, 1)
        for _ in range(2):
            y = tf.nn.relu(tf.nn.conv2d(y, shared, 1, "SAME"))
        return conv(y, 3, 2)

    content, photos = converted(network), images(3)
    require_unchanged(content, equal(content, photos), photos)
