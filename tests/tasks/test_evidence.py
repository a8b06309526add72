"""The evidence behind a score: kept, ordered, and without a trace on what it was made from."""

import copy

import numpy as np
import pytest

from helpers.tasks.detection.evidence import Evidence
from helpers.tasks.detection.score import STATS, score
from tests.support.random_coco import as_columns, random_detections, random_ground_truth
from tests.support.scored_cases import box, scored, truth


def test_scoring_leaves_the_columns_as_they_are():
    random = np.random.default_rng(6)
    ground_truth = random_ground_truth(random)
    given_columns = as_columns(ground_truth, random_detections(random, ground_truth))
    before = copy.deepcopy(given_columns)
    score(*given_columns)
    for ours, old in zip(given_columns[:2], before[:2], strict=True):
        for name, values in vars(ours).items():
            np.testing.assert_array_equal(values, getattr(old, name))


@pytest.mark.parametrize("images", [1, 12])
def test_evidence_saved_and_loaded_is_the_same(tmp_path, images):
    random = np.random.default_rng(5)
    ground_truth = random_ground_truth(random, images)
    evidence = scored(ground_truth, random_detections(random, ground_truth)).evidence
    evidence.save(tmp_path / "in" / "e.npz")
    assert_same(Evidence.load(tmp_path / "in" / "e.npz"), evidence)
    assert_same(Evidence.from_bytes(evidence.to_bytes()), evidence)
    assert [p.name for p in (tmp_path / "in").iterdir()] == ["e.npz"]


def test_evidence_of_no_detections_is_saved_and_loaded():
    evidence = scored(truth(box(1, 10)), []).evidence
    assert_same(Evidence.from_bytes(evidence.to_bytes()), evidence)


def assert_same(one: Evidence, other: Evidence) -> None:
    assert vars(one).keys() == vars(other).keys()
    for name, values in vars(one).items():
        assert values.dtype == getattr(other, name).dtype
        np.testing.assert_array_equal(values, getattr(other, name))


def test_evidence_stands_by_class_then_score_then_image():
    random = np.random.default_rng(7)
    ground_truth = random_ground_truth(random)
    evidence = scored(ground_truth, random_detections(random, ground_truth, levels=5)).evidence
    rank = list(zip(evidence.category, -evidence.score, evidence.image, strict=True))
    assert rank == sorted(rank)
    assert evidence.matched.shape == evidence.ignored.shape == (4, 10, len(evidence.score))
    assert evidence.found.shape == (10, len(evidence.score))
    assert evidence.objects().shape == (3, len(ground_truth["images"]))


def test_there_are_twelve_numbers():
    assert tuple(scored(truth(box(1, 10)), []).stats) == STATS
    assert len(STATS) == 12
