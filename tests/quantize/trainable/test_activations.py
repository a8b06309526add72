"""int8 in training against LiteRT's integer kernels."""

import numpy as np
import pytest
import tensorflow as tf

from helpers.quantize.trainable.activations import RoundedActivations
from helpers.quantize.trainable.network import Network
from helpers.quantize.trainable.rounded_layer import RoundedLayer
from helpers.quantize.trained.constants import weight_layers, whole_model
from helpers.quantize.trained.grids import activation_grids
from helpers.quantize.trained.int8_file import int8_content, int8_layers, write_int8
from helpers.quantize.trained.trained_codes import TrainedCodes, coded
from helpers.quantize.trained.weight_file import with_own_biases
from helpers.run.forms import TRAINED
from helpers.runtimes.litert.core import Core
from helpers.runtimes.litert.reader import graph_of, read_graph
from tests.support.training_networks import SHAPE, convolved, images, module_bytes, network_bytes

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
FORM = "int8-qat"


class Trained:
    """A network in int8 of which every variable has moved, as training moves it; and its file."""

    def __init__(self, case: str, folder):
        content = with_own_biases(network_bytes(case))
        self.made = int8_content(content, images(8)[:, None])
        graph = graph_of(whole_model(self.made), len(self.made))
        self.activations = RoundedActivations(graph)
        self.layers = [RoundedLayer(x, TRAINED[FORM]) for x in int8_layers(weight_layers(content), graph)]
        generator = np.random.default_rng(1)
        for module in (self.activations, *self.layers):
            for variable in module.trainable_variables:
                variable.assign_add(generator.normal(0, 0.05, variable.shape).astype(np.float32))
        constants = [one.layer for one in self.layers]
        self.network = Network(self.made, constants, self.layers, self.activations)
        self.codes = codes_of(self.layers, self.activations)
        base, self.file = folder / f"{case}.tflite", folder / f"{case}-int8.tflite"
        base.write_bytes(network_bytes(case))
        write_int8(base, self.codes, (), "train again", self.file)


def codes_of(layers, activations) -> TrainedCodes:
    trained = [layer.trained() for layer in layers]
    pairs = list(zip(trained, (layer.layer for layer in layers), strict=True))
    return TrainedCodes(
        FORM, "tiny", "0" * 64,
        tuple(coded(TRAINED[FORM], one.codes, one.steps, layer.axis) for one, layer in pairs),
        tuple(layer.norm for _, layer in pairs),
        tuple(one.biases for one in trained),
        *activations.trained(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return Trained("detector", tmp_path_factory.mktemp("int8"))


def both_answers(trained: Trained) -> tuple[np.ndarray, np.ndarray, float]:
    """Of the training graph and of the kernels, and the step of the output's grid."""
    core, batch = Core(trained.file), images(4)
    graph = tf.function(lambda image: trained.network(image), autograph=False)(tf.constant(batch))
    kernels = np.concatenate([core(image[None])["heads"] for image in batch])
    last = read_graph(trained.file).operators[-1]
    assert last.type == "DEQUANTIZE"
    return graph["heads"].numpy(), kernels, last.inputs[0].grid.scale


@pytest.mark.parametrize(
    "case", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "AVERAGE_POOL_2D"]
)
def test_each_kernel_gives_what_the_training_graph_gives_to_one_step(case, tmp_path):
    made = case if "CONV" in case or case == "FULLY_CONNECTED" else f"{case} behind a layer"
    found, kernels, step = both_answers(Trained(made, tmp_path))
    assert np.abs(found - kernels).max() < 1.01 * step
    assert np.abs(found).max() > 20 * step


def test_a_network_of_kernels_does_but_where_a_step_within_it_grows(trained):
    found, kernels, step = both_answers(trained)
    assert np.mean(np.abs(found - kernels) < step / 2) > 0.9
    assert np.mean(np.abs(found - kernels) < 1.01 * step) > 0.99
    assert np.abs(found - kernels).max() < 3 * step
    assert np.abs(found).max() > 20 * step


def test_the_file_holds_the_trained_numbers(trained):
    graph, codes = read_graph(trained.file), trained.codes
    for operator, layer, biases in zip(graph.convolutions, codes.layers, codes.biases, strict=True):
        np.testing.assert_array_equal(np.float32(operator.weights.scales), layer["scales"])
        bias, image = operator.inputs[2], operator.image.grid.scale
        assert bias.dtype == "int32"
        np.testing.assert_allclose(bias.scales, image * np.array(operator.weights.scales), rtol=1e-6)
        assert set(bias.zero_points) == set(operator.weights.zero_points) == {0}
        assert len(biases) == 1
    found = activation_grids(graph)
    np.testing.assert_array_equal(np.float32([grid.scale for grid in found]), codes.scales)


def test_tensors_that_copies_join_keep_one_grid(trained):
    before = activation_grids(graph_of(whole_model(trained.made), len(trained.made)))
    after = activation_grids(read_graph(trained.file))
    assert [grid.tensors for grid in before] == [grid.tensors for grid in after]
    assert max(len(grid.tensors) for grid in after) > 2
    graph = read_graph(trained.file)
    for operator in graph.operators:
        if operator.type in ("CONCATENATION", "RESHAPE", "MAX_POOL_2D", "RESIZE_NEAREST_NEIGHBOR"):
            ends = [t for t in (*operator.inputs, *operator.outputs) if not t.constant]
            assert len({(t.scales, t.zero_points) for t in ends}) == 1


def test_values_are_rounded_to_levels_and_gradients_reach_the_steps(trained):
    network, activations = trained.network, trained.activations
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(tf.constant(images(2)))["heads"] ** 2)
    gradient = tape.gradient(loss, activations.growth)
    assert np.isfinite(gradient).all()
    assert np.count_nonzero(gradient) > len(activations.grids) / 2
    grid = activations.grids[0]
    tensor = network.graph.tensors[grid.tensors[0]]
    values = activations.rounded(tensor, tf.linspace(-50.0, 50.0, 999)).numpy()
    levels = values / activations.steps()[0].numpy() + grid.zero_point
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-3)
    assert (levels.min().round(), levels.max().round()) == (-128, 127)


def test_a_sigmoids_grid_is_the_kernels_and_is_not_learned():
    made = int8_content(module_bytes(lambda x: tf.sigmoid(convolved(x, 4)), SHAPE), images(4)[:, None])
    activations = RoundedActivations(graph_of(whole_model(made), len(made)))
    fixed = [n for n, grid in enumerate(activations.grids) if grid.fixed]
    before = activations.steps().numpy()
    activations.growth.assign(activations.growth + 1)
    assert [n for n in range(len(before)) if activations.steps().numpy()[n] == before[n]] == fixed
    assert before[fixed].tolist() == [1 / 256]
