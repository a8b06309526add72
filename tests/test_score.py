"""The metric: by hand, and against pycocotools and faster-coco-eval."""

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

from helpers.evidence import AREAS, Evidence
from helpers.paths import ROOT
from helpers.score import STATS, Score, curves_of, score, tie_bounds
from tests.random_coco import as_columns, by_pycocotools, random_detections, random_ground_truth

COCO_DIR = Path(os.environ.get("COCO_DIR", ROOT.parent / "shared" / "coco"))
COCO_LABELS = COCO_DIR / "annotations" / "instances_val2017.json"
MOST = (1, 10, 100)
# Around COCO's bounds of sizes, 32 x 32 and 96 x 96, which belong to both neighbours.
SIDES = (0, 8, 16, 31, 32, 33, 64, 96, 97, 128)
AREAS_PX = (0, 1023.5, 1024, 1024.5, 9215.5, 9216, 9216.5)


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


def scored(ground_truth: dict, detections: list[dict]) -> Score:
    return score(*as_columns(ground_truth, detections))


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


def assert_stats_are_pycocotools(ground_truth: dict, detections: list[dict]) -> Score:
    ours, theirs = scored(ground_truth, detections), by_pycocotools(ground_truth, detections)
    assert list(ours.stats.values()) == pytest.approx(theirs.stats.tolist(), abs=1e-12, rel=0)
    return ours


@st.composite
def placed_boxes(draw, images: int, classes: int) -> dict:
    """Integer boxes on a coarse grid, so that sizes, overlaps and places coincide."""
    x, y = (8 * draw(st.integers(0, 8)) for _ in "xy")
    return {
        "image_id": draw(st.integers(1, images)) * 7,
        "category_id": draw(st.integers(1, classes)) * 3,
        "bbox": [x, y, draw(st.sampled_from(SIDES)), draw(st.sampled_from(SIDES))],
    }


@st.composite
def copies(draw, objects: list[dict]) -> dict:
    """A detection of an object: the same box, or one that overlaps it by exactly 1/2 or 3/4, or nearly."""
    entry = draw(st.sampled_from(objects))
    x, y, w, h = entry["bbox"]
    part = draw(st.sampled_from([[x, y, w, h], [x, y, w / 2, h], [x, y, w, 0.75 * h], [x + 1, y, w, h]]))
    return {name: entry[name] for name in ("image_id", "category_id")} | {"bbox": part}


@st.composite
def cases(draw) -> tuple[dict, list[dict]]:
    """Ground truth and detections, of images and classes of which some have no objects or detections."""
    images, classes = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    objects = draw(st.lists(placed_boxes(images, classes), max_size=8))
    for number, entry in enumerate(objects, start=1):
        own = entry["bbox"][2] * entry["bbox"][3]
        area = draw(st.sampled_from([own, own, *AREAS_PX]))
        entry |= {"id": number, "area": area, "iscrowd": int(draw(st.integers(0, 5)) == 0)}
    some = copies(objects) | placed_boxes(images, classes) if objects else placed_boxes(images, classes)
    levels = draw(st.sampled_from([1, 2, 5, 1000]))
    detections = [
        entry | {"score": draw(st.integers(1, levels)) / levels}
        for entry in draw(st.lists(some, max_size=16))
    ]
    # Ids with gaps, listed backwards: pycocotools' order is that of the ids.
    ground_truth = {
        "images": [{"id": 7 * i, "width": 400, "height": 400} for i in range(images, 0, -1)],
        "annotations": objects,
        "categories": [{"id": 3 * i, "name": f"class{i}"} for i in range(classes, 0, -1)],
    }
    return ground_truth, detections


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


def test_ap_by_hand():
    # Ranked: right, wrong, right, of 2 objects: precision 1 up to recall 1/2, then 2/3 to recall 1.
    objects = [box(1, 10), box(2, 10)]
    detections = [found(objects[0], 0.9), found(box(1, 200), 0.8), found(objects[1], 0.7)]
    stats = scored(truth(*objects), detections).stats
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
    stats = scored(truth(target), [found(box(1, 20), 0.9)]).stats
    assert stats["ap50"] == pytest.approx(1)
    assert stats["ap75"] == 0
    assert stats["ap"] == pytest.approx(0.3)


@pytest.mark.parametrize(("width", "passed"), [(20, 1), (30, 6), (40, 10), (19.999, 0), (29.999, 5)])
def test_an_overlap_of_exactly_a_threshold_passes_it(width, passed):
    target = box(1, 10)
    part = target | {"bbox": [10, 10, width, 40]}
    assert scored(truth(target), [found(part, 0.9)]).stats["ap"] == pytest.approx(passed / 10)


def test_a_second_detection_of_one_object_is_wrong():
    target, other = box(1, 10), box(2, 10)
    detections = [found(target, 0.9), found(target, 0.8), found(other, 0.7)]
    assert scored(truth(target, other), detections).stats["ap50"] == pytest.approx((51 + 50 * 2 / 3) / 101)


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_perfect_detections_have_ap_one(seed):
    ground_truth = random_ground_truth(np.random.default_rng(seed))
    ground_truth["annotations"] = [a | {"iscrowd": 0} for a in ground_truth["annotations"]]
    result = scored(ground_truth, [found(a, 0.9) for a in ground_truth["annotations"]])
    present = {a["category_id"] for a in ground_truth["annotations"]}
    assert result.stats["ap"] == pytest.approx(1)
    assert result.stats["ar100"] == pytest.approx(1)
    assert sum(value == pytest.approx(1) for value in result.ap_per_class) == len(present)


