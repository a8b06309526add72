"""What is said of the layers: their names, the worst of them, and why."""

import dataclasses
import json
import math

import pandas as pd
import pytest

from helpers.lab.intervals import Absent
from helpers.lab.records import jsonable, structured
from helpers.quantize.layers.decibels import EXACT_DB
from helpers.quantize.layers.diagnosis import cause, diagnosis, worst_by_drop
from helpers.quantize.layers.frame import compared, layers_frame, lossy_layers_text, lossy_layers_texts
from helpers.quantize.layers.layer_error import ComparedLayers
from helpers.quantize.layers.measure import layer_errors
from helpers.quantize.layers.names import short_names
from tests.support.layered_files import layer, make_variants
from tests.support.why_models import stack_core, stack_images


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_variants(stack_core(tmp_path_factory.mktemp("stack") / "base.tflite"), stack_images(6))


@pytest.fixture(scope="module")
def found(files):
    """Every variant's layers on photos that were calibrated on."""
    return {name: layer_errors(files["float32"], file, stack_images(3)) for name, file in files.items()}


def read_again(values: ComparedLayers) -> ComparedLayers:
    """As a record keeps it; what is read must be what was written."""
    read = structured(ComparedLayers, json.loads(json.dumps(jsonable(values), allow_nan=False)))
    assert read == values
    return read


def test_a_record_keeps_layers_to_six_digits(found):
    values = read_again(compared(found["int8"], 3))
    assert values.diagnosis == diagnosis(found["int8"])
    for kept, each in zip(values.layers, found["int8"], strict=True):
        for name, value in dataclasses.asdict(each).items():
            want = pytest.approx(value, rel=1e-5) if isinstance(value, float) else value
            if name not in ("stored_range", "seen_range"):
                assert getattr(kept, name) == want
        assert kept.seen_range == pytest.approx(each.seen_range, rel=1e-5)


def test_the_table_keeps_a_variant_without_layers_and_its_reason(found):
    kept = {
        ("ssd", "int8"): compared(found["int8"], 3),
        ("ssd", "int4"): compared(Absent("no kernel"), 3),
        ("ssd", "int2"): compared([], 3),
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
    assert read_again(compared(broken, 1)).layers[1].error_per_std is None


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
    kept = {("yolo", "int8"): compared([layer()], 8), ("yolo", "int4"): Absent("no kernel for it.")}
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
