"""The recipe of cured files where nothing can be searched: few photos, all alike, nothing found."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.lab.errors import LabError
from helpers.models.interface import Interface
from helpers.photos.preprocessing import Preprocessing
from helpers.quantize.cures.agreement import Judge
from helpers.quantize.recipes.catalogue import get_recipe, quantize_file
from helpers.quantize.recipes.contract import Work
from helpers.quantize.recipes.cured_file import UNSEARCHED, require_cures, why_blind, why_unfit
from helpers.run.forms import get_form
from helpers.run.variants import get_variant
from tests.quantize.cures.test_search import cells, found
from tests.support.faulty_networks import faulty, images


@pytest.mark.parametrize(
    ("photos", "said"),
    [(images(1), "too few"), (images(3), "too few"), ([images(1)[0]] * 9, "alike"), (images(4), "")],
)
def test_photos_by_which_nothing_can_be_chosen_are_told(photos, said):
    assert (said in why_unfit(photos)) if said else why_unfit(photos) == ""


def test_a_detector_that_finds_nothing_is_told():
    nothing = Judge(images(2), None, [found([], [], [])] * 2)
    something = Judge(images(2), None, [found([[0, 0, 1, 1]], [0.9], [1])] * 2)
    assert "float32 finds nothing" in why_blind(nothing)
    assert why_blind(something) == ""


def test_a_file_alone_cannot_be_cured(tmp_path):
    (tmp_path / "float32.tflite").write_bytes(faulty("plain"))
    with pytest.raises(LabError, match="of a float32 file alone"):
        quantize_file(
            tmp_path / "float32.tflite", get_variant("int8-cured"), images(8), tmp_path / "cured.tflite"
        )


@pytest.mark.parametrize("count", [2, 12])
def test_with_few_photos_what_is_exact_is_applied(count, tmp_path, monkeypatch):
    float_file, interface_file = tmp_path / "float32.tflite", tmp_path / "interface.npz"
    float_file.write_bytes(faulty("one_loud_channel"))
    interface_file.write_bytes(b"known by its name alone")
    monkeypatch.setattr(
        Interface, "load", lambda path: Interface(Preprocessing(16, 16, (1.0,) * 3, (0.0,) * 3), cells)
    )
    work = Work(
        get_variant("int8-cured"), float_file, tmp_path / "int8-cured.tflite", lambda: images(count),
        interface_file=interface_file,
    )  # fmt: skip
    made = get_recipe("int8-cured").make(replace(work, margin_points=9.0))
    steps = [step.cure for step in made.course.steps]
    assert steps[:3] == ["int8", "kernels", "equalize"]
    assert (UNSEARCHED in made.course.stopped) == (count < 4)
    assert made.facts.compute_dtype == "int8"
    assert np.isfinite(made.course.steps[-1].agreement)


def test_a_cure_that_the_runtime_has_not_for_a_model_is_an_error():
    work = Work(get_form("int8+equalize@openvino"), Path("float32.onnx"), Path("made.xml"), list)
    with pytest.raises(LabError, match=r"equalize of int8\+equalize@openvino is not made for float32\.onnx"):
        require_cures(("kernels", "equalize"), ("kernels", "ranges", "mixed"), work)
    require_cures(("ranges",), ("kernels", "ranges", "mixed"), work)
