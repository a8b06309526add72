"""The tail of TFLite_Detection_PostProcess: against the operator in LiteRT, and a reference in NumPy."""

import dataclasses

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.models.interface import tuples
from helpers.models.own_tflite.interface import interface
from helpers.runtimes.litert.core import Core
from helpers.tasks.detection.boxes import decode_boxes
from helpers.tasks.detection.limits import Limits
from helpers.tasks.detection.tails.postprocessed import PostprocessedTail
from helpers.tasks.detection.tails.raw_heads import RawHeadsTail
from helpers.tasks.detection.tails.ssd import SSDTail
from tests.support.own_tflite_files import (
    CANDIDATES,
    OPTIONS,
    grid_anchors,
    image_of,
    postprocessed_bytes,
    random_heads,
    write,
)

EVERYTHING = Limits(nms_iou=1.0, score_threshold=0.0, most_detections=1000)
LABELS = ("a", "b", "c")
NAMES = {"boxes": "b", "classes": "c", "scores": "s", "count": "n"}


def iou(first: np.ndarray, second: np.ndarray) -> float:
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    shared = np.prod(np.maximum(high - low, 0))
    return shared / (np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]) - shared)


def survivors(boxes: np.ndarray, scores: np.ndarray, options: dict) -> list[int]:
    """Greedy suppression, best first, of boxes ``[n, 4]``."""
    kept: list[int] = []
    for row in np.argsort(-scores):
        free = all(iou(boxes[row], boxes[other]) <= options["nms_iou_threshold"] for other in kept)
        if scores[row] >= options["nms_score_threshold"] and free:
            kept.append(int(row))
    return kept


def by_hand(encodings: np.ndarray, scores: np.ndarray, options: dict) -> list[tuple]:
    """(score, class from 1, box) of what the operator should find, best first."""
    boxes = decode_boxes(encodings, grid_anchors())
    if options.get("use_regular_nms"):
        most = options.get("detections_per_class", 100)
        pairs = [
            (row, label) for label in range(3) for row in survivors(boxes, scores[:, label], options)[:most]
        ]
        pairs = sorted(pairs, key=lambda pair: -scores[pair])[: options["max_detections"]]
    else:
        rows = survivors(boxes, scores.max(1), options)[: options["max_detections"]]
        most = options["max_classes_per_detection"]
        pairs = [(row, label) for row in rows for label in np.argsort(-scores[row])[:most]]
    found = [(float(scores[pair]), int(pair[1]) + 1, np.clip(boxes[pair[0]], 0, 1)) for pair in pairs]
    return sorted(found, key=lambda item: -item[0])


def assert_same(found, wanted: list[tuple]) -> None:
    assert found.classes.tolist() == [label for _, label, _ in wanted]
    np.testing.assert_allclose(found.scores, [score for score, _, _ in wanted], atol=1e-6)
    np.testing.assert_allclose(found.boxes, np.array([box for *_, box in wanted]).reshape(-1, 4), atol=1e-5)


def case(folder, options: dict, limits: Limits = EVERYTHING):
    """Core and tail of a file with these options; a large image scale keeps encodings as they are."""
    path = write(folder / "own.tflite", postprocessed_bytes(options))
    (folder / "own.json").write_text('{"scale": 1.0, "offset": 0.0}')
    return Core(path), interface(path, LABELS, limits).tail


CHOICES = st.fixed_dictionaries(
    {
        "max_detections": st.integers(1, 12),
        "max_classes_per_detection": st.integers(1, 4),
        "use_regular_nms": st.booleans(),
        "detections_per_class": st.integers(1, 6),
        "nms_score_threshold": st.sampled_from([1e-8, 0.3, 0.8, 0.99]),
        "nms_iou_threshold": st.sampled_from([0.3, 0.5, 0.9]),
    }
)


@settings(max_examples=40, deadline=None)
@given(choice=CHOICES, seed=st.integers(0, 2**32 - 1))
def test_the_operator_finds_what_a_reference_in_numpy_finds(tmp_path_factory, choice, seed):
    options, generator = OPTIONS | choice, np.random.default_rng(seed)
    core, tail = case(tmp_path_factory.mktemp("own"), options)
    for _ in range(2):
        encodings, scores = random_heads(generator)
        assert_same(tail(core(image_of(encodings, scores))), by_hand(encodings, scores, options))


