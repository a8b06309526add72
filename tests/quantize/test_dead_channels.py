"""Channels without weights keep their bias through static quantization."""

import numpy as np
import pytest
import tensorflow as tf

from helpers.lab.files import write_bytes
from helpers.quantize.dead_channels import LEAST_SHARE, revive
from helpers.quantize.recipes.catalogue import quantize_file
from helpers.run.variants import get_variant
from helpers.runtimes.litert.core import Core

DEAD = 2


@pytest.fixture(params=["conv", "depthwise"])
def network(request, tmp_path):
    """A convolution of 6 channels; one has a bias of -4.6 and no weights."""
    generator = np.random.default_rng(0)
    depthwise = request.param == "depthwise"
    kernel = generator.normal(0, 1, (3, 3, 3, 2 if depthwise else 6)).astype(np.float32)
    if depthwise:
        kernel[:, :, *divmod(DEAD, 2)] = 0
    else:
        kernel[..., DEAD] = 0
    bias = np.float32([0.5, -0.2, -4.6, 0.1, 0.3, -1])
    convolve = tf.nn.depthwise_conv2d if depthwise else tf.nn.conv2d
    step = (1, 2, 2, 1)

    @tf.function(input_signature=[tf.TensorSpec((1, 16, 16, 3), name="image")], autograph=False)
    def run(image):
        return {"out": tf.nn.bias_add(convolve(image, kernel, step, "SAME"), bias)}

    converter = tf.lite.TFLiteConverter.from_concrete_functions([run.get_concrete_function()], tf.Module())
    write_bytes(tmp_path / "float32.tflite", converter.convert())
    return tmp_path / "float32.tflite"


def images(count: int) -> list[np.ndarray]:
    generator = np.random.default_rng(1)
    return [generator.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32) for _ in range(count)]


def test_the_bias_of_a_channel_without_weights_survives_int8(network):
    output = network.with_name("int8.tflite")
    quantize_file(network, get_variant("int8"), images(4), output)
    exact, rounded = (Core(file)(images(1)[0])["out"] for file in (network, output))
    step = np.ptp(exact) / 255
    assert np.abs(exact[..., DEAD] + 4.6).max() < 1e-6
    assert np.abs(exact - rounded).max() < 3 * step


def test_only_channels_without_weights_change(network):
    alive = network.with_name("alive.tflite")
    write_bytes(alive, revive(network.read_bytes()))
    before, after = (Core(file)(images(1)[0])["out"] for file in (network, alive))
    np.testing.assert_array_equal(np.delete(before, DEAD, -1), np.delete(after, DEAD, -1))
    gap = np.abs(before - after)[..., DEAD].max()
    assert 0 < gap <= 4.6 * LEAST_SHARE
    assert revive(alive.read_bytes()) == alive.read_bytes()


@pytest.fixture(scope="module")
def transposed(tmp_path_factory):
    """A transposed convolution, as CenterNet upsamples with, of which three channels have no weights."""
    generator = np.random.default_rng(0)
    kernel = generator.standard_normal((3, 3, 8, 3)).astype(np.float32)
    kernel[:, :, :3] = 0

    @tf.function(input_signature=[tf.TensorSpec((1, 16, 16, 3), name="image")], autograph=False)
    def upsample(image):
        bias = tf.linspace(-5.0, 5.0, 8)
        return {"heads": tf.nn.bias_add(tf.nn.conv2d_transpose(image, kernel, [1, 32, 32, 8], 2), bias)}

    module = tf.Module()
    module.upsample = upsample
    path = tmp_path_factory.mktemp("transposed") / "float32.tflite"
    concrete = [upsample.get_concrete_function()]
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions(concrete, module).convert())
    return path


def test_transposed_convolutions_keep_the_bias_of_channels_without_weights(transposed, tmp_path):
    photos = [np.random.default_rng(i).random((1, 16, 16, 3), np.float32) for i in range(4)]
    facts = quantize_file(transposed, get_variant("int8"), photos, tmp_path / "int8.tflite")
    assert facts.kernels == {"TRANSPOSE_CONV int8/int8": 1}
    exact, found = (
        Core(path)(photos[0])["heads"][0, 0, 0, :3] for path in (transposed, tmp_path / "int8.tflite")
    )
    assert found == pytest.approx(exact, abs=0.1)


def test_a_transposed_convolution_can_be_int8_dynamic(transposed, tmp_path):
    facts = quantize_file(transposed, get_variant("int8-dynamic"), (), tmp_path / "dynamic.tflite")
    assert facts.compute_dtype == "int8-dynamic"