def test_no_detections_have_ap_zero():
    result = assert_stats_are_pycocotools(truth(box(1, 10)), [])
    assert result.stats["ap"] == result.stats["ar100"] == 0
    assert result.evidence.matched.shape == (4, 10, 0)
    assert result.evidence.objects().sum() == 1


def test_nothing_to_find_is_minus_one_not_zero():
    result = assert_stats_are_pycocotools(truth(), [found(box(1, 10), 0.9)])
    assert set(result.stats.values()) == {-1}
    assert result.ap_per_class.tolist() == [-1, -1]


def test_nothing_at_all_is_minus_one():
    result = assert_stats_are_pycocotools(truth(images=1), [])
    assert set(result.stats.values()) == {-1}
    assert tie_bounds(result.evidence) == (-1, -1)


def test_detections_in_a_crowd_count_neither_way():
    crowd = box(1, 0, side=300, iscrowd=1)
    target = box(2, 10)
    inside = [found(box(1, 10), 0.95), found(box(1, 60), 0.94)]
    alone = scored(truth(crowd, target), [found(target, 0.5)])
    assert alone.stats["ap"] == pytest.approx(1)
    assert scored(truth(crowd, target), [*inside, found(target, 0.5)]).stats == alone.stats
    outside = scored(truth(target), [*inside, found(target, 0.5)])
    assert outside.stats["ap"] < 0.5


def test_areas_are_told_by_the_annotation_not_by_the_box():
    # A thin object: its box is of medium size, its visible area small.
    thin = box(1, 10, side=60) | {"area": 500}
    stats = scored(truth(thin), [found(thin, 0.9)]).stats
    assert stats["ap_small"] == pytest.approx(1)
    assert stats["ap_medium"] == -1


@pytest.mark.parametrize(("area", "sizes"), [(1024, {"small", "medium"}), (9216, {"medium", "large"})])
def test_an_object_on_the_bound_of_two_sizes_is_of_both(area, sizes):
    target = box(1, 10) | {"area": area}
    stats = assert_stats_are_pycocotools(truth(target), [found(target, 0.9)]).stats
    assert {name for name in AREAS[1:] if stats[f"ap_{name}"] > 0.99} == sizes


def test_the_mean_of_the_classes_is_ap():
    random = np.random.default_rng(4)
    ground_truth = random_ground_truth(random, images=20)
    result = scored(ground_truth, random_detections(random, ground_truth))
    assert len(set(result.ap_per_class.round(6))) == 3
    assert result.ap_per_class.mean() == pytest.approx(result.stats["ap"], abs=1e-12)


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


def test_the_order_of_detections_matters_among_equal_scores_of_one_image_alone():
    random = np.random.default_rng(3)
    ground_truth = random_ground_truth(random)
    detections = random_detections(random, ground_truth)
    shuffled = [detections[i] for i in random.permutation(len(detections))]
    assert scored(ground_truth, shuffled).stats == scored(ground_truth, detections).stats


@settings(max_examples=60)
@given(cases())
def test_pycocotools_lies_between_the_worst_and_the_best_order_of_ties(case):
    result = scored(*case)
    worst, best = tie_bounds(result.evidence)
    assert worst - 1e-12 <= result.stats["ap"] <= best + 1e-12


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_without_ties_there_is_one_ap(seed):
    random = np.random.default_rng(seed)
    ground_truth = random_ground_truth(random)
    detections = random_detections(random, ground_truth)
    result = scored(ground_truth, detections)
    assert result.evidence.distinct_scores() == len(detections)
    assert tie_bounds(result.evidence) == pytest.approx([result.stats["ap"]] * 2, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_no_order_of_ties_leaves_the_bounds_and_some_order_reaches_each(seed):
    """All orders of six images with one detection each: whatever the order, pycocotools' AP is inside."""
    random = np.random.default_rng(seed)
    objects = [box(i, 10) for i in range(1, 6)]
    right = random.permutation([True, True, True, False, False, False])
    confidences = random.choice([0.4, 0.6], 6)
    detections = [
        found(box(i, 10 if good else 200), float(c))
        for i, good, c in zip(range(1, 7), right, confidences, strict=True)
    ]
    evidence = scored(truth(*objects, images=6), detections).evidence
    values = []
    for order in itertools.permutations(range(6)):
        place = np.argsort(np.lexsort((order, -evidence.score)))
        values.append(ap_in_order(evidence, np.argsort(place)))
    assert (min(values), max(values)) == pytest.approx(tie_bounds(evidence), abs=1e-12)
    assert max(values) > min(values)
    for order in ([1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], [4, 1, 6, 2, 5, 3]):
        number = dict(zip(range(1, 7), order, strict=True))
        renamed = [entry | {"image_id": number[entry["image_id"]]} for entry in objects]
        moved = [entry | {"image_id": number[entry["image_id"]]} for entry in detections]
        theirs = by_pycocotools(truth(*renamed, images=6), moved).stats[0]
        assert min(values) - 1e-12 <= theirs <= max(values) + 1e-12


def ap_in_order(evidence: Evidence, order: np.ndarray) -> float:
    """AP of one class with its detections in that order."""
    names = ("image", "category", "score", "rank", "row")
    ordered = {name: getattr(evidence, name)[order] for name in names}
    ordered |= {name: getattr(evidence, name)[..., order] for name in ("matched", "ignored", "found")}
    precision = curves_of(Evidence(**(vars(evidence) | ordered))).precision
    return float(precision[precision > -1].mean())


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
