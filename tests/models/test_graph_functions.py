"""No ``tf.function`` of the project can be stopped by the address of a method.

AutoGraph keeps the addresses of what was in ``builtins`` when TensorFlow was imported, a bound method among
them in a Jupyter kernel. A method that later lies at such an address is taken for a builtin and called
without its object. Here every method counts as one, which is what such a collision does.
"""

import ast
import types

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.autograph.pyct import inspect_utils

from helpers.lab.paths import ROOT
from helpers.models.darknet.architecture import parse_architecture
from helpers.models.darknet.convert import to_tflite
from helpers.models.darknet.network import build_network
from helpers.models.darknet.weights import parse_weights
from helpers.models.embedded.export import Detector
from helpers.models.registry import DEFAULT_MODEL, MODELS
from helpers.models.savedmodels.convert import convert
from helpers.pitfalls.graphs import EmbeddedCore, converter_of
from tests.models.darknet import generate
from tests.support import savedmodel_designs
from tests.support.savedmodel_cut import LIMITS

CORE_IMAGE = (1, 192, 192, 3)


@pytest.fixture
def collision(monkeypatch):
    """Every bound method lies at the address of a builtin, as far as AutoGraph can tell."""
    known = inspect_utils.isbuiltin
    taken = lambda f: known(f) or isinstance(f, types.MethodType)  # noqa: E731
    monkeypatch.setattr(inspect_utils, "isbuiltin", taken)


def uses(name: str) -> list[tuple[str, ast.expr]]:
    """Where ``tf.<name>`` stands in helpers/: place, and the call (or the bare name)."""
    found = []
    for path in sorted((ROOT / "helpers").rglob("*.py")):
        tree = ast.parse(path.read_text())
        calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == name]
        named = [node for node in names if isinstance(node.value, ast.Name) and node.value.id == "tf"]
        found += [(f"{path.relative_to(ROOT)}:{node.lineno}", calls.get(id(node), node)) for node in named]
    return found


def test_every_function_is_traced_without_autograph():
    found = uses("function")
    assert len(found) >= 8
    for place, call in found:
        words = {word.arg: word.value for word in getattr(call, "keywords", ())}
        assert "autograph" in words, place
        assert ast.literal_eval(words["autograph"]) is False, place


@pytest.mark.usefixtures("collision")
def test_the_collision_stops_a_method_that_autograph_converts():
    class Core(tf.Module):
        network = staticmethod(lambda image: 2 * image)

        @tf.function(input_signature=[tf.TensorSpec([1])])
        def raw(self, image):
            return self.network(image)

    with pytest.raises((AttributeError, TypeError)):
        Core().raw(tf.constant([1.0]))


@pytest.fixture(scope="module")
def network():
    from helpers.models.embedded.weights import load_network

    return load_network(MODELS[DEFAULT_MODEL].source.weights)


@pytest.mark.usefixtures("collision")
def test_the_embedded_detector_is_called(network):
    found = Detector(network)(tf.zeros((1, 40, 60, 3), tf.uint8))
    assert found["detection_boxes"].shape == (1, 100, 4)


@pytest.mark.usefixtures("collision")
@pytest.mark.parametrize("end", ["raw", "separate", "joined"])
def test_every_end_of_the_embedded_core_is_called_and_converted(network, end):
    core = EmbeddedCore(network)
    function = getattr(core, end)
    image = np.random.default_rng(0).uniform(-1, 1, CORE_IMAGE).astype(np.float32)
    assert all(np.isfinite(value).all() for value in function(tf.constant(image)).values())
    assert len(converter_of(function).convert()) > 1_000_000


@pytest.mark.usefixtures("collision")
def test_a_darknet_network_is_converted():
    architecture = parse_architecture(generate.net() + generate.convolution(8) + generate.head(), "net.cfg")
    weights = parse_weights(generate.weights_for(architecture, 0), architecture, "net.weights")
    assert to_tflite(build_network(architecture, weights))[4:8] == b"TFL3"


@pytest.mark.usefixtures("collision")
def test_a_savedmodel_is_cut_and_converted(tmp_path):
    folder = savedmodel_designs.save_distances(tmp_path / "model")
    convert(folder, LIMITS, tmp_path / "core.tflite")
    assert (tmp_path / "core.tflite").read_bytes()[4:8] == b"TFL3"
