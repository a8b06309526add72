"""Every kind of error by hand, and on random data against the definitions read literally."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.tasks.detection import error_kinds
from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns
from helpers.tasks.detection.error_kinds import (
    BACKGROUND,
    DUPLICATE,
    MISSED,
    NO_KIND,
    SHIFTED,
    WRONG_CLASS,
    Kinds,
    Nearest,
    classify,
    kinds_of,
)
from helpers.tasks.detection.evidence import IOU_THRESHOLDS, Evidence
from helpers.tasks.detection.score import gather

IMAGES, CLASSES = 6, 5
SIDE = 40


def objects(*rows: tuple, crowd: tuple[int, ...] = ()) -> ObjectColumns:
    """Squares as (image, class, x) or (image, class, x, side); ``crowd`` are rows."""
    image, category, box = columns(rows)
    crowds = np.isin(np.arange(len(rows)), crowd)
    return ObjectColumns(image, category, box, box[:, 2] * box[:, 3], crowds)


def detections(*rows: tuple) -> DetectionColumns:
    """Squares as (score, image, class, x) or (score, image, class, x, side)."""
    image, category, box = columns([row[1:] for row in rows])
    return DetectionColumns(image, category, box, np.array([row[0] for row in rows], float))


def columns(rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    sides = [(row[2], 10, *[row[3] if len(row) > 3 else SIDE] * 2) for row in rows]
    box = np.array(sides, float).reshape(-1, 4)
    return np.array([r[0] for r in rows], np.int32), np.array([r[1] for r in rows], np.int16), box


def kinds_by_row(truth: ObjectColumns, given: DetectionColumns) -> tuple[np.ndarray, np.ndarray]:
    """Kinds with the detections in the order given, ``[T, D]``, and causes ``[T, G]``."""
    evidence = gather(truth, given, 3, 4)
    kinds = classify(truth, given, evidence)
    ordered = np.empty_like(kinds.detection)
    ordered[:, evidence.row] = kinds.detection
    return ordered, kinds.cause


def random_objects(seed: int) -> ObjectColumns:
    """Crowded, with crowds and boxes without area; the last image is empty, class 4 without objects."""
    random = np.random.default_rng(seed)
    count = int(random.integers(0, 25))
    box = random_boxes(random, count)
    area = box[:, 2] * box[:, 3] * random.choice([0.3, 0.8, 1], count)
    image, category = random.integers(0, IMAGES - 1, count), random.integers(0, CLASSES - 1, count)
    return ObjectColumns(
        image.astype(np.int32), category.astype(np.int16), box, area, random.random(count) < 0.15
    )


def random_boxes(random: np.random.Generator, count: int) -> np.ndarray:
    sides = random.choice([20, 45, 110], (count, 1)) * random.uniform(0.7, 1.3, (count, 2))
    sides *= random.random((count, 1)) > 0.05
    return np.concatenate([random.uniform(0, 80, (count, 2)), sides], 1)


def random_detections(truth: ObjectColumns, seed: int) -> DetectionColumns:
    """On the objects and elsewhere, scores with ties; class 3 is never predicted."""
    random = np.random.default_rng([seed, 1])
    base = np.repeat(np.arange(len(truth)), random.integers(0, 4, len(truth)))
    sides = np.tile(truth.box[base, 2:], 2)
    on = truth.box[base] + random.normal(0, 1, (len(base), 4)) * random.choice([0, 0.05, 0.2]) * sides
    off = int(random.integers(0, 20))
    box = np.concatenate([np.maximum(on, 0), random_boxes(random, off)])
    image = np.concatenate([truth.image[base], random.integers(0, IMAGES, off)])
    category = np.concatenate([truth.category[base], random.integers(0, CLASSES, off)])
    category = np.where(random.random(len(category)) < 0.2, random.integers(0, CLASSES, len(box)), category)
    category[category == 3] = 4
    scores = np.ceil(random.uniform(0, 1, len(box)) * 8) / 8
    return DetectionColumns(image.astype(np.int32), category.astype(np.int16), box, scores)


def test_a_shifted_box_fails_where_its_overlap_is_too_little():
    # Moved by a quarter of its side: IoU 0.75 / 1.25 = 0.6, enough for the first three thresholds.
    kind, cause = kinds_by_row(objects((0, 0, 10)), detections((0.9, 0, 0, 20)))
    expected = [NO_KIND] * 3 + [SHIFTED] * 7
    assert kind[:, 0].tolist() == cause[:, 0].tolist() == expected


def test_another_class_on_the_object_is_a_wrong_class_while_it_overlaps_enough():
    kind, cause = kinds_by_row(objects((0, 0, 10)), detections((0.9, 0, 1, 20)))
    assert kind[:, 0].tolist() == [WRONG_CLASS] * 3 + [BACKGROUND] * 7
    assert cause[:, 0].tolist() == [WRONG_CLASS] * 3 + [MISSED] * 7


def test_a_second_detection_is_a_duplicate_then_a_shifted_box():
    kind, cause = kinds_by_row(objects((0, 0, 10)), detections((0.9, 0, 0, 10), (0.8, 0, 0, 20)))
    assert kind[:, 1].tolist() == [DUPLICATE] * 3 + [SHIFTED] * 7
    assert (kind[:, 0] == NO_KIND).all()
    assert (cause == NO_KIND).all()


def test_where_the_first_detection_is_too_far_off_the_second_is_no_duplicate():
    kind, cause = kinds_by_row(objects((0, 0, 10)), detections((0.9, 0, 0, 20), (0.8, 0, 0, 10)))
    assert kind[:, 0].tolist() == [NO_KIND] * 3 + [SHIFTED] * 7
    assert kind[:, 1].tolist() == [DUPLICATE] * 3 + [NO_KIND] * 7
    assert (cause == NO_KIND).all()


@pytest.mark.parametrize(
    "elsewhere",
    [
        (0.9, 0, 0, 200),  # apart
        (0.9, 0, 0, 43),  # IoU 7/73, just below 0.1
        (0.9, 1, 0, 10),  # another image
        (0.9, 0, 0, 30, 0),  # no area
    ],
)
def test_what_lies_on_no_object_is_background_and_the_object_is_missed(elsewhere):
    kind, cause = kinds_by_row(objects((0, 0, 10)), detections(elsewhere))
    assert (kind == BACKGROUND).all()
    assert (cause == MISSED).all()


def test_a_box_that_overlaps_by_a_tenth_is_shifted():
    kind, cause = kinds_by_row(objects((0, 0, 10)), detections((0.9, 0, 0, 42)))  # IoU 8/72
    assert (kind == SHIFTED).all()
    assert (cause == SHIFTED).all()


def test_crowds_take_no_part():
    truth = objects((0, 0, 10, 100), (1, 0, 10), crowd=(0,))
    kind, cause = kinds_by_row(truth, detections((0.9, 0, 0, 20), (0.8, 0, 1, 10, 100)))
    assert (kind[:, 0] == NO_KIND).all(), "inside a crowd of its class"
    assert (kind[:, 1] == BACKGROUND).all(), "on a crowd of another class"
    assert (cause == [NO_KIND, MISSED]).all()


def test_what_coco_ignores_for_its_size_takes_no_part():
    # COCO's largest area is 1e10 pixels.
    truth = objects((0, 0, 10, 2e5), (1, 0, 10))
    kind, cause = kinds_by_row(truth, detections((0.9, 1, 0, 10, 2e5), (0.8, 0, 1, 10, 9e4)))
    assert (kind == [NO_KIND, BACKGROUND]).all()
    assert (cause == [NO_KIND, MISSED]).all()


def test_what_nobody_found_has_no_duplicate_should_the_engine_round_otherwise():
    own, other = Nearest(np.array([0.5]), np.array([0])), Nearest(np.zeros(1), np.array([-1]))
    assert kinds_of(own, other, np.array([False]), 0.5) == SHIFTED
    assert kinds_of(own, other, np.array([True]), 0.5) == DUPLICATE


@pytest.mark.parametrize(("shifted", "other", "cause"), [
    (0.8, 0.7, SHIFTED), (0.7, 0.8, WRONG_CLASS), (0.7, 0.7, SHIFTED),
])  # fmt: skip
def test_the_highest_score_explains_and_at_equal_scores_the_shifted_box(shifted, other, cause):
    given = detections((shifted, 0, 0, 30), (other, 0, 1, 10))
    kind, causes = kinds_by_row(objects((0, 0, 10)), given)
    assert (kind == [SHIFTED, WRONG_CLASS]).all()
    assert (causes == cause).all()


@pytest.mark.parametrize("more", [(), ((0.8, 0, 0, 10),)], ids=["hit", "and its duplicate"])
def test_beside_a_found_neighbour_an_object_is_missed(more):
    kind, cause = kinds_by_row(objects((0, 0, 10), (0, 0, 30)), detections((0.9, 0, 0, 10), *more))
    assert (kind[:, 1:] == DUPLICATE).all()
    assert (cause == [NO_KIND, MISSED]).all()


def test_a_box_between_two_objects_speaks_for_the_nearer():
    truth = objects((0, 0, 10), (0, 0, 55))
    kind, cause = kinds_by_row(truth, detections((0.9, 0, 0, 30)))  # IoU 20/60 and 15/65
    assert (kind == SHIFTED).all()
    assert (cause == [SHIFTED, MISSED]).all()


def test_what_found_an_object_is_no_wrong_class_of_another():
    truth = objects((0, 0, 10), (0, 1, 10))
    _, cause = kinds_by_row(truth, detections((0.9, 0, 0, 10)))
    assert (cause == [NO_KIND, MISSED]).all()


def test_a_shifted_box_comes_before_a_wrong_class():
    # Overlaps an object of its class a little, and one of another class wholly.
    truth = objects((0, 0, 40), (0, 1, 10))
    kind, cause = kinds_by_row(truth, detections((0.9, 0, 0, 10)))
    assert (kind == SHIFTED).all()
    assert (cause == [SHIFTED, WRONG_CLASS]).all()


def literally(truth: ObjectColumns, given: DetectionColumns, evidence: Evidence) -> Kinds:
    """The definitions, one detection and one object at a time."""
    detection = np.full((10, len(evidence.row)), NO_KIND, np.int8)
    cause = np.full((10, len(truth)), NO_KIND, np.int8)
    iou = np.array([[overlap(given.box[d], box) for box in truth.box] for d in evidence.row])
    iou = iou.reshape(len(evidence.row), len(truth)) * (given.image[evidence.row][:, None] == truth.image)
    iou[:, truth.crowd] = 0
    same = given.category[evidence.row][:, None] == truth.category
    for step, t in enumerate(IOU_THRESHOLDS):
        found = set(evidence.found[step].tolist())
        for d in range(len(evidence.row)):
            if evidence.found[step, d] >= 0 or evidence.ignored[0, step, d]:
                continue
            if any(same[d, g] and iou[d, g] >= t and g in found for g in range(len(truth))):
                detection[step, d] = DUPLICATE
            elif (same[d] & (iou[d] >= 0.1)).any():
                detection[step, d] = SHIFTED
            else:
                detection[step, d] = WRONG_CLASS if (~same[d] & (iou[d] >= t)).any() else BACKGROUND
        for g in range(len(truth)):
            if g in found or truth.crowd[g]:
                continue
            best = (-1.0, False)
            for d in range(len(evidence.row)):
                kin = np.flatnonzero(same[d] == same[d, g])
                if detection[step, d] in (NO_KIND, DUPLICATE) or kin[iou[d, kin].argmax()] != g:
                    continue
                if (0.1 <= iou[d, g] < t) if same[d, g] else (iou[d, g] >= t):
                    best = max(best, (evidence.score[d], bool(same[d, g])))
            cause[step, g] = MISSED if best[0] < 0 else (SHIFTED if best[1] else WRONG_CLASS)
    return Kinds(detection, cause)


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    common = max(width, 0) * max(height, 0)
    union = first[2] * first[3] + second[2] * second[3] - common
    return common / union if union > 0 else 0.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000))
def test_kinds_are_as_defined(seed):
    truth = random_objects(seed)
    given = random_detections(truth, seed)
    evidence = gather(truth, given, IMAGES, CLASSES)
    kinds, expected = classify(truth, given, evidence), literally(truth, given, evidence)
    assert kinds.detection.dtype == kinds.cause.dtype == np.int8
    assert np.array_equal(kinds.detection, expected.detection)
    assert np.array_equal(kinds.cause, expected.cause)


def test_random_data_hold_every_kind_and_cause():
    seen, causes = set(), set()
    for seed in range(20):
        truth = random_objects(seed)
        given = random_detections(truth, seed)
        kinds = classify(truth, given, gather(truth, given, IMAGES, CLASSES))
        seen |= set(np.unique(kinds.detection).tolist())
        causes |= set(np.unique(kinds.cause).tolist())
    assert seen == {NO_KIND, SHIFTED, WRONG_CLASS, DUPLICATE, BACKGROUND}
    assert causes == {NO_KIND, MISSED, SHIFTED, WRONG_CLASS}


@pytest.mark.parametrize("size", [1, 7, 50])
def test_the_size_of_the_blocks_does_not_matter(monkeypatch, size):
    truth = random_objects(4)
    given = random_detections(truth, 4)
    evidence = gather(truth, given, IMAGES, CLASSES)
    whole = classify(truth, given, evidence)
    monkeypatch.setattr(error_kinds, "BLOCK_PAIRS", size)
    assert len(list(error_kinds.pairs(evidence))) > 1
    parts = classify(truth, given, evidence)
    assert np.array_equal(whole.detection, parts.detection)
    assert np.array_equal(whole.cause, parts.cause)


@pytest.mark.parametrize(("truth", "given"), [
    (objects(), detections((0.9, 0, 0, 10))), (objects((0, 0, 10)), detections()), (objects(), detections()),
])  # fmt: skip
def test_without_objects_all_is_background_and_without_detections_all_is_missed(truth, given):
    kind, cause = kinds_by_row(truth, given)
    assert kind.shape == (10, len(given))
    assert cause.shape == (10, len(truth))
    assert (kind == BACKGROUND).all()
    assert (cause == MISSED).all()


def test_saved_kinds_are_the_same(tmp_path):
    truth = random_objects(1)
    given = random_detections(truth, 1)
    kinds = classify(truth, given, gather(truth, given, IMAGES, CLASSES))
    kinds.save(tmp_path / "deep" / "kinds.npz")
    loaded = Kinds.load(tmp_path / "deep" / "kinds.npz")
    for name in ("detection", "cause"):
        assert np.array_equal(getattr(kinds, name), getattr(loaded, name))
        assert getattr(loaded, name).dtype == np.int8
