"""Intervals of what a difference in AP is shared out to, and its tables."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from helpers.lab.intervals import resample_weights
from helpers.lab.paths import ROOT
from helpers.tasks.detection.attribution import explain
from helpers.tasks.detection.error_kinds import KINDS
from helpers.tasks.detection.error_tables import (
    ROWS,
    class_table,
    image_table,
    intervals,
    kind_table,
    resampled_rows,
    rows_of,
    size_table,
)
from tests.support.attributed_cases import explained, judged, random_case, seeds
from tests.tasks.test_error_kinds import CLASSES, IMAGES, detections, objects


def repeated(rows, weights: np.ndarray):
    """The columns with every image as often as drawn, copies side by side as images of their own."""
    count = weights[rows.image]
    row = np.repeat(np.arange(len(rows)), count)
    copy = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    values = {name: value[row] for name, value in vars(rows).items()}
    first = np.cumsum(weights) - weights
    return type(rows)(**values | {"image": (first[values["image"]] + copy).astype(np.int32)})


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_weights_are_as_good_as_scoring_the_resampled_images(seed):
    truth, *found = random_case(seed)
    # Equal scores of one image would alternate between its copies, where weights keep them together.
    base, variant = (replace(each, score=each.score + 1e-6 * np.arange(len(each))) for each in found)
    weights = resample_weights(IMAGES, 1, seed)[0]
    sides = [judged(truth, found, IMAGES, CLASSES) for found in (base, variant)]
    weighted = explain(*sides[0], *sides[1], weights)
    again = explained(*(repeated(rows, weights) for rows in (truth, base, variant)), IMAGES, CLASSES)
    for name in ("class_parts", "class_total", "class_remainder"):
        assert getattr(weighted, name) == pytest.approx(getattr(again, name), abs=1e-12)


def test_different_objects_are_refused():
    found = detections((0.9, 0, 0, 10))
    one, other = (judged(objects((0, 0, x)), found, 1, 1) for x in (10, 20))
    larger = judged(objects((0, 0, 10, 60)), found, 1, 1)
    explain(*one, *other)  # boxes are not kept
    with pytest.raises(ValueError, match="object_area"):
        explain(*one, *larger)


def scene(images: int = 60) -> tuple:
    """Objects of two classes; the variant loses some and adds false alarms."""
    random = np.random.default_rng(5)
    truth = objects(*((i, int(random.integers(2)), 10 + 60 * j) for i in range(images) for j in range(3)))
    scores = random.uniform(0.3, 1, len(truth))
    base = [
        (s, i, c, b[0]) for s, i, c, b in zip(scores, truth.image, truth.category, truth.box, strict=True)
    ]
    lost = random.random(len(base)) < 0.2
    alarms = [(random.uniform(0.3, 1), i, 0, 300) for i in range(0, images, 3)]
    variant = [row for row, gone in zip(base, lost, strict=True) if not gone] + alarms
    return tuple(judged(truth, detections(*rows), images, 2) for rows in (base, variant))


def test_intervals_hold_the_value_and_are_the_bootstraps():
    """Many draws tell percentiles, of which the normal bounds of few must not be far."""
    base, variant = scene()
    result = explain(*base, *variant)
    values = rows_of(result.class_parts.sum((0, 1)))
    known = intervals(result, resampled_rows(*base, *variant))
    many = resampled_rows(*base, *variant, 400, 1)
    assert many.shape == (400, len(ROWS))
    assert [interval.value for interval in known.values()] == pytest.approx(values)
    for name in ("missed object", "background", "medium", "all kinds"):
        assert known[name].low < known[name].value < known[name].high < 0
        low, high = np.quantile(many[:, ROWS.index(name)], [0.025, 0.975])
        assert known[name].high - known[name].low == pytest.approx(high - low, rel=0.3)
    assert known["duplicate"].low == known["duplicate"].high == 0


def test_the_rows_of_a_resample_are_those_of_the_images_that_were_drawn():
    base, variant = scene(12)
    drawn = resample_weights(12, 5, 3)[4]
    again = explain(*base, *variant, drawn)
    assert resampled_rows(*base, *variant, 5, 3)[4] == pytest.approx(rows_of(again.class_parts.sum((0, 1))))


def test_draws_depend_on_the_seed_alone():
    base, variant = scene(12)
    first, other = (resampled_rows(*base, *variant, 5, seed) for seed in (3, 4))
    assert np.array_equal(first, resampled_rows(*base, *variant, 5, 3))
    assert not np.array_equal(first, other)


def test_tables_are_in_points_and_sum():
    base, variant = scene()
    result = explain(*base, *variant)
    known = intervals(result, resampled_rows(*base, *variant, 20))
    kinds, sizes = kind_table(result, known), size_table(result, known)
    assert list(kinds.index) == [*KINDS, "remainder", "total"]
    assert kinds["sum"].iloc[:-1].sum() == pytest.approx(100 * result.total)
    assert kinds.loc["total", "sum"] == pytest.approx(100 * result.total)
    assert kinds.loc["missed object", "low"] == pytest.approx(100 * known["missed object"].low)
    assert kinds.loc[["remainder", "total"], ["low", "high"]].isna().all(axis=None)
    assert sizes["sum"].sum() == pytest.approx(100 * (result.total - result.remainder))
    assert sizes.loc["medium", "high"] == pytest.approx(100 * known["medium"].high)
    assert "low" not in kind_table(result)


def test_the_worst_classes_and_images_come_first():
    truth = objects((0, 0, 10), (1, 0, 10), (2, 1, 10))
    base = detections((0.9, 0, 0, 10), (0.8, 1, 0, 10), (0.9, 2, 1, 10))
    variant = detections((0.9, 0, 0, 10), (0.8, 1, 0, 20), (0.9, 2, 0, 10))
    result = explained(truth, base, variant)
    classes = class_table(result, ("ball", "cone"))
    assert list(classes.index) == ["cone", "ball"]
    assert classes.loc["cone", "wrong class"] == pytest.approx(-50)
    assert classes["total"].sum() == pytest.approx(100 * result.total)
    assert classes[[*KINDS, "remainder"]].sum(axis=1).tolist() == pytest.approx(classes["total"].tolist())
    assert len(class_table(result, ("ball", "cone"), 1)) == 1
    images = image_table(result)
    assert images["image"].tolist() == [2, 1]
    assert images["main kind"].tolist() == ["wrong class", "shifted box"]
    assert images["loss"].sum() == pytest.approx(100 * (result.total - result.remainder))


def test_attributions_load_without_heavy_libraries():
    heavy = ("tensorflow", "fiftyone", "cv2", "ai_edge_litert", "faster_coco_eval", "pycocotools")
    program = "import helpers.tasks.detection.error_tables, json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)
    assert not set(heavy) & set(json.loads(done.stdout))
