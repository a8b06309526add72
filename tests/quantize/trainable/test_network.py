"""The function that is trained against LiteRT's interpreter, operator by operator."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from helpers.lab.errors import LabError
from helpers.quantize.trainable.network import Network, float_network
from helpers.quantize.trained.constants import weight_layers
from tests.support.branched_keras import SHAPE as BRANCHED
from tests.support.branched_keras import built, converted
from tests.support.training_networks import OPERATOR_CASES, SHAPE, images, network_bytes


def answers(content: bytes, batch: np.ndarray) -> dict[str, np.ndarray]:
    """LiteRT's, image by image."""
    interpreter = Interpreter(model_content=content)
    run = interpreter.get_signature_runner()
    name = next(iter(run.get_input_details()))
    each = [run(**{name: image[None]}) for image in batch]
    return {head: np.concatenate([one[head] for one in each]) for head in each[0]}


def walked(content: bytes, batch: np.ndarray) -> dict[str, np.ndarray]:
    network = Network(content, (), ())
    found = tf.function(lambda image: network(image), autograph=False)(tf.constant(batch))
    return {name: value.numpy() for name, value in found.items()}


@pytest.mark.parametrize("case", OPERATOR_CASES)
def test_each_operator_gives_what_litert_gives(case):
    """Also for a batch, of which LiteRT is given one image at a time."""
    content, batch = network_bytes(case), images()
    found, wanted = walked(content, batch)["heads"], answers(content, batch)["heads"]
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_the_cases_hold_the_operators_that_they_name():
    for case in OPERATOR_CASES:
        network = Network(network_bytes(case), (), ())
        assert case.split()[0] in {operator.type for operator in network.graph.operators}, case


@pytest.mark.parametrize("source", ["detector", "every kind of layer, one used twice"])
def test_whole_networks_with_their_layers_as_sources(source):
    content, shape = (network_bytes(), SHAPE) if source == "detector" else (converted(built()), BRANCHED)
    batch = np.random.default_rng(5).uniform(-1, 1, (2, *shape[1:])).astype(np.float32)
    network = float_network(content, weight_layers(content))
    found = tf.function(lambda image: network(image), autograph=False)(tf.constant(batch))
    for name, wanted in answers(content, batch).items():
        size = np.abs(wanted).max()
        np.testing.assert_allclose(found[name].numpy() / size, wanted / size, atol=1e-4)


def test_layers_know_their_convolutions_and_which_are_last():
    shared = weight_layers(converted(built()))
    assert [len(layer.convolutions) for layer in shared].count(2) == 1
    assert all(len(layer.biases) == len(layer.convolutions) for layer in shared)
    layers = weight_layers(network_bytes())
    assert [layer.ends for layer in layers].count(True) == 2
    assert [layer.axis for layer in layers if layer.type == "DEPTHWISE_CONV_2D"] == [3]


def test_an_operator_without_gradient_here_is_named():
    content = network_bytes("CONV_2D")
    network = Network(content, (), ())
    object.__setattr__(network.graph.operators[0], "type", "SEGMENT_SUM")
    with pytest.raises(LabError, match="operator SEGMENT_SUM") as caught:
        network(tf.constant(images()))
    assert "operators.py" in caught.value.cure


def test_a_network_without_layers_of_weights_is_refused():
    with pytest.raises(LabError, match="no layer with float32 weights"):
        weight_layers(network_bytes("RELU"))
