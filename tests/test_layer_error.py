"""Per-layer error: ratios by hand, layers alone and in the whole, and the right layer blamed."""

import contextlib
import dataclasses
import io
import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from ai_edge_quantizer import recipe
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.layers.decibels import EXACT_DB, Grid, power, sqnr_db
from helpers.layers.diagnosis import (
    cause,
    diagnosis,
    worst_by_drop,
)
from helpers.layers.frame import (
    layer_values,
    layers_frame,
    lossy_layers_text,
    lossy_layers_texts,
    read_layers,
)
from helpers.layers.layer_error import LayerError
from helpers.layers.measure import layer_errors
from helpers.layers.names import short_names
from helpers.layers.running import Running
from helpers.layers.tally import Tally
from helpers.layers.weights import unpacked
from helpers.meters.base import Absent
from helpers.quantize.recipes import apply_recipe, quantize_file
from helpers.runtime import Core
from helpers.variants import VARIANTS
from helpers.why.graph import read_graph
from helpers.why.operator_kinds import DEPTHWISE
from tests.why_models import INPUT_SHAPE, stack_core, stack_images

UNEQUAL, CHANNELS = 400.0, 8


def make_variants(base, photos):
    files = {name: base.with_name(f"{name}.tflite") for name in VARIANTS}
    for name, file in files.items():
        quantize_file(base, VARIANTS[name], photos, file)
    return files


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

    @tf.function(input_signature=[tf.TensorSpec(INPUT_SHAPE, tf.float32)])
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


@pytest.mark.parametrize(
    ("signal", "noise", "db"),
    [
        (14, 1, 11.4613),
        (100, 1, 20),
        (1, 100, -20),
        (1, 0, EXACT_DB),
        (0, 0, EXACT_DB),
        (0, 1, -EXACT_DB),
        (1, math.inf, -EXACT_DB),
        (1, math.nan, -EXACT_DB),
        (1, 1e-20, EXACT_DB),
    ],
)
def test_decibels_by_hand(signal, noise, db):
    assert sqnr_db(signal, noise) == pytest.approx(db, abs=1e-3)


def test_one_bit_more_is_six_decibels():
    values = np.random.default_rng(0).uniform(-1, 1, 200_000).astype(np.float32)

    def db_of(bits):
        grid = Grid(2 / 2**bits, 0, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return sqnr_db(power(values), power(values - grid.rounded(values)))

    # A uniform signal on its own grid: 6.02 dB a bit.
    assert db_of(8) - db_of(7) == pytest.approx(6.02, abs=0.15)
    assert db_of(7) == pytest.approx(6.02 * 7, abs=0.3)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=20),
    scale=st.floats(0.01, 2),
    zero_point=st.integers(-128, 127),
)
def test_a_grid_rounds_to_the_nearest_number_that_it_holds(values, scale, zero_point):
    values = np.array(values, np.float32)
    held = (np.arange(-128, 128) - zero_point) * scale
    nearest = np.abs(values[:, None].astype(float) - held).min(1)
    given_ = Grid(scale, zero_point).rounded(values).astype(float)
    assert np.abs(given_ - values) == pytest.approx(nearest, abs=1e-4)
    assert np.abs(given_[:, None] - held).min(1).max() < 1e-4


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), spread=st.floats(0.1, 8))
def test_clipped_levels_and_channels_are_counted(seed, spread):
    values = np.random.default_rng(seed).normal(0, spread, (1, 5, 5, 6)).astype(np.float32)
    values[..., 0] /= 50
    grid = Grid(4 / 255, 0)
    tally = Tally(grid)
    tally.add_values(values, power(values))
    levels = grid.to_levels(values).astype(np.int8)
    tally.add_error(levels, 20.0, 1.0, 30.0)
    beyond = (values < grid.low - grid.scale / 2) | (values > grid.high + grid.scale / 2)
    spans = np.ptp(levels.reshape(-1, 6).astype(int), axis=0) + 1
    assert tally.clipped == pytest.approx(beyond.mean())
    assert tally.levels_used == len(np.unique(levels)) / 256
    assert tally.std == pytest.approx(values.std(), rel=1e-3)
    assert tally.step_per_std == pytest.approx(grid.scale / values.std(), rel=1e-3)
    assert (spans <= 15).mean() <= tally.coarse_channels <= (spans <= 18).mean()
    assert tally.drop_db == [10.0]


