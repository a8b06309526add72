"""Finished ``.tflite`` files with the outputs of YOLO, NanoDet and DETR: float, float16 and integers."""

import numpy as np
import pytest
import tensorflow as tf

from helpers.lab.errors import LabError
from helpers.lab.quietly import stderr_muted
from helpers.models.own_tflite.describe import describe
from helpers.models.own_tflite.interface import categories, interface
from helpers.models.own_tflite.sentences import cap_sentence, timing_sentence
from helpers.photos.decoding import core_input
from helpers.runtimes.litert.core import Core
from helpers.tasks.detection.limits import Limits
from helpers.tasks.detection.tails.found_rows import FoundRowsTail
from helpers.tasks.detection.tails.joined_rows import JoinedRowsTail
from helpers.tasks.detection.tails.queries import QueriesTail

HEIGHT, WIDTH = 64, 96
CELLS, CELLS_WITH_64 = 126, 128
LABELS = ("a", "b", "c")
LIMITS = Limits(score_threshold=0.01)
SCALE = 1 / 255  # from pixels to the rows' 0..1


def rows_of(image, rows: int, columns: int):
    """The image's first values as a table ``[1, rows, columns]``."""
    return tf.reshape(tf.reshape(image, (-1,))[: rows * columns], (1, rows, columns))


def yolov5(image, unit=(1, 1)):
    return rows_of(image, 3 * CELLS, 8) * tf.constant([*unit, *unit, 1, 1, 1, 1], tf.float32)


def yolov5_pixels(image):
    return yolov5(image, (WIDTH, HEIGHT))


def yolov8(image):
    return tf.transpose(rows_of(image, CELLS, 7), (0, 2, 1)) * 1.0


def yolox(image):
    return rows_of(image, CELLS, 8) * SCALE


