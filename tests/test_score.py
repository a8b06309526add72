"""The metric: by hand, and against two other programs that compute it."""

import contextlib
import copy
import io

import faster_coco_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from helpers.errors import LabError
from helpers.score import STATS, Evidence, score
from tests.random_coco import random_detections, random_ground_truth


def box(image: int, x: float, category: int = 1, side: float = 40, **more) -> dict:
    """A square box at ``(x, 10)``, as annotation or detection."""
    square = {"image_id": image, "category_id": category, "bbox": [x, 10, side, side]}
    return {**square, "area": side * side, "iscrowd": 0, **more}


def truth(*objects: dict, images: int = 2, names: tuple[str, ...] = ("ball", "cone")) -> dict:
    return {
        "images": [{"id": i, "width": 400, "height": 400} for i in range(1, images + 1)],
        "annotations": [{**o, "id": i} for i, o in enumerate(objects, start=1)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, start=1)],
    }


def found(entry: dict, confidence: float) -> dict:
    return {name: entry[name] for name in ("image_id", "category_id", "bbox")} | {"score": confidence}


def by_pycocotools(ground_truth: dict, detections: list[dict]) -> list[float]:
    """By pycocotools' own way in: ``loadRes``."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = ground_truth | {"info": {}}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist()


def by_faster_coco_eval(ground_truth: dict, detections: list[dict]) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = faster_coco_eval.COCO(ground_truth | {"info": {}})
        evaluation = faster_coco_eval.COCOeval_faster(
            coco, coco.loadRes(detections), iouType="bbox", print_function=lambda *_: 0
        )
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return np.asarray(evaluation.stats[:12], float).tolist()


def test_ap_by_hand():
    # Ranked: right, wrong, right, of 2 objects: precision 1 up to recall 1/2, then 2/3 to recall 1.
    objects = [box(1, 10), box(2, 10)]
    detections = [found(objects[0], 0.9), found(box(1, 200), 0.8), found(objects[1], 0.7)]
    stats = score(truth(*objects), detections).stats
    expected = (51 * 1 + 50 * 2 / 3) / 101
    assert stats["ap50"] == pytest.approx(expected, abs=1e-12)
    assert stats["ap"] == pytest.approx(expected, abs=1e-12)
    assert stats["ar100"] == 1
    assert stats["ar1"] == pytest.approx(1)
    assert stats["ap_medium"] == pytest.approx(expected)
    assert stats["ap_small"] == stats["ap_large"] == -1


def test_ap_is_averaged_over_thresholds_that_the_overlap_passes():
    # Moved by a quarter of its side: IoU 0.75 / 1.25 = 0.6, which passes 0.5, 0.55 and 0.6.
    target = box(1, 10)
    stats = score(truth(target), [found(box(1, 20), 0.9)]).stats
    assert stats["ap50"] == pytest.approx(1)
    assert stats["ap75"] == 0
    assert stats["ap"] == pytest.approx(0.3)


def test_a_second_detection_of_one_object_is_wrong():
    target, other = box(1, 10), box(2, 10)
    detections = [found(target, 0.9), found(target, 0.8), found(other, 0.7)]
    assert score(truth(target, other), detections).stats["ap50"] == pytest.approx((51 + 50 * 2 / 3) / 101)


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_perfect_detections_have_ap_one(seed):
    ground_truth = random_ground_truth(np.random.default_rng(seed))
    ground_truth["annotations"] = [a | {"iscrowd": 0} for a in ground_truth["annotations"]]
    result = score(ground_truth, [found(a, 0.9) for a in ground_truth["annotations"]])
    present = {a["category_id"] for a in ground_truth["annotations"]}
    assert result.stats["ap"] == pytest.approx(1)
    assert result.stats["ar100"] == pytest.approx(1)
    assert sum(value == pytest.approx(1) for value in result.ap_per_class.values()) == len(present)


def test_no_detections_have_ap_zero():
    result = score(truth(box(1, 10)), [])
    assert result.stats["ap"] == result.stats["ar100"] == 0
    assert result.evidence.score.shape == (0,)
    assert result.evidence.objects[0].sum() == 1


def test_nothing_to_find_is_minus_one_not_zero():
    result = score(truth(), [found(box(1, 10), 0.9)])
    assert result.stats["ap"] == -1
    assert result.ap_per_class == {"ball": -1, "cone": -1}


def test_detections_in_a_crowd_count_neither_way():
    crowd = box(1, 0, side=300, iscrowd=1)
    target = box(2, 10)
    inside = [found(box(1, 10), 0.95), found(box(1, 60), 0.94)]
    alone = score(truth(crowd, target), [found(target, 0.5)])
    assert alone.stats["ap"] == pytest.approx(1)
    assert score(truth(crowd, target), [*inside, found(target, 0.5)]).stats == alone.stats
    outside = score(truth(target), [*inside, found(target, 0.5)])
    assert outside.stats["ap"] < 0.5


def test_areas_are_told_by_the_annotation_not_by_the_box():
    # A thin object: its box is of medium size, its visible area small.
    thin = box(1, 10, side=60) | {"area": 500}
    stats = score(truth(thin), [found(thin, 0.9)]).stats
    assert stats["ap_small"] == pytest.approx(1)
    assert stats["ap_medium"] == -1


def test_the_mean_of_the_classes_is_ap():
    random = np.random.default_rng(4)
    ground_truth = random_ground_truth(random, images=20)
    result = score(ground_truth, random_detections(random, ground_truth))
    values = list(result.ap_per_class.values())
    assert list(result.ap_per_class) == ["class1", "class2", "class3"]
    assert len({round(v, 6) for v in values}) == 3
    assert np.mean(values) == pytest.approx(result.stats["ap"], abs=1e-12)


def test_classes_keep_their_names_whatever_their_order():
    objects = [box(1, 10, category=1), box(1, 100, category=2)]
    ground_truth = truth(*objects)
    detections = [found(objects[0], 0.9)]
    expected = {"ball": pytest.approx(1), "cone": 0}
    assert score(ground_truth, detections).ap_per_class == expected
    ground_truth["categories"].reverse()
    assert score(ground_truth, detections).ap_per_class == expected


@pytest.mark.parametrize("wrong", [{"image_id": 3}, {"category_id": 9}, {"category_id": 0}])
def test_detections_of_unknown_images_or_categories_are_refused(wrong):
    target = box(1, 10)
    with pytest.raises(LabError) as caught:
        score(truth(target), [found(target, 0.9), found(target, 0.8) | wrong])
    assert str(next(iter(wrong.values()))) in caught.value.found
    assert "2 images, 2 categories" in caught.value.expected


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.sampled_from([None, 4, 100]))
def test_the_numbers_are_those_of_both_other_programs(seed, levels):
    random = np.random.default_rng(seed)
    ground_truth = random_ground_truth(random)
    detections = random_detections(random, ground_truth, levels)
    if not detections or not ground_truth["annotations"]:
        return
    ours = list(score(ground_truth, detections).stats.values())
    assert ours == pytest.approx(by_pycocotools(ground_truth, detections), abs=1e-12)
    assert ours == pytest.approx(by_faster_coco_eval(ground_truth, detections), abs=1e-9)


def test_scoring_leaves_the_detections_as_they_are():
    random = np.random.default_rng(6)
    ground_truth = random_ground_truth(random)
    detections = random_detections(random, ground_truth)
    before = copy.deepcopy(detections)
    score(ground_truth, detections)
    assert detections == before


def test_evidence_saved_and_loaded_is_the_same(tmp_path):
    random = np.random.default_rng(5)
    ground_truth = random_ground_truth(random)
    evidence = score(ground_truth, random_detections(random, ground_truth)).evidence
    evidence.save(tmp_path / "in" / "e.npz")
    loaded = Evidence.load(tmp_path / "in" / "e.npz")
    assert loaded.images == evidence.images == len(ground_truth["images"])
    for name, values in vars(evidence).items():
        assert values.dtype == getattr(loaded, name).dtype
        np.testing.assert_array_equal(values, getattr(loaded, name))
    assert [p.name for p in (tmp_path / "in").iterdir()] == ["e.npz"]


def test_evidence_stands_by_class_then_score_then_image():
    random = np.random.default_rng(7)
    ground_truth = random_ground_truth(random)
    evidence = score(ground_truth, random_detections(random, ground_truth, levels=5)).evidence
    rank = list(zip(evidence.category, -evidence.score, evidence.image, strict=True))
    assert rank == sorted(rank)
    assert evidence.matched.shape == evidence.ignored.shape == (4, 10, len(evidence.score))
    assert evidence.objects.shape == (4, 3, len(ground_truth["images"]))


def test_there_are_twelve_numbers():
    assert tuple(score(truth(box(1, 10)), []).stats) == STATS
    assert len(STATS) == 12
