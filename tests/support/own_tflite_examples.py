"""Ways to use the generated .tflite files."""

import numpy as np

from tests.support.own_tflite_files import (
    grid_anchors,
    image_of,
    random_heads,
)

LABELS = ("a", "b", "c")


def with_anchors(path, anchors=None):
    np.save(path.with_name("own.anchors.npy"), grid_anchors() if anchors is None else anchors)
    return path


def as_is(path):
    """The image's values are the pixels."""
    path.with_suffix(".json").write_text('{"scale": 1.0, "offset": 0.0}')
    return path


def some_image():
    return image_of(*random_heads(np.random.default_rng(1)))
