"""One layer opened: what is read of a file is what the formula gives, whatever the file holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.quantize import one_layer
from helpers.quantize.recipes.catalogue import quantize_file
from helpers.runtimes.litert.grid import Grid
from helpers.show.context import Context
from tests.support.figure_checks import lines_by_gid, overlapping
from tests.support.made_alone import ALONE
from tests.support.tiny_models import tiny_core, tiny_images

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")


@pytest.fixture(scope="module")
def float_file(tmp_path_factory):
    return tiny_core(tmp_path_factory.mktemp("cores") / "float32.tflite", 16)


@pytest.fixture(scope="module")
def files(float_file):
    base = float_file
    made = {name: base.with_name(f"{name}.tflite") for name in ALONE if name != "float32"}
    for name, file in made.items():
        quantize_file(base, ALONE[name], tiny_images(8), file)
    return {"float32": one_layer.open_file(base)} | {n: one_layer.open_file(f) for n, f in made.items()}


@pytest.mark.parametrize("name", ["int8", "int8-dynamic"])
def test_stored_integers_are_those_of_the_formula(files, name):
    found = list(one_layer.plain_channels(files["float32"], files[name]))
    assert len(found) == 2
    for _, _, weights, stored, grid, *_ in found:
        scale = abs(weights).max() / 127
        assert grid.scale == pytest.approx(scale, rel=1e-5)
        halfway = abs(weights / scale % 1 - 0.5) < 1e-3
        assert (np.rint(weights / scale) == stored)[~halfway].all()


def test_the_layer_with_the_most_weights_per_channel_comes_first(files):
    sizes = [len(found[2]) for found in one_layer.plain_channels(files["float32"], files["int8"])]
    assert sizes == [3 * 3 * 16, 3 * 3 * 3]


def test_a_calibrated_output_has_a_grid_of_its_own_and_a_float_one_an_example(files):
    *_, grid, of_file = next(one_layer.plain_channels(files["float32"], files["int8"]))
    assert of_file
    assert grid != one_layer.EXAMPLE
    *_, grid, of_file = next(one_layer.plain_channels(files["float32"], files["int8-dynamic"]))
    assert (grid, of_file) == (one_layer.EXAMPLE, False)


@pytest.mark.parametrize("name", ["float32", "float16"])
def test_a_file_without_integers_has_no_such_channel(files, name):
    assert list(one_layer.plain_channels(files["float32"], files[name])) == []


def test_without_an_integer_variant_float32s_weights_are_rounded(float_file):
    layer = one_layer.rounded_here("tiny", float_file)
    assert layer.source == one_layer.NO_FILE
    assert abs(layer.stored.astype(int)).max() == 127
    assert np.allclose(layer.grid.to_values(layer.stored), layer.weights, atol=layer.grid.scale / 2 * 1.001)
    assert "as an example" in one_layer.describe(layer)["the layer's output"]


def test_a_file_without_weights_is_told(float_file, monkeypatch):
    monkeypatch.setattr(one_layer, "float_layers", lambda path: [])
    assert one_layer.rounded_here("tiny", float_file).layer == one_layer.NO_WEIGHTS


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=50), st.sampled_from([1, 1.5, 2]))
def test_weights_that_a_cure_has_moved_are_not_taken_for_plain(values, factor):
    real = np.float32([*values, 1])
    grid = Grid(1 / 127, 0)
    stored = np.clip(np.rint(real * factor * 127), -127, 127)
    moved = abs(stored - np.rint(real * 127)).max() > 1
    assert one_layer.is_plain(real, stored, grid) is not bool(moved)
    assert not one_layer.is_plain(np.zeros(3), np.zeros(3), grid)


def test_the_picture_draws_levels_weights_and_errors(files):
    found = next(one_layer.plain_channels(files["float32"], files["int8"]))
    layer = one_layer.OneLayer("tiny", *found[:2], "int8", *found[2:])
    figure = one_layer.draw_picture(layer, Context(run="r"))
    (dots,) = lines_by_gid(figure)["weights"]
    assert 0 < len(dots.get_xdata()) <= one_layer.MOST_DOTS
    assert "n = 144 weights" in figure.caption
    assert overlapping(figure) == []