@pytest.mark.parametrize(("before", "found", "drop"), [(EXACT_DB, 30, 10), (90, 60, -20), (25, 20, 5)])
def test_what_is_lost_above_40_db_is_no_drop(before, found, drop):
    tally = Tally(None)
    tally.add_error(np.zeros(3, np.float32), found, 1.0, before)
    assert tally.drop_db == [drop]


@settings(max_examples=40, deadline=None)
@given(noise=st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(any))
def test_half_of_the_error_is_in_the_fewest_channels(noise):
    tally = Tally(None)
    tally.add_own(np.sqrt(np.array([noise], np.float32)), 30.0, 30.0)
    largest = sorted(noise, reverse=True)
    fewest = next(n for n in range(1, 9) if 2 * sum(largest[:n]) >= sum(noise))
    # At exactly one half, rounding may ask for one channel more.
    assert tally.half_channels in {fewest, fewest + (2 * sum(largest[:fewest]) == sum(noise))}


def test_float32_has_no_error_against_itself_not_even_layer_by_layer(found):
    layers = found["float32"]
    assert {layer.sqnr_db for layer in layers} == {EXACT_DB}
    assert {layer.own_sqnr_db for layer in layers} == {EXACT_DB}
    assert {layer.drop_db for layer in layers} == {40 - EXACT_DB}
    assert diagnosis(layers).startswith(f"All {len(layers)} layers keep 140 dB")


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != "float32"])
def test_every_layer_is_matched_and_the_first_is_its_own_error(found, files, variant):
    layers = found[variant]
    operators = [op for op in read_graph(files["float32"]).operators if not op.folded]
    assert [layer.operator for layer in layers] == [op.type for op in operators]
    assert [layer.tensor for layer in layers] == [op.outputs[0].name for op in operators]
    # Nothing came before the first layer: alone and in the whole it is the same.
    assert layers[0].own_sqnr_db == pytest.approx(layers[0].sqnr_db, abs=0.02)
    assert all(layer.sqnr_low_db <= layer.sqnr_db <= layer.sqnr_high_db for layer in layers)


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != "float32"])
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


def test_a_record_keeps_layers_to_six_digits(found):
    values = json.loads(json.dumps(layer_values(found["int8"], 3), allow_nan=False))
    assert values["diagnosis"] == diagnosis(found["int8"])
    for kept, layer in zip(read_layers(values), found["int8"], strict=True):
        for name, value in dataclasses.asdict(layer).items():
            want = pytest.approx(value, rel=1e-5) if isinstance(value, float) else value
            if name not in ("stored_range", "seen_range"):
                assert getattr(kept, name) == want
        assert kept.seen_range == pytest.approx(layer.seen_range, rel=1e-5)


def test_the_table_keeps_a_variant_without_layers_and_its_reason(found):
    kept = {
        ("ssd", "int8"): layer_values(found["int8"], 3),
        ("ssd", "int4"): layer_values(Absent("no kernel"), 3),
        ("ssd", "int2"): {},
    }
    table = layers_frame(kept)
    rows = table[table["variant"] == "int8"]
    assert list(rows["place"]) == list(range(len(found["int8"])))
    assert set(rows["photos"]) == {3}
    assert list(table["failed"].tail(2)) == ["no kernel", "no layers were compared"]


def test_names_are_short_and_different():
    names = [
        "net/conv_1_relu/Relu6;net/conv_1_bn/FusedBatchNormV3;net/conv_1/Conv2D1",
        "net/conv_2/BiasAdd;net/conv_2/Conv2D;net/conv_2/BiasAdd/ReadVariableOp1",
        "net/dw_bn/FusedBatchNormV3;net/dw/depthwise;;net/pad/Pad1",
        "net/up/resize/Resize",
        "StatefulPartitionedCall:0",
        "net/conv_2/Other",
    ]
    short = short_names(names, {"StatefulPartitionedCall:0": "heads"})
    assert short == ["conv_1", "conv_2 (1)", "dw", "resize", "heads", "conv_2 (5)"]
    assert short_names(["alone"], {}) == ["alone"]
    assert short_names(["net/a/conv/Conv2D", "net/b/conv/Conv2D"], {}) == ["a/conv", "b/conv"]


