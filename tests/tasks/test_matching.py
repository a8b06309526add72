"""Matching, all cells at once, against COCO's loop read literally."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.tasks.detection import matching
from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns, stable_order
from helpers.tasks.detection.evidence import AREA_BOUNDS, IOU_THRESHOLDS
from helpers.tasks.detection.matching import NO_OBJECT, Matches, match

IMAGES, CLASSES = 4, 3
GRID = (0, 8, 16, 24, 32, 40)  # so that overlaps coincide


def random_columns(seed: int) -> tuple[ObjectColumns, DetectionColumns]:
    """Crowded images: equal overlaps, equal scores, crowds, boxes without area, all sizes."""
    random = np.random.default_rng(seed)
    objects, detections = random.integers(0, 30), random.integers(0, 60)
    box = boxes(random, objects)
    area = box[:, 2] * box[:, 3] * random.choice([0.3, 1], objects)
    return (
        ObjectColumns(*places(random, objects), box, area, random.random(objects) < 0.2),
        DetectionColumns(
            *places(random, detections), boxes(random, detections), random.integers(1, 8, detections) / 8
        ),
    )


def boxes(random, count: int) -> np.ndarray:
    return np.concatenate(
        [random.choice(GRID, (count, 2)), random.choice([0, 30, 32, 64, 96], (count, 2))], 1
    )


def places(random, count: int) -> tuple[np.ndarray, np.ndarray]:
    image, category = random.integers(0, IMAGES, count), random.integers(0, CLASSES, count)
    return image.astype(np.int32), category.astype(np.int16)


def literally(objects, detections, threshold: float, bounds, most: int | None, classwise: bool) -> dict:
    """Row of the detection -> row of the object that it finds; cell by cell, as ``COCOeval.evaluateImg``."""
    found, taken = {}, set()
    ignored = objects.crowd | (objects.area < bounds[0]) | (objects.area > bounds[1])
    cell = detections.image * CLASSES + (detections.category if classwise else 0)
    for number in np.unique(cell):
        rows = np.flatnonzero(cell == number)
        for row in rows[np.argsort(-detections.score[rows], kind="stable")][:most]:
            near = np.flatnonzero(objects.image == detections.image[row])
            own = objects.category[near] == detections.category[row]
            near = near[own | ~(classwise | objects.crowd[near])]
            best, overlap = NO_OBJECT, min(threshold, 1 - 1e-10)
            for candidate in near[np.argsort(ignored[near], kind="stable")]:
                if candidate in taken and not objects.crowd[candidate]:
                    continue
                if best != NO_OBJECT and not ignored[best] and ignored[candidate]:
                    break
                iou = iou_of(detections.box[row], objects.box[candidate], objects.crowd[candidate])
                if iou >= overlap:
                    best, overlap = candidate, iou
            found[int(row)] = int(best)
            taken.add(best)
    return found


def iou_of(one: np.ndarray, other: np.ndarray, crowd: bool) -> float:
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    common, own = width * height, one[2] * one[3]
    return common / (own if crowd else own + other[2] * other[3] - common)


def as_dictionary(matches: Matches, area: int, step: int) -> dict:
    return dict(zip(matches.row.tolist(), matches.found[area, step].tolist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000), st.booleans(), st.sampled_from([None, 3]))
def test_every_detection_finds_what_coco_says(seed, classwise, most):
    columns = random_columns(seed)
    thresholds = [0.3, *IOU_THRESHOLDS[::3], 1.0]
    matches = match(*columns, thresholds, AREA_BOUNDS, most, classwise)
    for area, bounds in enumerate(AREA_BOUNDS):
        for step, threshold in enumerate(thresholds):
            expected = literally(*columns, threshold, bounds, most, classwise)
            assert as_dictionary(matches, area, step) == expected


@pytest.mark.parametrize("classwise", [True, False])
def test_detections_stand_by_cell_and_score_and_know_their_place(classwise):
    columns = random_columns(3)
    matches = match(*columns, IOU_THRESHOLDS, AREA_BOUNDS, classwise=classwise)
    cell = matching.cells(*columns, classwise)[0][matches.row]
    assert sorted(matches.row.tolist()) == list(range(len(columns[1])))
    assert list(zip(cell, matches.rank, strict=True)) == sorted(zip(cell, matches.rank, strict=True))
    for number in np.unique(cell):
        assert matches.rank[cell == number].tolist() == list(range((cell == number).sum()))
        assert (np.diff(columns[1].score[matches.row[cell == number]]) <= 0).all()


@pytest.mark.parametrize("size", [1, 7, 50])
def test_the_size_of_the_blocks_does_not_matter(monkeypatch, size):
    columns = random_columns(8)
    whole = match(*columns, IOU_THRESHOLDS, AREA_BOUNDS, classwise=False).found
    monkeypatch.setattr(matching, "BLOCK_PAIRS", size)
    assert np.array_equal(match(*columns, IOU_THRESHOLDS, AREA_BOUNDS, classwise=False).found, whole)
    assert (whole != NO_OBJECT).any()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 100_000), st.integers(0, 40))
def test_a_stable_order_is_that_of_lexsort(seed, count):
    random = np.random.default_rng(seed)
    keys = (
        random.integers(-3, 3, count) / 2,
        random.integers(-300, 300, count),
        random.integers(0, 4, count).astype(np.int16) - 1,
    )
    assert np.array_equal(stable_order(*keys), np.lexsort(keys))
