"""Parity: what agrees, what does not, and the mistakes that it has to catch."""

import dataclasses
import functools

import numpy as np
import pytest

from helpers.errors import LabError
from helpers.interface import Interface
from helpers.models import DEFAULT_MODEL
from helpers.parity import TOLERANCE, Parity, agreement, iou, matches, require_parity, summarize
from helpers.photos import core_input
from helpers.quantize import savedmodel
from helpers.runtime import Core
from helpers.stages import quantize
from helpers.stages.download import model_folder
from helpers.tails.selection import Detections
from helpers.variants import BASELINE
from tests.finished_run import finish


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


@pytest.fixture(scope="module", autouse=True)
def loaded_once():
    """Loading the SavedModel takes seconds, and it never changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(savedmodel, "load", functools.cache(savedmodel.load))
        yield


def detections(boxes, scores, classes) -> Detections:
    return Detections(np.float32(boxes).reshape(-1, 4), np.float32(scores), np.int32(classes))


@pytest.fixture
def reference():
    return detections([[0.1, 0.1, 0.5, 0.5], [0.2, 0.6, 0.9, 0.9], [0, 0, 1, 1]], [0.9, 0.6, 0.1], [1, 2, 3])


NONE = detections([], [], [])
EXACT = (0.0, 0.0)


def changed(found: Detections, **parts) -> Detections:
    return dataclasses.replace(found, **parts)


def test_a_detector_agrees_with_itself(reference):
    parity = summarize([EXACT, EXACT], [(reference, reference), (NONE, NONE)])
    assert parity == Parity(photos=2, raw_score=0, raw_box=0, matched=1, detections=3)
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


def test_the_worst_photo_decides_and_matches_are_shares_of_all(reference):
    lost = detections(reference.boxes[:1], reference.scores[:1], reference.classes[:1])
    parity = summarize([(1e-6, 2e-4), (3e-4, 1e-6)], [(reference, reference), (reference, lost)])
    assert parity == Parity(photos=2, raw_score=3e-4, raw_box=2e-4, matched=4 / 6, detections=6)


@pytest.mark.parametrize(
    "wrong",
    [{"raw_score": 0.0011}, {"raw_box": 0.0011}, {"matched": 0.98}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_each_kind_of_disagreement_is_refused(wrong):
    right = Parity(photos=16, raw_score=1e-6, raw_box=1e-6, matched=1.0, detections=100)
    require_parity(right, "m")
    with pytest.raises(LabError, match="m: raw scores differ") as caught:
        require_parity(dataclasses.replace(right, **wrong), "m")
    assert "preprocessing" in caught.value.cure


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
    parity = quantize.check_parity(finished.run, finished.model)
    assert parity.photos == quantize.PARITY_PHOTOS
    assert parity.raw_score < 1e-4
    assert parity.raw_box < 1e-4
    assert parity.matched > 0.999
    assert parity.detections > 100


@pytest.mark.pipeline
@pytest.mark.parametrize("scale", [1 / 255, 1 / 127.5**2], ids=["to 0..1", "normalized twice"])
def test_another_normalization_is_caught(finished, monkeypatch, scale):
    right = quantize.load_interface(finished.run, finished.model)
    changed = dataclasses.replace(right.preprocessing, scale=(scale,) * 3)
    monkeypatch.setattr(quantize, "load_interface", lambda *_: Interface(changed, right.tail))
    with pytest.raises(LabError, match=f"{DEFAULT_MODEL}: raw scores differ"):
        quantize.check_parity(finished.run, finished.model)


@pytest.mark.pipeline
def test_swapped_channels_are_caught(finished, monkeypatch):
    def blue_first(photo, preprocessing):
        return core_input(np.ascontiguousarray(photo[..., ::-1]), preprocessing)

    monkeypatch.setattr(quantize, "core_input", blue_first)
    with pytest.raises(LabError, match="raw scores differ"):
        quantize.check_parity(finished.run, finished.model)


@pytest.mark.pipeline
def test_anchors_that_lie_a_little_off_are_caught(finished):
    run, model = finished.run, finished.model
    detector, interface = savedmodel.load(model_folder(model)), quantize.load_interface(run, model)
    tail = interface.tail
    core = Core(run.paths.variant_file(model.id, BASELINE))
    photo = quantize.check_photos(run)[0]
    whole, heads = savedmodel.detect(detector, photo), core(core_input(photo, interface.preprocessing))
    shifted = dataclasses.replace(tail, anchors=tail.anchors + np.float32([0.002, 0, 0, 0]))
    pair = (quantize.as_detections(whole), tail(heads))
    require_parity(summarize([quantize.raw_gaps(whole, heads, tail)], [pair]), model.id)
    with pytest.raises(LabError, match=r"boxes by 0\.002"):
        require_parity(summarize([quantize.raw_gaps(whole, heads, shifted)], [pair]), model.id)
