"""The error of every layer: matched by name, by itself and accumulated."""

import contextlib
import io
import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_quantizer import recipe
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.quantize.layers.decibels import EXACT_DB, power, sqnr_db
from helpers.quantize.layers.diagnosis import cause, diagnosis, worst_by_drop
from helpers.quantize.layers.measure import layer_errors
from helpers.quantize.layers.weights import unpacked
from helpers.quantize.recipes.edge_quantizer import apply_recipe
from helpers.runtimes.litert.core import Core
from helpers.runtimes.litert.kept_tensors import Running
from helpers.runtimes.litert.reader import read_graph
from tests.support.layered_files import make_variants
from tests.support.made_alone import ALONE
from tests.support.why_models import INPUT_SHAPE, stack_core, stack_images

UNEQUAL, CHANNELS = 400.0, 8


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_variants(stack_core(tmp_path_factory.mktemp("stack") / "base.tflite"), stack_images(6))


@pytest.fixture(scope="module")
def found(files):
    """Every variant's layers on photos that were calibrated on."""
    return {name: layer_errors(files["float32"], file, stack_images(3)) for name, file in files.items()}


def unequal_bytes() -> bytes:
    """3x3 to 8 channels, one of them 400 times the others -> 1x1 that makes them equal -> 1x1."""
    generator = np.random.default_rng(3)
    first = np.abs(generator.normal(size=(3, 3, 3, CHANNELS)).astype(np.float32))
    second, third = (generator.normal(size=(1, 1, CHANNELS, n)).astype(np.float32) for n in (CHANNELS, 4))
    first[..., 0] *= UNEQUAL
    second[:, :, 0] /= UNEQUAL

    @tf.function(input_signature=[tf.TensorSpec(INPUT_SHAPE, tf.float32)], autograph=False)
    def serve(image):
        wide = tf.nn.conv2d(image, first, 2, "SAME", name="wide")
        level = tf.nn.conv2d(wide, second, 1, "SAME", name="level")
        return {"heads": tf.nn.conv2d(tf.nn.relu(level), third, 1, "SAME", name="last")}

    module = tf.Module()
    module.serve = serve
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        concrete = [serve.get_concrete_function()]
        return tf.lite.TFLiteConverter.from_concrete_functions(concrete, module).convert()


@pytest.fixture(scope="module")
def unequal(tmp_path_factory):
    base = tmp_path_factory.mktemp("unequal") / "base.tflite"
    base.write_bytes(unequal_bytes())
    files = make_variants(base, stack_images(6))
    return {name: layer_errors(base, file, stack_images(3)) for name, file in files.items()}


def test_float32_has_no_error_against_itself_not_even_layer_by_layer(found):
    layers = found["float32"]
    assert {layer.sqnr_db for layer in layers} == {EXACT_DB}
    assert {layer.own_sqnr_db for layer in layers} == {EXACT_DB}
    assert {layer.drop_db for layer in layers} == {40 - EXACT_DB}
    assert diagnosis(layers).startswith(f"All {len(layers)} layers keep 140 dB")


@pytest.mark.parametrize("variant", [v for v in ALONE if v != "float32"])
def test_every_layer_is_matched_and_the_first_is_its_own_error(found, files, variant):
    layers = found[variant]
    operators = [op for op in read_graph(files["float32"]).operators if not op.folded]
    assert [layer.operator for layer in layers] == [op.type for op in operators]
    assert [layer.tensor for layer in layers] == [op.outputs[0].name for op in operators]
    # Nothing came before the first layer: alone and in the whole it is the same.
    assert layers[0].own_sqnr_db == pytest.approx(layers[0].sqnr_db, abs=0.02)
    assert all(layer.sqnr_low_db <= layer.sqnr_db <= layer.sqnr_high_db for layer in layers)


@pytest.mark.parametrize("variant", [v for v in ALONE if v != "float32"])
def test_the_last_layer_has_the_error_of_the_variants_output(found, files, variant):
    cores = Core(files["float32"]), Core(files[variant])
    ratios = []
    for photo in stack_images(3):
        want, given_ = (core(photo)["heads"].astype(float) for core in cores)
        ratios.append(10 * math.log10((want**2).sum() / ((want - given_) ** 2).sum()))
    last = found[variant][-1]
    assert last.sqnr_db == pytest.approx(np.median(ratios), abs=0.01)
    assert (last.sqnr_low_db, last.sqnr_high_db) == pytest.approx((min(ratios), max(ratios)), abs=0.01)


def constant(run, tensor):
    """A quantized constant as numbers, one scale per output channel (the first axis)."""
    details = next(d for d in run._interpreter.get_tensor_details() if d["index"] == tensor.index)
    scales = details["quantization_parameters"]["scales"].reshape(-1, *[1] * (len(tensor.shape) - 1))
    return run.stored(tensor.index).astype(float) * scales