def yolox_decoded(image):
    cells = np.concatenate([np.indices((8 // n, 12 // n))[::-1].reshape(2, -1).T * 8 * n for n in (1, 2, 4)])
    table = np.concatenate([cells, np.full((CELLS, 2), 8), np.zeros((CELLS, 4))], 1)
    return yolox(image) + tf.constant(table[None], tf.float32)


def nanodet(image):
    return rows_of(image, CELLS_WITH_64, 35) * tf.constant([0.1] * 3 + [1.0] * 32, tf.float32) + 0.4


def queries(image):
    return {"pred_boxes": rows_of(image, 7, 4) * 0.1 + 0.4, "logits": rows_of(image, 14, 4)[:, 7:] * 2.0}


def finished(image):
    table = rows_of(image, 20, 6)
    return tf.concat([table[:, :, :2] * 30, 40 + table[:, :, 2:4], table[:, :, 4:5], tf.zeros((1, 20, 1))], 2)


def written(path, detector, kind: str = "float32"):
    """A function of the image as a file of that kind: its dtype in and out, or ``float16``."""
    spec = tf.TensorSpec((1, HEIGHT, WIDTH, 3), tf.float32, name="image")
    module = tf.Module()
    module.detector = tf.function(detector, input_signature=[spec], autograph=False)
    concrete = [module.detector.get_concrete_function()]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(concrete, module)
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif kind != "float32":
        ends = [np.full(spec.shape, value, np.float32) for value in (0, 1)]
        converter.representative_dataset = lambda: ([end] for end in ends)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, kind)
    with stderr_muted():
        path.write_bytes(converter.convert())
    return path


def a_photo(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def answer(path, design: str = "", labels=LABELS):
    found = interface(path, labels, LIMITS, design=design)
    photo = a_photo()
    return found, found.tail(Core(path)(core_input(photo, found.preprocessing)))


def best_of(table: np.ndarray) -> tuple[float, int]:
    """The best score of rows with objectness, and its class from 1."""
    scores = table[:, 5:] * table[:, 4:5]
    return float(scores.max()), int(scores.max(0).argmax()) + 1


@pytest.mark.parametrize("detector", [yolov5, yolov5_pixels])
@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_yolov5_as_its_exporter_writes_it(detector, kind, tmp_path):
    made, found = answer(written(tmp_path / "own.tflite", detector, kind))
    table = a_photo().reshape(-1)[: 3 * CELLS * 8].reshape(-1, 8) / 255
    score, label = best_of(table)
    assert isinstance(made.tail, JoinedRowsTail)
    assert made.tail.pixels == (detector is yolov5_pixels)
    assert made.tail.limits.nms_iou == 0.6
    assert made.preprocessing.pad
    assert made.preprocessing.input_shape == (1, HEIGHT, WIDTH, 3)
    assert (found.scores[0], found.classes[0]) == (pytest.approx(score, abs=1e-3), label)
    x, y, w, h = table[(table[:, 5:] * table[:, 4:5]).max(1).argmax(), :4]
    wanted = np.clip([y - h / 2, x - w / 2, y + h / 2, x + w / 2], 0, 1)
    assert found.boxes[0] == pytest.approx(wanted, abs=2e-3)


@pytest.mark.parametrize("kind", ["uint8", "int8"])
@pytest.mark.parametrize("detector", [yolov5, yolov8])
def test_whole_integers_are_read_as_the_float_file(detector, kind, tmp_path):
    exact, wanted = answer(written(tmp_path / "float.tflite", detector))
    made, found = answer(written(tmp_path / "own.tflite", detector, kind))
    assert made.preprocessing == exact.preprocessing
    assert made.tail == exact.tail
    assert Core(tmp_path / "own.tflite").input_dtype == kind
    assert found.scores[:5] == pytest.approx(wanted.scores[:5], abs=0.01)
    assert found.classes[0] == wanted.classes[0]


def test_yolov8_as_its_exporter_writes_it(tmp_path):
    made, found = answer(written(tmp_path / "own.tflite", yolov8))
    assert made.tail.columns_first
    assert made.tail.limits.nms_iou == 0.7
    table = a_photo().reshape(-1)[: CELLS * 7].reshape(-1, 7) / 255
    assert found.scores[0] == pytest.approx(table[:, 4:].max(), abs=1e-4)


def test_yolox_that_is_not_decoded(tmp_path):
    made, found = answer(written(tmp_path / "own.tflite", yolox))
    assert made.tail.decoding == "exponents"
    assert made.preprocessing.channels == "BGR"
    table = a_photo()[..., ::-1].reshape(-1)[: CELLS * 8].reshape(-1, 8) / 255
    score, label = best_of(table)
    assert (found.scores[0], found.classes[0]) == (pytest.approx(score, abs=1e-4), label)


def test_yolox_that_is_decoded_must_be_named(tmp_path):
    path = written(tmp_path / "own.tflite", yolox_decoded)
    with pytest.raises(LabError, match="may be yolox") as caught:
        answer(path)
    assert "@yolox" in caught.value.cure
    assert answer(path, "yolox")[0].tail.decoding == "centres"


def test_nanodet_tells_itself(tmp_path):
    made, found = answer(written(tmp_path / "own.tflite", nanodet))
    assert (made.tail.decoding, made.tail.scores_first, made.tail.clipped) == ("distances", True, True)
    assert not made.preprocessing.pad
    assert len(found.scores) > 0


def test_a_detr_is_named(tmp_path):
    path = written(tmp_path / "own.tflite", queries)
    made, found = answer(path, "detr")
    assert isinstance(made.tail, QueriesTail)
    assert made.tail.conversion == "softmax"
    assert set(found.classes) <= {1, 2, 3}
    four = answer(path, "rtdetr", ("a", "b", "c", "d"))[0].tail
    assert four.conversion == "sigmoid"


def test_finished_detections_need_the_design_for_the_photos_alone(tmp_path):
    path = written(tmp_path / "own.tflite", finished)
    with pytest.raises(LabError, match="nothing in it tells"):
        answer(path)
    made, found = answer(path, "yolov8")
    assert isinstance(made.tail, FoundRowsTail)
    assert made.tail.pixels
    assert set(found.classes) == {1}
    assert "part of its inference" in timing_sentence(path)


def test_classes_are_numbered_as_the_model_that_it_is_compared_with(tmp_path):
    path = written(tmp_path / "own.tflite", yolov5)
    found = interface(path, LABELS, LIMITS, numbered_as=("c", "other", "a"))
    assert found.tail.numbers == (3, -1, 1)
    assert set(found.tail(Core(path)(core_input(a_photo(), found.preprocessing))).classes) == {1, 3}


def test_a_label_map_of_another_length_is_refused(tmp_path):
    with pytest.raises(LabError, match="has 3 classes"):
        answer(written(tmp_path / "own.tflite", yolov5), labels=("a", "b", "c", "d"))


def test_a_design_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(LabError, match="not the outputs of DETR"):
        answer(written(tmp_path / "own.tflite", yolov5), "detr")


def test_a_placeholder_for_background_is_no_class(tmp_path):
    path = written(tmp_path / "own.tflite", yolov5)
    assert categories(path, ("???", *LABELS)) == LABELS
    assert describe(path).designed


def test_what_the_user_says_beside_the_file_holds(tmp_path):
    path = written(tmp_path / "own.tflite", yolov5)
    (tmp_path / "own.json").write_text('{"scale": 0.002, "offset": 0.25, "channels": "BGR"}')
    found = interface(path, LABELS, LIMITS).preprocessing
    assert (found.scale, found.offset, found.channels, found.pad) == ((0.002,) * 3, (0.25,) * 3, "BGR", True)


@pytest.mark.parametrize("design", ["", "yolov5"])
def test_values_that_are_no_scores_are_said(design, tmp_path):
    path = written(tmp_path / "own.tflite", lambda image: yolov5(image) * 9)
    with pytest.raises(LabError, match="scores outside 0 to 1") as caught:
        answer(path, design)
    assert "sigmoid" in caught.value.cure


def test_nothing_caps_it(tmp_path):
    path = written(tmp_path / "own.tflite", yolov5)
    assert (cap_sentence(path), timing_sentence(path)) == ("", "")
