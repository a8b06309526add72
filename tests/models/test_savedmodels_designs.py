"""Detectors of several designs: cut, converted, and compared with the whole SavedModel on photos."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from helpers.lab.files import write_bytes
from helpers.models.interface import Interface
from helpers.models.savedmodels.convert import convert
from helpers.photos.decoding import core_input
from helpers.photos.preprocessing import Preprocessing
from helpers.quantize.recipes.edge_quantizer import apply_recipe
from helpers.quantize.recipes.integers import INT8
from helpers.tasks.detection.tails.boxes_scores import BoxesScoresTail
from helpers.tasks.detection.tails.centernet import CenterNetTail
from helpers.tasks.detection.tails.selection import Limits
from helpers.tasks.detection.tails.ssd import SSDTail
from tests.support import savedmodel_designs as designs
from tests.support.savedmodel_cut import LIMITS, Cut, assert_same


def cut_once(name: str, write: Callable[[Path], Path]):
    @pytest.fixture(scope="module", name=name)
    def made(tmp_path_factory) -> Cut:
        return Cut(write(tmp_path_factory.mktemp(name) / "model"))

    return made


centres = cut_once("centres", designs.save_centres)
softmax = cut_once("softmax", designs.save_softmax)
distances = cut_once("distances", designs.save_distances)


def photos(count: int) -> list[np.ndarray]:
    """Smooth random photos of several sizes."""
    generator = np.random.default_rng(5)
    sizes = [(90, 120), (150, 97), (64, 64), (203, 180)]
    return [smooth(generator, *sizes[i % len(sizes)]) for i in range(count)]


def smooth(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    coarse = generator.integers(0, 256, (-(-height // 8), -(-width // 8), 3))
    return coarse.repeat(8, 0).repeat(8, 1)[:height, :width].astype(np.uint8)


def test_centres_are_cut_before_the_peaks(centres):
    assert isinstance(centres.interface.tail, CenterNetTail)
    assert centres.interface.tail.peak_side == 3
    heads = centres.core(core_input(photos(1)[0], centres.interface.preprocessing))
    assert {name: head.shape for name, head in heads.items()} == {
        "heat_map": (1, 8, 8, designs.CLASSES), "offsets": (1, 8, 8, 2), "sizes": (1, 8, 8, 2),
    }  # fmt: skip
    assert_same(centres, photos(8))


def test_padding_and_normalization_of_centres_are_found(centres):
    found = centres.interface.preprocessing
    assert (found.resize, found.channels, found.pad) == ("half-pixel", "RGB", True)
    assert (found.height, found.width) == (designs.SIDE, designs.SIDE)
    np.testing.assert_allclose(1 / np.array(found.scale), designs.SPREAD, rtol=1e-5)
    np.testing.assert_allclose(found.offset, -np.divide(designs.MEAN, designs.SPREAD), rtol=1e-5)


@pytest.mark.parametrize("activation", [tf.nn.silu, tf.nn.gelu, tf.nn.elu])
def test_activations_with_gradients_of_their_own_keep_the_outputs_names(activation, tmp_path):
    """TensorFlow gives SiLU one, which a function that holds it cannot be saved with."""
    cut = Cut(designs.save_softmax(tmp_path / "model", activation))
    heads = cut.core(core_input(photos(1)[0], cut.interface.preprocessing))
    assert set(heads) == {"box_encodings", "class_logits"}
    assert_same(cut, photos(4))


def test_softmax_background_scales_and_a_loop_s_suppression_are_found(softmax):
    tail = softmax.interface.tail
    assert isinstance(tail, SSDTail)
    assert (tail.conversion, tail.background, tail.most_per_class) == ("softmax", True, 7)
    assert tail.limits == Limits(0.45, LIMITS.score_threshold, 20)
    np.testing.assert_allclose(tail.scales, (8, 8, 4, 4), rtol=1e-4)
    assert softmax.interface.preprocessing == Preprocessing(64, 64, (2 / 255,) * 3, (-1.0,) * 3, "corner")
    # The graph drops scores up to 0.1, ours go on below.
    assert_same(softmax, photos(8), least=0.101)


def test_anchors_made_in_the_graph_are_solved(softmax):
    anchors = softmax.interface.tail.anchors
    assert anchors.shape == (designs.PER_LEVEL * (8 * 8 + 4 * 4), 4)
    np.testing.assert_allclose(anchors[0], [1 / 16, 1 / 16, 1.5 / 8, 1.5 / 8], atol=1e-6)
    np.testing.assert_allclose(anchors[-1], [7 / 8, 7 / 8, 2.5 / 4, 1 / 4], atol=1e-6)


def test_an_unusual_decoding_stays_inside_the_core(distances):
    assert isinstance(distances.interface.tail, BoxesScoresTail)
    assert distances.interface.preprocessing.channels == "BGR"
    assert distances.interface.tail.limits.nms_iou == 0.5
    heads = distances.core(core_input(photos(1)[0], distances.interface.preprocessing))
    assert {name: head.shape for name, head in heads.items()} == {
        "boxes": (1, 64, 4), "scores": (1, 64, designs.CLASSES),
    }  # fmt: skip
    assert_same(distances, photos(8))


@pytest.mark.parametrize("name", ["centres", "softmax", "distances"])
def test_the_interface_is_what_it_was_when_it_is_read_again(name, request, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "helpers.models.interface.TAILS", {"a": SSDTail, "b": CenterNetTail, "c": BoxesScoresTail}
    )
    cut = request.getfixturevalue(name)
    cut.interface.save(tmp_path / "interface.npz")
    again = Interface.load(tmp_path / "interface.npz")
    heads = cut.core(core_input(photos(1)[0], again.preprocessing))
    np.testing.assert_array_equal(again.tail(heads).boxes, cut.interface.tail(heads).boxes)
    assert again.preprocessing == cut.interface.preprocessing


def test_fewer_detections_than_the_graph_gives_can_be_wanted(tmp_path):
    wanted = Limits(0.9, 0.2, 10)
    interface = convert(designs.save_centres(tmp_path / "model"), wanted, tmp_path / "core.tflite")
    assert interface.tail.limits == wanted


def test_the_decoding_can_be_left_in_float(distances, tmp_path):
    steps = [
        {"regex": pattern, "operation": "*", "algorithm_key": "no_quantize", "op_config": {}}
        for pattern in distances.interface.tail.float_operators
    ]
    inputs = [core_input(photo, distances.interface.preprocessing) for photo in photos(8)]
    write_bytes(tmp_path / "int8.tflite", apply_recipe(distances.file, INT8.steps() + steps, inputs))
    kinds = operators(tmp_path / "int8.tflite")
    assert {dtype for name, dtype in kinds if name == "CONV_2D"} == {np.int8}
    assert {dtype for name, dtype in kinds if name in ("EXP", "LOGISTIC", "SUB", "ADD", "SQRT", "MUL")} == {
        np.float32
    }


def operators(file: Path) -> list[tuple[str, type]]:
    """Name and result's dtype of every operator of a ``.tflite``."""
    loaded = Interpreter(
        str(file), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    dtypes = {detail["index"]: detail["dtype"] for detail in loaded.get_tensor_details()}
    return [(entry["op_name"], dtypes[entry["outputs"][0]]) for entry in loaded._get_ops_details()]


padded = cut_once("padded", designs.save_padded)


def test_a_rest_filled_with_the_mean_colour_is_found(padded):
    found = padded.interface.preprocessing
    assert found.pad
    np.testing.assert_allclose(found.fill, designs.MEAN, atol=2e-2)
    assert isinstance(padded.interface.tail, SSDTail)
    assert_same(padded, photos(8))
