"""An ONNX detector that no one has seen, in two runtimes, from its file to the table of results."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers.compare.stage import build_long, build_results
from helpers.download import stage as download
from helpers.energy import stage as energy
from helpers.energy.parts import stage as parts
from helpers.evaluate import stage as evaluate
from helpers.quantize import originals
from helpers.quantize import stage as quantize
from helpers.quantize.layers.frame import NO_LAYERS
from helpers.run.experiment import Run, open_run
from tests.models.onnx.runs import ULTRALYTICS, Converted, coarse
from tests.support import onnx_networks as networks

SIZES = ((90, 120), (150, 97), (64, 96), (100, 130)) * 3
AT_HOME = ["float32", "int8", "float32-control"]
ELSEWHERE = [f"{name}@openvino" for name in AT_HOME]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A YOLOv8 with its class names in it, and photos with what float32 finds on them as their labels."""
    place = tmp_path_factory.mktemp("own photos, ümlaut")
    detector = Converted(networks.yolov8(ULTRALYTICS), place)
    generator, images, annotations = np.random.default_rng(0), [], []
    (place / "photos" / "data").mkdir(parents=True)
    for number, (height, width) in enumerate(SIZES):
        photo, file = coarse(generator, height, width), f"{number}.png"
        Image.fromarray(photo).save(place / "photos" / "data" / file)
        images.append({"id": number, "file_name": file, "height": height, "width": width})
        found = detector.detect(photo)
        for (top, left, bottom, right), label in zip(found.boxes.tolist(), found.classes, strict=True):
            box = [left * width, top * height, (right - left) * width, (bottom - top) * height]
            if min(box[2:]) > 1:
                annotations.append({"image_id": number, "category_id": int(label), "bbox": box})
    categories = [{"id": number + 1, "name": name} for number, name in enumerate(networks.COCO_NAMES)]
    labels = {"images": images, "annotations": annotations, "categories": categories}
    (place / "photos" / "labels.json").write_text(json.dumps(labels))
    return place


@pytest.fixture(scope="module")
def run(lab_data, folder) -> Run:
    """The stages 01 to 04, in this process."""
    options = {"coco_dir": str(folder / "photos"), "meter": "none"}
    models, variants = [str(folder / "net.onnx")], ["int8", "int8@openvino", "int16x8"]
    run = open_run("coco-smoke", "two-runtimes", models, variants, **options)
    dataset = download.prepare_data(run)
    download.prepare_models(run, dataset)
    [model] = quantize.make_models(run)
    originals.check_parities(run)
    evaluate.score_models(run, dataset, evaluate.detect_models(run, dataset))
    for measure in (energy.latency, energy.memory, energy.energy, parts.parts):
        measure(run, model)
    return run


@pytest.fixture(scope="module")
def rows(run) -> pd.DataFrame:
    return build_results(run).set_index("variant")


def test_variants_stand_runtime_by_runtime_and_say_which(rows):
    assert list(rows.index) == ["float32", "int8", "int16x8", "float32-control", *ELSEWHERE]
    assert set(rows.loc[AT_HOME, "runtime"]) == {"ONNX Runtime"}
    assert set(rows.loc[ELSEWHERE, "runtime"]) == {"OpenVINO"}


def test_a_form_that_the_runtime_has_not_fails_alone_and_says_so(rows):
    assert "no int16x8 is made for ONNX Runtime" in rows.loc["int16x8", "failed"]
    assert not rows.drop("int16x8")["failed"].astype(bool).any()


def test_float32_of_either_runtime_finds_the_same(rows):
    assert rows.loc["float32", "ap"] > 0.9
    assert rows.loc["float32@openvino", "ap_diff"] == pytest.approx(0, abs=0.01)


def test_int8_loses_less_than_half_of_what_is_found(rows):
    assert (rows.loc[["int8", "int8@openvino"], "ap"] > 0.5 * rows.loc["float32", "ap"]).all()


def test_accuracy_and_latency_are_held_against_float32_of_the_runtime(rows):
    for name in ("int8", "int8@openvino"):
        base = name.replace("int8", "float32")
        assert rows.loc[name, "ap_diff"] == pytest.approx(rows.loc[name, "ap"] - rows.loc[base, "ap"])
    assert rows.loc["float32", "latency_ratio"] == rows.loc["float32@openvino", "latency_ratio"] == 1
    assert rows.loc["int8", "latency_across_ratio"] == pytest.approx(rows.loc["int8", "latency_ratio"])
    assert rows.loc["float32@openvino", "latency_across_ratio"] != 1


def test_every_quantity_is_a_value_or_a_reason(run):
    long = build_long(run)
    neither = long[long["value"].isna() & ~long["reason"].astype(bool)]
    assert neither.empty, neither[["variant", "quantity"]].to_string()


def test_layers_of_another_runtime_are_a_reason(run):
    [model] = run.models
    made = quantize.read_variant(run, model, "int8").values
    assert made.layers.reason == NO_LAYERS
