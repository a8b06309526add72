"""COCO's metric against pycocotools and faster-coco-eval, to the last digit."""

import contextlib
import copy
import io
import itertools
import json
import os
from pathlib import Path

import faster_coco_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.lab.paths import ROOT
from helpers.tasks.detection.evidence import AREAS
from helpers.tasks.detection.score import curves_of
from tests.support.random_coco import by_pycocotools, random_detections, random_ground_truth
from tests.support.scored_cases import assert_stats_are_pycocotools, box, cases, found, scored

COCO_DIR = Path(os.environ.get("COCO_DIR", ROOT.parent / "shared" / "coco"))
COCO_LABELS = COCO_DIR / "annotations" / "instances_val2017.json"
MOST = (1, 10, 100)


def by_faster_coco_eval(ground_truth: dict, detections: list[dict]) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = faster_coco_eval.COCO(copy.deepcopy(ground_truth) | {"info": {}})
        evaluation = faster_coco_eval.COCOeval_faster(
            coco, coco.loadRes(copy.deepcopy(detections)), iouType="bbox", print_function=lambda *_: 0
        )
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return np.asarray(evaluation.stats[:12], float).tolist()


def crowded(seed: int, levels: int | None) -> tuple[dict, list[dict]]:
    """Two images, one class, up to 300 detections per image: more than the 100 that count."""
    random = np.random.default_rng(seed)
    ground_truth = random_ground_truth(random, images=2, classes=1)
    more = [box(1, float(x)) | {"id": 100 + i} for i, x in enumerate(random.uniform(0, 300, 20))]
    ground_truth["annotations"] += more
    detections = []
    for _ in range(6):
        detections += random_detections(random, ground_truth, levels)
    noise = [found(box(1, float(x)), 0.5) for x in random.uniform(0, 300, 90)]
    return ground_truth, detections + noise


@settings(max_examples=250)
@given(cases())
def test_the_twelve_numbers_are_pycocotools(case):
    assert_stats_are_pycocotools(*case)


@settings(max_examples=60)
@given(cases())
def test_the_curves_of_every_area_and_number_of_detections_are_pycocotools(case):
    evidence, theirs = scored(*case).evidence, by_pycocotools(*case).eval
    for (a, area), (m, most) in itertools.product(enumerate(AREAS), enumerate(MOST)):
        ours = curves_of(evidence, area, most)
        places = (slice(None), slice(None), slice(None), a, m)
        np.testing.assert_allclose(ours.precision, theirs["precision"][places].swapaxes(1, 2), atol=1e-12)
        np.testing.assert_array_equal(ours.score, theirs["scores"][places].swapaxes(1, 2))
        np.testing.assert_allclose(ours.recall, theirs["recall"][:, :, a, m], atol=1e-12)


@settings(max_examples=60)
@given(cases())
def test_the_evidence_is_that_of_every_image_of_pycocotools(case):
    evidence, theirs = scored(*case).evidence, by_pycocotools(*case)
    # With gaps in the ids and lists that run backwards, only the sorted ids say which image is which.
    places = itertools.product(range(evidence.classes), range(4), range(evidence.images))
    for (label, area, image), one in zip(places, theirs.evalImgs, strict=True):
        rows = np.flatnonzero((evidence.category == label) & (evidence.image == image))
        rows = rows[np.argsort(evidence.rank[rows])]
        if one is None:
            assert rows.size == 0
            continue
        assert (evidence.row[rows] + 1).tolist() == one["dtIds"]
        assert evidence.score[rows].tolist() == one["dtScores"]
        np.testing.assert_array_equal(evidence.matched[area][:, rows], one["dtMatches"] > 0)
        np.testing.assert_array_equal(evidence.ignored[area][:, rows], one["dtIgnore"].astype(bool))
        assert evidence.objects(AREAS[area])[label, image] == (np.array(one["gtIgnore"]) == 0).sum()
        if area == 0:
            np.testing.assert_array_equal(evidence.found[:, rows] + 1, one["dtMatches"])


@pytest.mark.parametrize("levels", [None, 3])
@pytest.mark.parametrize("seed", range(3))
def test_only_the_hundred_best_of_an_image_and_class_count(seed, levels):
    ground_truth, detections = crowded(seed, levels)
    evidence = assert_stats_are_pycocotools(ground_truth, detections).evidence
    per_image = np.bincount([entry["image_id"] for entry in detections])
    assert per_image.max() > 120
    assert len(evidence.score) == np.minimum(per_image, 100).sum()


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.sampled_from([None, 4, 100]))
def test_the_numbers_are_those_of_faster_coco_eval_too(seed, levels):
    random = np.random.default_rng(seed)
    ground_truth = random_ground_truth(random)
    detections = random_detections(random, ground_truth, levels)
    ours = list(assert_stats_are_pycocotools(ground_truth, detections).stats.values())
    assert ours == pytest.approx(by_faster_coco_eval(ground_truth, detections), abs=1e-9)


@pytest.mark.skipif(not COCO_LABELS.is_file(), reason=f"needs COCO's labels: no {COCO_LABELS}")
@pytest.mark.parametrize("levels", [None, 8])
def test_the_twelve_numbers_are_pycocotools_on_real_labels(levels):
    labels = json.loads(COCO_LABELS.read_text())
    images = labels["images"][:150]
    kept = {image["id"] for image in images}
    ground_truth = {
        "images": images,
        "annotations": [a for a in labels["annotations"] if a["image_id"] in kept],
        "categories": labels["categories"],
    }
    random = np.random.default_rng(1)
    detections = jittered(random, ground_truth["annotations"], labels["categories"], levels)
    stats = assert_stats_are_pycocotools(ground_truth, detections).stats
    assert 0.1 < stats["ap"] < 0.9
    assert min(stats.values()) > 0


def jittered(random, annotations: list[dict], categories: list[dict], levels: int | None) -> list[dict]:
    """Detections of real objects: moved, some mistaken for another class."""
    detections = []
    for entry in annotations:
        for _ in range(random.integers(0, 4)):
            x, y, w, h = entry["bbox"]
            dx, dy, dw, dh = random.normal(0, 0.1, 4)
            moved = [x + dx * w, y + dy * h, w * np.exp(dw), h * np.exp(dh)]
            wrong = random.random() < 0.1
            label = random.choice([c["id"] for c in categories]) if wrong else entry["category_id"]
            confidence = random.random() if levels is None else random.integers(1, levels) / levels
            place = {"image_id": entry["image_id"], "category_id": int(label)}
            detections.append(place | {"bbox": moved, "score": float(confidence)})
    return detections
