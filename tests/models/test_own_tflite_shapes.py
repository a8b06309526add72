"""``.tflite`` files with an open batch, and with as many classes as a box has coordinates."""

import pytest
import tensorflow as tf

from helpers.lab.errors import LabError
from helpers.lab.quietly import stderr_muted
from helpers.models.own_tflite.describe import describe


def write(path, batch=1, names=("first", "second"), classes=4, finished=False):
    """Box encodings and scores ``[batch, 24, classes]`` of an image ``[batch, 8, 8, 3]``."""

    @tf.function(input_signature=[tf.TensorSpec((batch, 8, 8, 3), tf.float32, name="image")], autograph=False)
    def detector(image):
        rows = tf.reshape(image, (-1, 24, 8))
        scores = rows[:, :, 4 : 4 + classes]
        return {names[0]: 1.0 * rows[:, :, :4], names[1]: tf.sigmoid(scores) if finished else 2.0 * scores}

    module = tf.Module()
    module.detector = detector
    with stderr_muted():
        concrete = [detector.get_concrete_function()]
        path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions(concrete, module).convert())
    return path


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
