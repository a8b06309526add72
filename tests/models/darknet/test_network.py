"""The network against loops as in Darknet's C, against an unfolded one, and against OpenCV DNN."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from hypothesis import given
from hypothesis import strategies as st

from helpers.models.darknet.architecture import parse_architecture
from helpers.models.darknet.convert import to_tflite
from helpers.models.darknet.layers import Convolution, MaxPool
from helpers.models.darknet.network import build_network
from helpers.models.darknet.operations import convolve, mish, pool
from helpers.models.darknet.weights import parse_weights
from helpers.quantize.recipes.catalogue import quantize_file
from helpers.runtimes.litert.core import Core
from helpers.runtimes.litert.reader import read_facts
from tests.models.darknet.generate import (
    ANCHORS,
    CLASSES,
    FOR_OPENCV,
    convolution,
    core_rows,
    head,
    net,
    opencv_rows,
    random_cfg,
    section,
    weights_for,
)
from tests.support.made_alone import ALONE


def windows(x: np.ndarray, size: int, strides: tuple, offset: int, shape: tuple, outside: float):
    """Of a map ``[H, W, C]``, the windows ``[size, size, C]`` of each output place."""
    wide = np.pad(x, ((size, 2 * size), (size, 2 * size), (0, 0)), constant_values=outside)
    for i, j in np.ndindex(*shape):
        top, left = (size + n * stride - offset for n, stride in zip((i, j), strides, strict=True))
        yield i, j, wide[top : top + size, left : left + size]


@st.composite
def pools(draw) -> tuple[MaxPool, tuple[int, int]]:
    """Any max pooling that Darknet can do, and the size of a map for it."""
    size = draw(st.integers(1, 6))
    padding = draw(st.sampled_from([size - 1, draw(st.integers(0, size - 1))]))
    height, width = (draw(st.integers(max(1, size - padding), 9)) for _ in range(2))
    strides = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    values = {"size": size, "padding": padding, "stride_y": strides[0], "stride_x": strides[1]}
    text = net(height, width) + section("maxpool", **values) + head()
    return parse_architecture(text, "a.cfg").layers[0], (height, width)


@given(pools(), st.integers(0, 99))
def test_max_pooling_is_darknets(drawn, seed):
    layer, (height, width) = drawn
    x = np.random.default_rng(seed).standard_normal((height, width, 2)).astype(np.float32)
    want = np.zeros((*layer.shape[:2], 2), np.float32)
    for i, j, window in windows(x, layer.size, layer.strides, layer.padding // 2, want.shape[:2], -np.inf):
        want[i, j] = window.max((0, 1))
    np.testing.assert_array_equal(pool(tf.constant(x[None]), layer, "pool")[0], want)


@st.composite
def convolutions(draw) -> tuple[Convolution, tuple[int, int]]:
    size, padding = draw(st.integers(1, 5)), draw(st.integers(0, 3))
    height, width = (draw(st.integers(max(1, size - 2 * padding), 9)) for _ in range(2))
    values = {"filters": draw(st.sampled_from([3, 6])), "groups": draw(st.sampled_from([1, 3])), "size": size}
    values |= {"stride_y": draw(st.integers(1, 3)), "stride_x": draw(st.integers(1, 3)), "padding": padding}
    text = net(height, width) + section("convolutional", **values, activation="linear") + head()
    return parse_architecture(text, "a.cfg").layers[0], (height, width)


@given(convolutions(), st.integers(0, 99))
def test_a_convolution_is_darknets(drawn, seed):
    layer, (height, width) = drawn
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((height, width, 3)).astype(np.float32)
    kernel = rng.standard_normal(layer.kernel_shape).astype(np.float32)
    biases = rng.standard_normal(layer.shape[2]).astype(np.float32)
    want = np.zeros(layer.shape)
    for i, j, window in windows(x, layer.size, layer.strides, layer.padding, want.shape[:2], 0):
        for f, weights in enumerate(kernel):
            group = f // (layer.shape[2] // layer.groups)
            channels = slice(group * kernel.shape[1], (group + 1) * kernel.shape[1])
            want[i, j, f] = biases[f] + (window[..., channels] * weights.transpose(1, 2, 0)).sum()
    got = convolve(tf.constant(x[None]), layer, kernel, biases, "c")[0]
    np.testing.assert_allclose(got, want, atol=1e-4)


@given(st.floats(-80, 80, width=32))
def test_mish_is_x_tanh_softplus(x):
    want = x * np.tanh(np.logaddexp(0, np.float64(x)))
    assert float(mish(tf.constant(x))) == pytest.approx(want, rel=1e-5, abs=2e-6)


def unfolded(x, layer: Convolution, found):
    """One convolution with its batch norm as a layer of its own, in the form of Darknet's training."""
    x = keras.layers.ZeroPadding2D(layer.padding)(x)
    plain = keras.layers.Conv2D(layer.shape[2], layer.size, layer.strides, use_bias=False)
    norm = keras.layers.BatchNormalization(epsilon=1e-5)
    plain.build(x.shape)
    norm.build((1, *layer.shape))
    plain.set_weights([found.kernel.transpose(2, 3, 1, 0)])
    norm.set_weights([found.scales, found.biases, found.mean, found.variance])
    return keras.layers.LeakyReLU(0.1)(norm(plain(x)))


