"""The bootstrap's engine against pycocotools, on the data themselves and on resampled images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.resample import average_precision, paired_resamples
from helpers.score import AREAS, score
from tests.random_coco import random_detections, random_ground_truth


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


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), levels=st.sampled_from([None, 5, 200]))
def test_unit_weights_give_pycocotools_numbers(seed, levels):
    random = np.random.default_rng(seed)
    truth = random_ground_truth(random)
    result = score(truth, random_detections(random, truth, levels))
    ones = np.ones((1, len(truth["images"])), np.int32)
    for area, name in zip(AREAS, ("ap", "ap_small", "ap_medium", "ap_large"), strict=True):
        ours = average_precision(result.evidence, ones, area)[0]
        expected = result.stats[name]
        assert (np.isnan(ours).all() and expected == -1) or ours.mean() == pytest.approx(expected, abs=1e-12)
    ours = average_precision(result.evidence, ones)[0]
    assert ours[0] == pytest.approx(result.stats["ap50"], abs=1e-12)
    assert ours[5] == pytest.approx(result.stats["ap75"], abs=1e-12)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_resample_gives_the_ap_of_the_spelled_out_data_set(seed):
    random = np.random.default_rng(seed)
    truth = random_ground_truth(random)
    detections = random_detections(random, truth)
    weights = paired_resamples(len(truth["images"]), 1, seed)[1:]
    ours = average_precision(score(truth, detections).evidence, weights)[0].mean()
    expected = score(*drawn_dataset(truth, detections, weights[0])).stats["ap"]
    assert ours == pytest.approx(expected, abs=1e-12)


def test_blocks_do_not_change_the_result(monkeypatch):
    random = np.random.default_rng(3)
    truth = random_ground_truth(random)
    evidence = score(truth, random_detections(random, truth)).evidence
    weights = paired_resamples(evidence.images, 20, 1)
    whole = average_precision(evidence, weights)
    monkeypatch.setattr("helpers.resample.BLOCK_BYTES", 1)
    assert np.array_equal(average_precision(evidence, weights), whole)


def test_the_first_row_is_the_data_as_they_are():
    weights = paired_resamples(50, 10, 4)
    assert (weights[0] == 1).all()
    assert (weights.sum(1) == 50).all()
    assert not np.array_equal(weights[1], weights[2])
