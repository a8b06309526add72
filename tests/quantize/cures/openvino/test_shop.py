"""Cures of OpenVINO's int8: activation functions in one operator, layers back in float, the search."""

from collections import Counter

import numpy as np
import pytest

from helpers.quantize.cures.agreement import Judge
from helpers.quantize.cures.openvino.draft import load_draft
from helpers.quantize.cures.openvino.quantized import (
    float_graph,
    layers,
    quantized,
    with_floats,
    with_whole_ranges,
)
from helpers.quantize.cures.openvino.shop import OpenVinoShop
from helpers.quantize.cures.openvino.stems import with_whole_images
from helpers.quantize.cures.search import Search
from helpers.runtimes.catalogue import load_core
from helpers.runtimes.openvino.representation import write_ir
from tests.quantize.cures.test_search import cells
from tests.support.faulty_networks import faulty, images


@pytest.fixture
def silu(tmp_path):
    file = tmp_path / "silu.tflite"
    file.write_bytes(faulty("silu"))
    return file


def kinds(model) -> Counter:
    return Counter(node.get_type_name() for node in model.get_ops())


def heads(model, folder, name: str, photos) -> np.ndarray:
    write_ir(model, folder / f"{name}.xml", "f32")
    core = load_core(folder / f"{name}.xml")
    return np.stack([next(iter(core(photo).values())) for photo in photos])


def test_a_fused_activation_function_has_no_grid_inside(silu):
    photos = images(6)
    plain, fused = (quantized(float_graph(silu, each)[0], photos, "minmax", ()) for each in (False, True))
    assert kinds(plain)["Sigmoid"] == kinds(fused)["Swish"] == 1
    assert kinds(fused)["FakeQuantize"] < kinds(plain)["FakeQuantize"]


def test_float32_is_the_same_fused(silu, tmp_path):
    photos = images(3)
    plain, fused = (heads(float_graph(silu, each)[0], tmp_path, str(each), photos) for each in (False, True))
    np.testing.assert_allclose(plain, fused, atol=1e-5 * np.abs(plain).max())


@pytest.mark.parametrize("name", ["silu", "silenced"])
def test_all_layers_in_float_are_nearly_float32(name, tmp_path):
    file, photos = tmp_path / "core.tflite", images(6)
    file.write_bytes(faulty(name))
    exact, _ = float_graph(file, fused=True)
    model = quantized(exact, photos, "minmax", ())
    wanted = heads(exact, tmp_path, "exact", photos)
    errors = [
        np.abs(heads(with_floats(model, exact, chosen), tmp_path, f"n{len(chosen)}", photos) - wanted).max()
        for chosen in (frozenset(), frozenset(layers(model)))
    ]
    assert errors[1] < 0.5 * errors[0]
    assert kinds(model)["FakeQuantize"] > 0  # the one that was copied is as it was


def test_a_draft_is_the_same_after_saving(silu, tmp_path):
    shop = OpenVinoShop(silu, images(4))
    draft = shop.start().with_floats(frozenset({"a", "b"}))
    draft.save(tmp_path / "saved")
    assert load_draft(tmp_path / "saved", shop) == draft


def test_a_loud_channel_is_cured_in_openvino_too(tmp_path):
    file = tmp_path / "core.tflite"
    file.write_bytes(faulty("one_loud_channel"))
    drawn = images(16)
    shop = OpenVinoShop(file, drawn[::2])
    judge = Judge.of(file, cells, drawn[1::2])
    plain = shop.start().write
    search = Search(
        shop, judge, tmp_path / "steps", shop.float_core, plain, "int8", 0.001, "k", 8, ("equalize",)
    )
    course = search.run()
    assert [step.cure for step in course.steps] == ["int8", "kernels", "equalize"]
    assert course.steps[-1].agreement > course.steps[0].agreement + 10
    assert all((search.folder / step.file).with_suffix(".bin").is_file() for step in course.steps)


def focused(kernel: np.ndarray, joined: str):
    """Every second pixel of an image in channels of its own, and a convolution of them."""
    import openvino
    from openvino import opset13 as ops

    image = ops.parameter([1, 3, 16, 12], np.float32, name="image")
    parts = [ops.slice(image, [row, column], [16, 12], [2, 2], [2, 3]) for column in (0, 1) for row in (0, 1)]
    parts = parts[::-1] if joined == "turned" else parts
    made = ops.convolution(ops.concat(parts, 1), kernel, [1, 1], [1, 1], [1, 1], [1, 1])
    made.output(0).set_names({"out"})
    return openvino.Model([ops.result(made)], [image], "focus")


@pytest.mark.parametrize("joined", ["in order", "turned"])
def test_sliced_images_are_read_whole_with_the_same_answers(joined):
    import openvino

    kernel = np.random.default_rng(0).normal(0, 1, (5, 12, 3, 3)).astype(np.float32)
    photo = np.random.default_rng(1).normal(0, 1, (1, 3, 16, 12)).astype(np.float32)
    before, after = focused(kernel, joined), focused(kernel, joined)
    assert with_whole_images(after) == 1
    assert kinds(before)["Slice"] == 4
    wanted, found = (openvino.compile_model(each, "CPU")([photo])[0] for each in (before, after))
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert with_whole_images(after) == 0


def test_rows_of_a_map_have_no_ranges_of_their_own():
    import openvino
    from openvino import opset13 as ops

    image = ops.parameter([1, 4, 4, 3], np.float32, name="image")
    low, high = np.float32([-1, -2, -3, -4]).reshape(1, 4, 1, 1), np.float32([1, 2, 3, 8]).reshape(1, 4, 1, 1)
    rounded = ops.fake_quantize(image, low, high, low, high, 256)
    model = openvino.Model([ops.result(ops.relu(rounded))], [image], "rows")
    assert with_whole_ranges(model) == 1
    node = next(each for each in model.get_ops() if each.get_type_name() == "FakeQuantize")
    ends = [float(np.ravel(node.input_value(place).get_node().data)[0]) for place in (1, 2, 3, 4)]
    assert ends == [-4, 8, -4, 8]
    assert with_whole_ranges(model) == 0
