"""Parity: what agrees, what does not, and the mistakes that it has to catch."""

import dataclasses
import functools
import re
import time

import cv2
import numpy as np
import pytest

from helpers.compare import present
from helpers.lab.errors import LabError
from helpers.lab.paths import RunPaths
from helpers.models.darknet import opencv
from helpers.models.interface import Interface
from helpers.models.parity import (
    TOLERANCE,
    Parity,
    agreement,
    iou,
    lacking,
    matches,
    on_photo,
    parity_text,
    require_parity,
    summarize,
    without_suppression,
)
from helpers.models.registry import DEFAULT_MODEL
from helpers.models.savedmodels import reference as original
from helpers.photos.decoding import core_input
from helpers.photos.preprocessing import Preprocessing
from helpers.quantize import originals
from helpers.quantize import stage as quantize
from helpers.tasks.detection.limits import Limits
from helpers.tasks.detection.tails.boxes_scores import BoxesScoresTail
from helpers.tasks.detection.tails.selection import Detections
from tests.support.finished_run import finish


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


@pytest.fixture(scope="module", autouse=True)
def loaded_once():
    """Loading the SavedModel takes seconds, and it never changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(original, "load", functools.cache(original.load))
        yield


def detections(boxes, scores, classes) -> Detections:
    return Detections(np.float32(boxes).reshape(-1, 4), np.float32(scores), np.int32(classes))


@pytest.fixture
def reference():
    return detections([[0.1, 0.1, 0.5, 0.5], [0.2, 0.6, 0.9, 0.9], [0, 0, 1, 1]], [0.9, 0.6, 0.1], [1, 2, 3])


NONE = detections([], [], [])


def changed(found: Detections, **parts) -> Detections:
    return dataclasses.replace(found, **parts)


def test_a_detector_agrees_with_itself(reference):
    parity = summarize([(reference, reference), (NONE, NONE)])
    assert parity == Parity(photos=2, matched=1, detections=3)
    require_parity(parity, "m")


def test_order_does_not_matter_to_a_match(reference):
    turned = detections(reference.boxes[::-1], reference.scores[::-1], reference.classes[::-1])
    assert matches(reference, turned) == 3


@pytest.mark.parametrize("corner", range(4))
def test_a_shifted_box_corner_is_no_match(reference, corner):
    boxes = reference.boxes.copy()
    boxes[1, corner] += 2 * TOLERANCE
    assert matches(reference, changed(reference, boxes=boxes)) == 2


def test_another_score_or_class_is_no_match(reference):
    assert matches(reference, changed(reference, scores=reference.scores + np.float32([0, 0.002, 0]))) == 2
    assert matches(reference, changed(reference, classes=np.int32([1, 2, 4]))) == 2
    assert matches(reference, changed(reference, scores=reference.scores + np.float32(TOLERANCE / 2))) == 3


def test_nothing_found_matches_nothing(reference):
    assert matches(reference, NONE) == 0
    assert matches(NONE, reference) == 0
    assert agreement(reference, NONE) == (2, 0)
    assert agreement(NONE, reference) == (0, 0)


def test_matches_are_shares_of_all(reference):
    lost = detections(reference.boxes[:1], reference.scores[:1], reference.classes[:1])
    parity = summarize([(reference, reference), (reference, lost)])
    assert parity == Parity(photos=2, matched=4 / 6, detections=6)


def test_disagreement_is_refused():
    require_parity(Parity(photos=16, matched=0.99, detections=100), "m")
    with pytest.raises(LabError, match=r"m: 98\.0% of 100 detections") as caught:
        require_parity(Parity(photos=16, matched=0.98, detections=100), "m")
    assert "preprocessing" in caught.value.cure


def test_boxes_of_a_padded_photo_are_found_again_on_the_photo(reference):
    """A photo twice as wide as high fills the upper half of a square input."""
    half = Preprocessing(100, 100, (1, 1, 1), (0, 0, 0), pad=True)
    found = on_photo(changed(reference, boxes=np.float32([[0.1, 0.2, 0.5, 0.6]] * 3)), half, 50, 100)
    assert found.boxes[0] == pytest.approx([0.2, 0.2, 1.0, 0.6])
    below = on_photo(changed(reference, boxes=np.float32([[0.1, 0.2, 0.9, 0.6]] * 3)), half, 50, 100)
    assert below.boxes[0, 2] == 1
    stretched = dataclasses.replace(half, pad=False)
    np.testing.assert_array_equal(on_photo(reference, stretched, 50, 100).boxes, reference.boxes)


def test_iou_by_hand():
    first = np.float32([[0, 0, 1, 1], [0, 0, 0.5, 0.5]])
    second = np.float32([[0, 0, 1, 1], [0.5, 0.5, 1, 1], [0, 0.25, 0.5, 0.75], [0.3, 0.3, 0.3, 0.3]])
    expected = [[1, 0.25, 0.25, 0], [0.25, 0, 1 / 3, 0]]
    assert iou(first, second) == pytest.approx(np.array(expected), abs=1e-6)


def test_agreement_counts_confident_detections_by_class_and_overlap(reference):
    """The third detection, at 0.1, is not confident; ours must be as confident to count."""
    assert agreement(reference, reference) == (2, 2)
    assert agreement(reference, changed(reference, classes=np.int32([1, 3, 3]))) == (2, 1)
    assert agreement(reference, changed(reference, scores=np.float32([0.31, 0.29, 0.1]))) == (2, 1)
    moved = reference.boxes + np.float32([0, 0.3, 0, 0.3])
    assert agreement(reference, changed(reference, boxes=moved)) == (2, 0)


@pytest.mark.pipeline
def test_float32_answers_like_the_savedmodel_to_within_rounding(finished):
    parity = originals.check_parity(finished.run, finished.model)
    assert parity.photos == quantize.PARITY_PHOTOS
    assert parity.matched > 0.999
    assert parity.detections > 100


@pytest.mark.pipeline
@pytest.mark.parametrize("scale", [1 / 255, 1 / 127.5**2], ids=["to 0..1", "normalized twice"])
def test_another_normalization_is_caught(finished, monkeypatch, scale):
    right = quantize.load_interface(finished.run, finished.model)
    changed = dataclasses.replace(right.preprocessing, scale=(scale,) * 3)
    monkeypatch.setattr(originals, "load_interface", lambda *_: Interface(changed, right.tail))
    with pytest.raises(LabError, match=f"{DEFAULT_MODEL}: .* detections of the original"):
        originals.check_parity(finished.run, finished.model)


@pytest.mark.pipeline
def test_swapped_channels_are_caught(finished, monkeypatch):
    def blue_first(photo, preprocessing):
        return core_input(np.ascontiguousarray(photo[..., ::-1]), preprocessing)

    monkeypatch.setattr(originals, "core_input", blue_first)
    with pytest.raises(LabError, match="detections of the original"):
        originals.check_parity(finished.run, finished.model)


@pytest.mark.pipeline
def test_anchors_that_lie_a_little_off_are_caught(finished, monkeypatch):
    right = quantize.load_interface(finished.run, finished.model)
    shifted = right.tail.anchors + np.float32([0.002, 0, 0, 0])
    wrong = Interface(right.preprocessing, dataclasses.replace(right.tail, anchors=shifted))
    monkeypatch.setattr(originals, "load_interface", lambda *_: wrong)
    with pytest.raises(LabError, match="detections of the original"):
        originals.check_parity(finished.run, finished.model)


@pytest.mark.pipeline
def test_the_report_says_how_closely_float32_answers_like_the_original(finished):
    said = present.model_section(finished.run).paragraphs
    assert any(re.search(r"Checked on 16 photos: float32 gives \d+\.\d% of the original", s) for s in said)


@pytest.mark.pipeline
def test_an_opencv_that_reads_no_darknet_is_a_reason_and_no_stop(finished, monkeypatch, tmp_path):
    """OpenCV 5 has no ``readNetFromDarknet``."""
    monkeypatch.delattr(cv2.dnn, "readNetFromDarknet")
    monkeypatch.setattr(cv2, "__version__", "5.0.0")
    monkeypatch.setattr(RunPaths, "parity_record", lambda *_: tmp_path / "parity.json")
    darknet = functools.partial(opencv.reference, tmp_path / "a.cfg", tmp_path / "a.weights")
    monkeypatch.setattr(originals, "reference", lambda model, files: darknet(model.limits))
    parity = originals.check_parity(finished.run, finished.model)
    assert parity.unchecked == "OpenCV 5.0.0 reads no Darknet"
    assert originals.parity_texts(finished.run, finished.model) == [
        "Float32 was not checked against the original model: OpenCV 5.0.0 reads no Darknet."
    ]


def test_ties_of_suppression_fail_no_model_whose_candidates_agree():
    require_parity(Parity(16, 0.9, 100, among_candidates=1.0), "m")
    assert "the last digit decides" in parity_text(Parity(16, 0.9, 100, among_candidates=1.0))
    for wrong in (Parity(16, 0.9, 100, among_candidates=0.98), Parity(16, 0.7, 100, among_candidates=1.0)):
        with pytest.raises(LabError, match="detections of the original model"):
            require_parity(wrong, "m")


def test_candidates_are_what_the_tail_has_before_suppression():
    """Two boxes one on the other, of nearly equal scores, and one below the threshold."""
    rows = np.zeros((1, 3, 4), np.float32)
    rows[0] = [[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.51], [0.5, 0.5, 1.0, 1.0]]
    heads = {"boxes": rows, "scores": np.float32([[[0.5], [0.4999], [0.0001]]])}
    tail = BoxesScoresTail(limits=Limits(nms_iou=0.5))
    assert len(tail(heads).scores) == 1
    assert len(without_suppression(tail)(heads).scores) == 2


def test_only_what_suppression_took_is_looked_for_among_the_candidates(reference):
    first, rest = (
        detections(reference.boxes[part], reference.scores[part], reference.classes[part])
        for part in (slice(1), slice(1, None))
    )
    np.testing.assert_array_equal(lacking(reference, first).boxes, rest.boxes)
    assert not len(lacking(reference, reference).scores)
    parity = summarize([(reference, reference), (reference, first)], [0, 2])
    assert parity == Parity(photos=2, matched=4 / 6, detections=6, among_candidates=1.0)


def test_a_photo_with_every_candidate_above_the_threshold_takes_no_minute():
    """A float32 SSD of 1,917 anchors and 90 classes has 170,000 of them."""
    random = np.random.default_rng(0)
    corners = random.uniform(0, 0.5, (1917, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + np.float32(0.3)], 1)[None]
    heads = {"boxes": boxes, "scores": random.uniform(0.01, 1, (1, 1917, 90)).astype(np.float32)}
    begun = time.perf_counter()
    candidates = without_suppression(BoxesScoresTail(limits=Limits()))(heads)
    assert len(candidates.scores) == 1917 * 90
    some = detections(candidates.boxes[::2000], candidates.scores[::2000], candidates.classes[::2000])
    assert matches(some, candidates) == len(some.scores)
    assert time.perf_counter() - begun < 10  # suppression among them takes minutes