def test_rows_that_the_operator_left_from_the_photo_before_are_no_detections(tmp_path):
    core, tail = case(tmp_path, OPTIONS)
    generator = np.random.default_rng(0)
    encodings, scores = random_heads(generator)
    assert len(tail(core(image_of(encodings, scores))).scores) == OPTIONS["max_detections"]
    few = scores * 0
    few[3, 1] = 0.9
    heads = core(image_of(encodings, few))
    assert np.count_nonzero(heads["out_2"]) > 1
    assert tail(heads).classes.tolist() == [2]


def test_no_detection_at_all_is_an_empty_answer(tmp_path):
    core, tail = case(tmp_path, OPTIONS)
    found = tail(core(image_of(np.zeros((CANDIDATES, 4)), np.zeros((CANDIDATES, 3)))))
    assert (found.boxes.shape, found.scores.shape, found.classes.shape) == ((0, 4), (0,), (0,))


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1), (3, 2, 1, 0)])
def test_outputs_are_told_apart_by_the_operator_whatever_their_order_and_names(tmp_path, order):
    path = write(tmp_path / "own.tflite", postprocessed_bytes(order=order))
    (tmp_path / "own.json").write_text('{"scale": 1.0, "offset": 0.0}')
    encodings, scores = random_heads(np.random.default_rng(3))
    found = interface(path, LABELS, EVERYTHING).tail(Core(path)(image_of(encodings, scores)))
    assert_same(found, by_hand(encodings, scores, OPTIONS))


def test_detections_are_the_outputs_of_an_interpreter_of_ones_own(tmp_path):
    core, tail = case(tmp_path, OPTIONS)
    image = image_of(*random_heads(np.random.default_rng(5)))
    interpreter = Interpreter(str(core.path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    boxes, classes, scores, count = (
        interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()
    )
    rows = [(scores[0, i], classes[0, i] + 1, np.clip(boxes[0, i], 0, 1)) for i in range(int(count[0]))]
    assert_same(tail(core(image)), rows)


@given(st.lists(st.floats(0, 1, width=32), max_size=20), st.floats(0, 0.5, width=32), st.integers(1, 30))
def test_limits_hold_and_the_best_come_first(scores, threshold, most):
    limits, n = Limits(score_threshold=threshold, most_detections=most), len(scores)
    heads = {
        "b": np.full((1, n + 2, 4), 2, np.float32),
        "c": np.arange(n + 2, dtype=np.float32)[None],
        "s": np.float32([[*scores, 1, 1]]),
        "n": np.float32([n]),
    }
    found = PostprocessedTail(limits, NAMES)(heads)
    wanted = sorted((score for score in scores if score > threshold), reverse=True)[:most]
    assert found.scores.tolist() == wanted
    assert [scores[label - 1] for label in found.classes] == wanted
    assert (found.boxes == 1).all()


def test_raw_heads_are_those_of_ssd_under_other_names():
    generator, anchors = np.random.default_rng(1), grid_anchors()
    encodings, logits = generator.normal(size=(1, 24, 4)), generator.normal(size=(1, 24, 4))
    ssd = SSDTail(anchors, Limits(), "softmax", background=True)
    raw = RawHeadsTail(anchors, Limits(), "x", "y", "softmax", background=True)
    wanted = ssd({"box_encodings": encodings, "class_logits": logits})
    found = raw({"x": encodings, "y": logits})
    for field in ("boxes", "scores", "classes"):
        np.testing.assert_array_equal(getattr(found, field), getattr(wanted, field))


def test_finished_scores_are_kept_as_they_are():
    generator, anchors = np.random.default_rng(2), grid_anchors()
    encodings, logits = generator.normal(size=(1, 24, 4)), generator.normal(size=(1, 24, 3))
    of_logits = RawHeadsTail(anchors, Limits(), "x", "y")({"x": encodings, "y": logits})
    scores = 1 / (1 + np.exp(-logits))
    finished = RawHeadsTail(anchors, Limits(), "x", "y", "")({"x": encodings, "y": scores})
    np.testing.assert_array_equal(finished.classes, of_logits.classes)
    np.testing.assert_allclose(finished.scores, of_logits.scores, rtol=1e-6)
    assert set(finished.scores) <= set(scores.ravel())


def test_a_tail_is_arrays_and_json_values():
    tail = PostprocessedTail(Limits(), NAMES, 2, 2)
    values = {name: value for name, value in dataclasses.asdict(tail).items() if name != "limits"}
    assert PostprocessedTail(limits=Limits(), **tuples(values)) == tail