def layer(**changes) -> LayerError:
    plain = LayerError(
        name="block", tensor="net/block/Conv2D", place=3, depth=0.5, operator="DEPTHWISE_CONV_2D",
        kind=DEPTHWISE, shape=(1, 8, 8, 16), weights_dtype="int8", computes="int8", sqnr_db=20.0,
        sqnr_low_db=18.0, sqnr_high_db=22.0, own_sqnr_db=21.0, drop_db=9.0, error_per_std=0.1,
        weights_sqnr_db=45.0, input_sqnr_db=40.0, grid_sqnr_db=22.0, clipped=0.0, stored_range=(-4.0, 4.0),
        seen_range=(-3.9, 3.8), step_per_std=0.05, levels_used=0.9, coarse_channels=0.0, half_channels=8,
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"own_sqnr_db": None}, "could not be told"),
        ({"own_sqnr_db": 30.0}, "enlarges the error that it is given"),
        ({"clipped": 0.02}, "2 % of its values lie outside"),
        ({"clipped": 0.002}, "0.2 % of its values lie outside"),
        ({"coarse_channels": 0.41}, "41 % of its channels span 16 levels or fewer"),
        ({"stored_range": (-20.0, 20.0)}, "5.2 times the range seen"),
        ({"step_per_std": 0.4}, "0.40 standard deviations"),
        ({}, "output is stored with 22.0 dB"),
        ({"grid_sqnr_db": None, "weights_sqnr_db": 21.5}, "weights, stored as int8, hold 21.5 dB"),
        ({"input_sqnr_db": 21.5}, "input is stored with 21.5 dB"),
        ({"weights_sqnr_db": None, "weights_dtype": "int2"}, "21.0 dB; its weights are stored as int2"),
        ({"grid_sqnr_db": 35.0}, "small differences of large terms"),
        ({"grid_sqnr_db": 35.0, "half_channels": 2}, "2 of its 16 channels make half"),
        ({"grid_sqnr_db": 35.0, "half_channels": 1}, "1 of its 16 channels makes half"),
    ],
)
def test_the_cause_is_told_from_what_the_error_is_made_of(changes, text):
    assert text in cause(layer(**changes))


def test_a_file_that_gives_no_numbers_says_so_and_its_record_is_json(found):
    broken = [found["int8"][0], *(layer(place=i, sqnr_db=-EXACT_DB, error_per_std=math.nan) for i in (1, 2))]
    assert "2 of 3 layers, from block on, give numbers that have nothing" in diagnosis(broken)
    assert (
        json.loads(json.dumps(layer_values(broken, 1), allow_nan=False))["layers"][1]["error_per_std"] is None
    )


def test_where_no_layer_adds_error_none_is_blamed():
    text = diagnosis([layer(drop_db=-1.0), layer(drop_db=0.0, sqnr_db=19.0)])
    assert text == "None of 2 layers adds error to what it is given. The lowest SQNR is 19.0 dB, at block."


def test_the_worst_come_first_and_movers_of_data_are_not_blamed_for_what_they_carry():
    layers = [
        layer(place=i, sqnr_db=s, drop_db=d) for i, (s, d) in enumerate([(30, 1.0), (12, 9.0), (9, 3.0)])
    ]
    layers.append(layer(place=3, sqnr_db=9, drop_db=0.0, kind="move data"))
    layers.append(layer(place=4, sqnr_db=25, drop_db=-2.0))
    assert [entry.place for entry in worst_by_drop(layers)] == [1, 2, 0]


@pytest.fixture(scope="module")
def table():
    kept = {("yolo", "int8"): layer_values([layer()], 8), ("yolo", "int4"): {"absent": "no kernel for it."}}
    return layers_frame(kept)


@pytest.mark.parametrize("difference", [-0.0199, 0.0, 0.03, math.nan, None])
def test_a_small_loss_is_not_explained(table, difference):
    row = {"model": "yolo", "variant": "int8", "ap_diff": difference}
    assert lossy_layers_text(row, table) == ""


def test_a_large_loss_names_the_layers(table):
    rows = [("int8", -0.0414), ("int4", -0.1), ("int2", -0.1), ("float16", -0.001)]
    results = pd.DataFrame(rows, columns=["variant", "ap_diff"]).assign(model="yolo")
    first, second, third = lossy_layers_texts(results, table)
    assert first.startswith(
        "int8 of yolo loses 4.1 AP points. 1 of 1 layer loses most: block (depthwise convolution, 9.0 dB"
    )
    assert second.endswith("could not be compared with float32's: no kernel for it.")
    assert third.endswith("no layers were compared")