def test_an_int8_layer_alone_is_what_integer_arithmetic_gives(files, found):
    """A 1x1 convolution by hand: float32's input rounded, times the stored weights, rounded."""
    graph, base = read_graph(files["int8"]), Running(files["float32"])
    run = Running(files["int8"])
    operator = [op for op in graph.operators if op.type == "CONV_2D"][1]
    floats = [op for op in read_graph(files["float32"]).operators if op.type == "CONV_2D"][1]
    weights, bias = constant(run, operator.inputs[1]), constant(run, operator.inputs[2])
    grids = run.grid(operator.inputs[0].index), run.grid(operator.outputs[0].index)
    ratios = []
    for photo in stack_images(3):
        base.set(base.inputs[0], photo)
        base.invoke()
        image, want = base.values(floats.inputs[0].index), base.values(floats.outputs[0].index)
        sums = grids[0].rounded(image).astype(float) @ weights[:, 0, 0].T + bias
        given_ = grids[1].rounded(np.maximum(sums, 0).astype(np.float32))
        ratios.append(sqnr_db(power(want), power(want - given_)))
    layer = next(entry for entry in found["int8"] if entry.tensor == floats.outputs[0].name)
    assert layer.own_sqnr_db == pytest.approx(np.median(ratios), abs=0.05)
    assert layer.own_sqnr_db > layer.sqnr_db


def test_a_drop_is_the_input_less_the_output(files):
    (photo,) = stack_images(1)
    layers = layer_errors(files["float32"], files["int8"], [photo])
    for before, layer in itertools.pairwise(layers):
        assert layer.drop_db == pytest.approx(min(40, before.sqnr_db) - layer.sqnr_db, abs=1e-6)


def test_weights_are_compared_as_stored(files, found):
    base = Running(files["float32"])
    for operator, layer in zip(read_graph(files["float32"]).operators, found["float16"], strict=True):
        weights = base.stored(operator.inputs[1].index)
        kept = weights.astype(np.float16).astype(np.float32)
        assert layer.weights_dtype == "float16"
        assert layer.weights_sqnr_db == pytest.approx(
            sqnr_db(power(weights), power(weights - kept)), abs=0.01
        )
    assert {layer.weights_dtype for layer in found["int8"]} == {"int8"}
    assert all(35 < layer.weights_sqnr_db < 60 for layer in found["int8"])


@settings(max_examples=40, deadline=None)
@given(levels=st.lists(st.integers(-8, 7), min_size=1, max_size=9))
def test_four_bit_weights_are_unpacked(levels):
    nibbles = [level & 15 for level in levels] + [0]
    packed = [low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=False)]
    assert list(unpacked(np.array(packed, np.uint8), len(levels))) == levels


def test_four_bit_weights_cost_four_bits(files, tmp_path):
    small = tmp_path / "int4.tflite"
    small.write_bytes(apply_recipe(files["float32"], recipe.weight_only_wi4_afp32(), []))
    layers = layer_errors(files["float32"], small, stack_images(2))
    narrow = [layer for layer in layers if layer.weights_dtype == "int4"]
    assert narrow
    for layer in narrow:
        eight_bit = next(o.weights_sqnr_db for o in found_in(files, "int8") if o.tensor == layer.tensor)
        # Levels up to 7 instead of up to 127.
        assert eight_bit - layer.weights_sqnr_db == pytest.approx(20 * math.log10(127 / 7), abs=3)


def found_in(files, variant):
    return layer_errors(files["float32"], files[variant], stack_images(1))


def test_values_beyond_the_calibrated_range_are_clipped(files):
    brighter = [3 * photo for photo in stack_images(2)]
    calm = layer_errors(files["float32"], files["int8"], stack_images(6))
    wild = layer_errors(files["float32"], files["int8"], brighter)
    assert max(layer.clipped for layer in calm) == 0
    assert min(layer.clipped for layer in wild) > 0.001
    assert all(layer.seen_range[1] > layer.stored_range[1] for layer in wild)
    assert wild[-1].sqnr_db < calm[-1].sqnr_db - 6
    # The image itself is clipped, before any layer.
    assert wild[0].input_sqnr_db < 10 < 30 < calm[0].input_sqnr_db
    assert "input is stored" in cause(wild[0])


def test_only_the_static_variant_has_grids(found):
    for name in ("float16", "int8-dynamic"):
        assert {(layer.grid_sqnr_db, layer.clipped, layer.levels_used) for layer in found[name]} == {
            (None, None, None)
        }


def test_a_channel_much_larger_than_the_others_is_blamed(unequal):
    wide, level, _ = unequal["int8"]
    assert wide.coarse_channels == (CHANNELS - 1) / CHANNELS
    # The large channel hides it: by its sum of squares the first layer looks well, the next one shows it.
    assert wide.sqnr_db > 35
    (worst,) = worst_by_drop(unequal["int8"], 1)
    assert worst.tensor == level.tensor
    assert level.drop_db > 20
    assert "1 of 3" not in diagnosis(unequal["int8"])
    assert level.name in diagnosis(unequal["int8"]).split(";")[0]


def test_float_activations_do_not_suffer_from_that_channel(unequal):
    assert unequal["float16"][1].sqnr_db > 60
    assert unequal["int8-dynamic"][1].weights_sqnr_db == unequal["int8"][1].weights_sqnr_db


def test_equal_input_gives_equal_layers(files, found):
    assert layer_errors(files["float32"], files["int8"], stack_images(3)) == found["int8"]


def test_a_file_that_cannot_be_compared_says_why(files, tmp_path):
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(b"no model")
    assert "damaged.tflite" in layer_errors(files["float32"], damaged, stack_images(1)).reason
    small = [np.zeros((1, 8, 8, 3), np.float32)]
    assert "int8.tflite" in layer_errors(files["float32"], files["int8"], small).reason
    assert "0 photos" in layer_errors(files["float32"], files["int8"], []).reason