@pytest.mark.parametrize("seed", range(3))
def test_folding_batch_norm_changes_nothing(seed):
    text = net() + convolution(8, 3, 2) + convolution(12, 1) + convolution(6, 3) + head()
    architecture = parse_architecture(text, "a.cfg")
    weights = parse_weights(weights_for(architecture, seed), architecture, "a.weights")
    image = image_for(architecture, seed)
    x = tf.constant(image)
    for layer in architecture.convolutions[:-1]:
        x = unfolded(x, layer, weights[layer.number])
    last = weights[3]
    want = np.asarray(x) @ last.kernel[:, :, 0, 0].T + last.biases
    heads = build_network(architecture, weights)(image)
    (got,) = core_rows({name: np.asarray(value) for name, value in heads.items()})
    np.testing.assert_allclose(got, want.reshape(got.shape), atol=1e-5)


def image_for(architecture, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((1, *architecture.image), np.float32)


def write_core(cfg: str, seed: int, file: Path) -> np.ndarray:
    """Write the float32 ``.tflite`` of a network with random weights; return an image for it."""
    architecture = parse_architecture(cfg, "a.cfg")
    weights = parse_weights(weights_for(architecture, seed), architecture, "a.weights")
    file.write_bytes(to_tflite(build_network(architecture, weights)))
    return image_for(architecture, seed)


def core_of(cfg: str, seed: int, folder: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Raw heads, ``[N, 5 + classes]`` each, of the float32 ``.tflite`` and of OpenCV DNN."""
    file, architecture = folder / "core.tflite", parse_architecture(cfg, "a.cfg")
    image = write_core(cfg, seed, file)
    theirs = weights_for(architecture, seed, more=FOR_OPENCV)
    return core_rows(Core(file)(image)), opencv_rows(cfg, theirs, architecture, image)


@pytest.mark.parametrize("seed", range(6))
def test_networks_of_all_sections_equal_opencv(seed, tmp_path):
    ours, theirs = core_of(random_cfg(seed), seed, tmp_path)
    assert len(ours) == len(theirs) == 2
    for got, want in zip(ours, theirs, strict=True):
        assert want.std() > 0.01
        np.testing.assert_allclose(got, want, atol=2e-5 * max(1, np.abs(want).max()))


SHARED_HEAD = head() + section("route", layers=-2) + convolution(4) + head()


@pytest.mark.parametrize("ending", [head("logistic"), SHARED_HEAD])
def test_heads_that_cannot_be_split_by_weights_are_cut_out(ending, tmp_path):
    ours, theirs = core_of(net() + convolution(8, 3, 2) + ending, 1, tmp_path)
    for got, want in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)


def test_heads_have_tensors_of_their_own_and_no_gather(tmp_path):
    file = tmp_path / "core.tflite"
    image = write_core(net() + convolution(8) + head(), 0, file)
    facts, shapes = read_facts(file), {name: head_.shape for name, head_ in Core(file)(image).items()}
    rows = 32 * 32 * ANCHORS
    assert shapes == {"box_0": (1, rows, 4), "objectness_0": (1, rows, 1), "class_0": (1, rows, CLASSES)}
    assert facts.operators == {"CONV_2D": 4, "LEAKY_RELU": 1, "RESHAPE": 3}


def test_every_variant_can_be_made_of_a_network_of_all_sections(tmp_path):
    file, made = tmp_path / "core.tflite", tmp_path / "variant.tflite"
    image = write_core(random_cfg(0), 0, file)
    want = core_rows(Core(file)(image))
    for variant in ALONE.values():
        # It raises where the file does not hold the dtypes that the variant promises.
        quantize_file(file, variant, [image] if variant.calibrated else [], made)
        for got, head_ in zip(core_rows(Core(made)(image)), want, strict=True):
            assert np.corrcoef(got.ravel(), head_.ravel())[0, 1] > 0.98, variant.id
