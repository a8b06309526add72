"""``.tflite`` files with an open batch, and with as many classes as a box has coordinates."""

import numpy as np
import pytest
import tensorflow as tf

from helpers.lab.errors import LabError
from helpers.lab.quietly import stderr_muted
from helpers.models.own_tflite.describe import describe
from helpers.quantize.adopt import adopt
from helpers.runtimes.litert.reader import read_graph
from helpers.tasks.detection.limits import LIMITS
from tests.support.own_tflite_examples import LABELS, with_anchors
from tests.support.own_tflite_files import CANDIDATES, grid_anchors


def converted(detector, path):
    """A function of an image as a file; its module keeps it alive until then."""
    module = tf.Module()
    module.detector = detector
    with stderr_muted():
        concrete = [detector.get_concrete_function()]
        path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions(concrete, module).convert())
    return path


def write(path, batch=1, names=("first", "second"), classes=4, finished=False):
    """Box encodings and scores ``[batch, 24, classes]`` of an image ``[batch, 8, 8, 3]``."""

    @tf.function(input_signature=[tf.TensorSpec((batch, 8, 8, 3), tf.float32, name="image")], autograph=False)
    def detector(image):
        rows = tf.reshape(image, (-1, 24, 8))
        scores = rows[:, :, 4 : 4 + classes]
        return {names[0]: 1.0 * rows[:, :, :4], names[1]: tf.sigmoid(scores) if finished else 2.0 * scores}

    return converted(detector, path)


def test_an_open_batch_is_one_photo(tmp_path):
    found = describe(write(tmp_path / "own.tflite", batch=None, classes=3))
    assert (found.image.shape, found.candidates, found.columns) == ((1, 8, 8, 3), 24, 3)


@pytest.mark.parametrize(
    "told", [{"finished": True}, {"names": ("loc", "b")}, {"names": ("a", "confidences")}], ids=str
)
def test_four_classes_are_told_from_four_coordinates(tmp_path, told):
    found = describe(write(tmp_path / "own.tflite", **told))
    boxes, scores = told.get("names", ("first", "second"))
    assert found.names == {"boxes": boxes, "scores": scores}
    assert found.columns == 4


def test_where_nothing_tells_them_apart_the_error_says_that(tmp_path):
    with pytest.raises(LabError, match="neither a sigmoid nor a name tells") as caught:
        describe(write(tmp_path / "own.tflite"))
    assert "named boxes and scores" in caught.value.cure


def test_shapes_that_the_file_leaves_open_are_those_of_one_photo(tmp_path):
    """As ``from_keras_model`` writes an SSD: the number of candidates is open, too."""
    layers = tf.keras.layers
    image = layers.Input((8, 8, 3), batch_size=None)
    cells = layers.Lambda(lambda x: tf.reshape(x, tf.stack([tf.shape(x)[0], -1, 8])))(image)
    signature = [tf.TensorSpec((None, 8, 8, 3), tf.float32, name="image")]
    net = tf.keras.Model(image, {"boxes": cells[..., :4] * 1.0, "scores": cells[..., 4:7] * 2.0})
    path = converted(tf.function(net, input_signature=signature, autograph=False), tmp_path / "own.tflite")
    assert any(set(item.free) - {0} for item in read_graph(path).outputs)
    found = describe(path)
    assert (found.candidates, found.columns) == (24, 3)
    assert [item.shape for item in found.outputs] == [(1, 24, 4), (1, 24, 3)]


def drop_background(scores):
    return scores[:, :, 1:]


def rows_again(scores):
    return tf.reshape(tf.transpose(tf.reshape(scores, (1, 6, 4, 4)), (0, 2, 1, 3)), (1, 24, 4))[:, :, :3]


def joined(scores):
    first, second = tf.split(scores, 2, axis=1)
    return tf.concat([second, first], 1)[:, :, 1:]


def times_objectness(scores):
    return scores[:, :, 1:] * scores[:, :, :1]


def with_a_column_of_zeros(scores):
    return tf.concat([tf.zeros((1, 24, 1)), scores[:, :, 2:]], -1)


MOVED = [drop_background, rows_again, joined, times_objectness, with_a_column_of_zeros]


def write_moved(path, move, finish=tf.sigmoid):
    @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 3), tf.float32, name="image")], autograph=False)
    def detector(image):
        rows = tf.reshape(image, (-1, 24, 8))
        return {"boxes": 1.0 * rows[:, :, :4], "scores": move(finish(rows[:, :, 4:]))}

    return converted(detector, path)


@pytest.mark.parametrize("move", MOVED)
def test_scores_that_are_moved_after_their_sigmoid_get_no_second_one(tmp_path, move):
    assert describe(write_moved(tmp_path / "own.tflite", move)).finished
    assert not describe(write_moved(tmp_path / "own.tflite", move, lambda x: 2.0 * x)).finished


def hard_sigmoid(x):
    return tf.nn.relu6(x + 3.0) / 6.0


@pytest.mark.parametrize(("said", "conversion"), [("none", ""), ("sigmoid", "sigmoid")])
def test_of_numbers_that_look_like_scores_the_user_is_asked(tmp_path, said, conversion):
    path = with_anchors(write_moved(tmp_path / "own.tflite", drop_background, hard_sigmoid))
    given = '"scale": 0.00784313725, "offset": -1.0'
    path.with_suffix(".json").write_text(f"{{{given}}}")
    path.with_name("own.labels.txt").write_text("\n".join(LABELS))
    with pytest.raises(LabError, match="whether they are scores or logits") as caught:
        adopt(str(path), LABELS, LIMITS, tmp_path / "copy.tflite")
    assert f'"{said}"' in caught.value.cure
    path.with_suffix(".json").write_text(f'{{{given}, "conversion": "{said}"}}')
    assert adopt(str(path), LABELS, LIMITS, tmp_path / "copy.tflite").tail.conversion == conversion


def test_all_that_is_missing_beside_a_file_is_said_at_once(tmp_path):
    path = write(tmp_path / "own.tflite", classes=3)
    with pytest.raises(LabError) as caught:
        adopt(str(path), LABELS, LIMITS, tmp_path / "copy.tflite")
    assert all(name in caught.value.cure for name in ("own.labels.txt", "own.json", "own.anchors.npy"))
    np.save(path.with_name("own.anchors.npy"), grid_anchors()[:CANDIDATES])
    with pytest.raises(LabError) as caught:
        adopt(str(path), LABELS, LIMITS, tmp_path / "copy.tflite")
    assert "anchors" not in caught.value.found
