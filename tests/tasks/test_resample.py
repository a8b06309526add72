"""The bootstrap's engine against pycocotools, on the data themselves and on resampled images."""

import contextlib
import io
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from helpers.tasks.detection import resample
from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns
from helpers.tasks.detection.evidence import AREAS, Evidence
from helpers.tasks.detection.resample import (
    RAISED,
    RECALL_POINTS,
    average_precision,
    paired_resamples,
    points_reached,
)
from helpers.tasks.detection.score import gather
from tests.support.random_coco import random_detections, random_ground_truth

SAME = 1e-12


def columns(truth: dict, detections: list[dict]) -> tuple[ObjectColumns, DetectionColumns, int, int]:
    """What ``score`` and ``gather`` take, of COCO dictionaries whose ids count from 1."""
    objects = truth["annotations"]
    return (
        ObjectColumns(
            *places(objects),
            np.array([a["area"] for a in objects], float),
            np.array([a["iscrowd"] for a in objects], bool),
        ),
        DetectionColumns(*places(detections), np.array([d["score"] for d in detections], float)),
        len(truth["images"]),
        len(truth["categories"]),
    )


def evidence_of(truth: dict, detections: list[dict]) -> Evidence:
    return gather(*columns(truth, detections))


def places(entries: list[dict]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    image = np.array([entry["image_id"] - 1 for entry in entries], np.int32)
    category = np.array([entry["category_id"] - 1 for entry in entries], np.int16)
    return image, category, np.array([entry["bbox"] for entry in entries], float).reshape(-1, 4)


def by_pycocotools(truth: dict, detections: list[dict]) -> dict[str, np.ndarray]:
    """AP per area and IoU threshold, ``[10]``; NaN where there is nothing to find."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth | {"info": {}}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, :, -1]  # [T, R, K, A]
    present = precision[0, 0] > -1  # [K, A]
    areas = [precision[:, :, present[:, a], a] for a in range(len(AREAS))]
    return {
        name: values.mean((1, 2)) if values.size else np.full(len(precision), np.nan)
        for name, values in zip(AREAS, areas, strict=True)
    }


def distinct_within_images(detections: list[dict]) -> list[dict]:
    """Without those whose score another of the same image and class has."""
    kept = {(d["image_id"], d["category_id"], d["score"]): d for d in detections}
    return list(kept.values())


def drawn_dataset(truth: dict, detections: list[dict], weights: np.ndarray) -> tuple[dict, list[dict]]:
    """The data set in which image i occurs ``weights[i]`` times, spelled out."""
    images, annotations, results = [], [], []
    for image, weight in zip(truth["images"], weights, strict=True):
        for _ in range(weight):
            new = len(images) + 1
            images.append({**image, "id": new})
            for entry in truth["annotations"]:
                if entry["image_id"] == image["id"]:
                    annotations.append({**entry, "id": len(annotations) + 1, "image_id": new})
            results += [{**d, "image_id": new} for d in detections if d["image_id"] == image["id"]]
    return {**truth, "images": images, "annotations": annotations}, results


def by_hand(
    hits: list[bool], images: list[int], scores: list[float], object_images: list[int], count: int = 2
) -> Evidence:
    """One class; each detection finds an object at every threshold or at none."""
    order = np.argsort(-np.array(scores), kind="stable")
    matched = np.broadcast_to(np.array(hits, bool)[order], (len(AREAS), 10, len(hits))).copy()
    zeros, objects = np.zeros(len(hits), np.int32), np.zeros(len(object_images), np.int32)
    return Evidence(
        image=np.array(images, np.int32)[order], category=zeros.astype(np.int16),
        score=np.array(scores, float)[order], rank=zeros.astype(np.int16), row=zeros,
        matched=matched, ignored=np.zeros_like(matched), found=np.where(matched[0], 0, -1),
        object_image=np.array(object_images, np.int32), object_category=objects.astype(np.int16),
        object_area=np.full(len(objects), 50.0**2), object_crowd=objects.astype(bool),
        counts=np.array([count, 1]),
    )  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), levels=st.sampled_from([None, 5, 200]))
def test_unit_weights_give_pycocotools_numbers(seed, levels):
    random = np.random.default_rng(seed)
    truth = random_ground_truth(random)
    detections = random_detections(random, truth, levels)
    evidence, expected = evidence_of(truth, detections), by_pycocotools(truth, detections)
    for area in AREAS:
        ours = average_precision(evidence, np.ones((1, evidence.images), np.int32), area)[0]
        np.testing.assert_allclose(ours, expected[area], rtol=0, atol=SAME)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), levels=st.sampled_from([None, 5, 200]))
def test_a_resample_gives_pycocotools_numbers_of_the_spelled_out_data_set(seed, levels):
    random = np.random.default_rng(seed)
    truth = random_ground_truth(random)
    detections = distinct_within_images(random_detections(random, truth, levels))
    evidence, weights = evidence_of(truth, detections), paired_resamples(len(truth["images"]), 4, seed)
    for row, weight in enumerate(weights):
        expected = by_pycocotools(*drawn_dataset(truth, detections, weight))
        for area in AREAS:
            ours = average_precision(evidence, weights, area)[row]
            np.testing.assert_allclose(ours, expected[area], rtol=0, atol=SAME)


def test_an_image_drawn_more_often_than_a_byte_counts():
    random = np.random.default_rng(8)
    truth = random_ground_truth(random, images=3)
    detections = random_detections(random, truth)
    weights = np.array([[300, 1, 70_000]])
    ours = average_precision(evidence_of(truth, detections), weights)[0]
    # Shares of the images, not numbers, make AP: a 100th of each would be the same but for whole numbers.
    again = average_precision(evidence_of(truth, detections), 3 * weights)[0]
    np.testing.assert_allclose(ours, again, atol=2e-3)
    few = np.array([[300, 1, 7]])
    expected = by_pycocotools(*drawn_dataset(truth, detections, few[0]))["all"]
    np.testing.assert_allclose(average_precision(evidence_of(truth, detections), few)[0], expected, atol=SAME)


def test_copies_of_a_detection_stand_together_where_an_image_has_equal_scores():
    evidence = by_hand([True, False], images=[0, 0], scores=[0.5, 0.5], object_images=[0, 1])
    # Drawn twice, hit and false alarm rank as hit, hit, alarm, alarm: precision 1 up to recall 1.
    assert average_precision(evidence, np.array([[2, 0]]))[0, 0] == pytest.approx(1)


@pytest.mark.parametrize("last", range(50, 501, 50))
def test_recall_points_are_reached_as_pycocotools_rounds(last):
    for objects in range(last - 49, last + 1):
        true = np.arange(objects + 1)[:, None]
        expected = np.searchsorted(RECALL_POINTS, true / objects, "right")
        assert np.array_equal(points_reached(true, np.array([objects])), expected), objects


@settings(max_examples=200, deadline=None)
@given(hundreds=st.integers(1, 10_000), point=st.sampled_from(RAISED.tolist()), beside=st.integers(-2, 2))
def test_recall_points_that_a_fraction_misses_by_a_rounding(hundreds, point, beside):
    objects, true = 100 * hundreds, np.clip([[point * hundreds + beside]], 0, 100 * hundreds)
    expected = np.searchsorted(RECALL_POINTS, true / objects, "right")
    assert np.array_equal(points_reached(true, np.array([objects])), expected)


def test_some_recall_points_do_lie_above_their_fraction():
    assert len(RAISED)
    assert (np.arange(101) / 100 <= RECALL_POINTS).all()


def test_there_is_no_ap_where_there_is_nothing_to_find():
    evidence = by_hand([False, False], images=[0, 1], scores=[0.5, 0.4], object_images=[])
    assert np.isnan(average_precision(evidence, np.ones((3, 2), int))).all()


def test_a_resample_without_objects_has_no_ap_and_others_have():
    evidence = by_hand([True, False], images=[0, 1], scores=[0.5, 0.4], object_images=[0])
    ours = average_precision(evidence, np.array([[0, 2], [2, 0]]))[:, 0]
    assert np.isnan(ours[0])
    assert ours[1] == pytest.approx(1)


def test_objects_that_no_detection_finds_give_zero():
    missed = by_hand([False], images=[0], scores=[0.5], object_images=[0, 1])
    none = by_hand([], images=[], scores=[], object_images=[0, 1])
    for evidence in (missed, none):
        assert (average_precision(evidence, np.ones((2, 2), int)) == 0).all()


def test_a_class_that_is_not_drawn_leaves_the_mean():
    one = by_hand([True, True], images=[0, 1], scores=[0.9, 0.8], object_images=[0, 1, 1])
    second = np.array([0, 1], np.int16)
    two = replace(
        one, category=second, object_category=np.array([0, 1, 1], np.int16), counts=np.array([2, 2])
    )
    ours = average_precision(two, np.array([[2, 0], [0, 2], [1, 1]]))[:, 0]
    half = 51 / 101  # recall 1/2 at precision 1
    np.testing.assert_allclose(ours, [1, half, (1 + half) / 2], atol=SAME)


@pytest.mark.parametrize("area", AREAS)
def test_blocks_do_not_change_the_result(monkeypatch, area):
    random = np.random.default_rng(3)
    truth = random_ground_truth(random)
    evidence = evidence_of(truth, random_detections(random, truth))
    weights = paired_resamples(evidence.images, 20, 1)
    whole = average_precision(evidence, weights, area)
    monkeypatch.setattr("helpers.tasks.detection.resample.BLOCK_BYTES", 1)
    assert np.array_equal(average_precision(evidence, weights, area), whole)


def test_memory_is_bounded_however_many_resamples(monkeypatch):
    random = np.random.default_rng(6)
    truth = random_ground_truth(random, images=200, classes=1)
    evidence = evidence_of(truth, random_detections(random, truth))
    weights = paired_resamples(evidence.images, 3000, 1)
    monkeypatch.setattr(resample, "BLOCK_BYTES", 500_000)
    tracemalloc.start()
    result = average_precision(evidence, weights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Weights as bytes, twice the result, some blocks; every hit and resample at once is far more.
    limit = weights.size + 3 * result.nbytes + 10 * resample.BLOCK_BYTES
    assert peak < limit < 8 * evidence.matched[0].sum() * len(weights)


def test_the_first_row_is_the_data_as_they_are():
    weights = paired_resamples(50, 10, 4)
    assert (weights[0] == 1).all()
    assert (weights.sum(1) == 50).all()
    assert not np.array_equal(weights[1], weights[2])
