"""What is found in a graph by trying it: preprocessing, anchors, suppression; and what is refused."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.models.savedmodels.anchors import solve
from helpers.models.savedmodels.convert import convert
from helpers.models.savedmodels.load import load
from helpers.models.savedmodels.preprocess import TOLERANCE, fit, probes
from helpers.models.savedmodels.suppression import Suppression
from helpers.photos.preprocessing import Preprocessing
from helpers.tasks.detection.tails.selection import Limits
from tests.support import savedmodel_designs as designs

# TensorFlow's own ways to resize, by our names for them.
RESIZES = {
    "half-pixel": tf.image.resize,
    "corner": tf.compat.v1.image.resize_bilinear,
    "aligned": lambda image, size: tf.compat.v1.image.resize_bilinear(image, size, align_corners=True),
}
SCALES = st.floats(0.002, 4).flatmap(lambda scale: st.sampled_from([scale, -scale]))


@settings(max_examples=20)
@given(st.sampled_from(sorted(RESIZES)), st.booleans(), st.booleans(), SCALES, st.floats(-200, 200))
def test_preprocessing_is_found_whatever_it_is(resize, reverse, pad, scale, offset):
    photos, values = probes(), []
    for photo in photos:
        height, width = photo.shape[:2]
        shrink = min(60 / height, 48 / width) if pad else None
        size = (round(height * shrink), round(width * shrink)) if pad else (60, 48)
        image = RESIZES[resize](photo[None].astype(np.float32), size)
        image = tf.pad(image, [[0, 0], [0, 60 - size[0]], [0, 48 - size[1]], [0, 0]])
        values.append(((image[..., ::-1] if reverse else image) * scale + offset).numpy())
    found, error = fit(photos, values)
    assert error <= TOLERANCE
    assert (found.resize, found.channels, found.pad) == (resize, "BGR" if reverse else "RGB", pad)
    np.testing.assert_allclose(found.scale, scale, rtol=1e-4)
    np.testing.assert_allclose(found.offset, offset, rtol=1e-4, atol=2e-3 * abs(scale))


def test_a_photo_s_edges_alone_are_no_preprocessing():
    photos = probes()
    values = [np.abs(np.diff(photo[:40, :41].astype(np.float32), axis=1))[None] for photo in photos]
    assert fit(photos, values)[1] > TOLERANCE


@given(st.integers(0, 2**32 - 1), st.tuples(*[st.floats(1, 20)] * 4))
def test_anchors_and_scales_are_solved_from_boxes(seed, scales):
    generator = np.random.default_rng(seed)
    centres, sides = generator.uniform(0, 1, (30, 2)), generator.uniform(0.02, 1, (30, 2))
    steps = np.array([float(f"{scale:.4g}") for scale in scales])

    def decode(encodings):
        moved = encodings / steps
        middle, halves = centres + moved[:, :2] * sides, np.exp(moved[:, 2:]) * sides / 2
        boxes = np.concatenate([middle - halves, middle + halves], 1)
        return [boxes, np.clip(boxes, 0, 1)]

    place, coder = solve(decode, 30)
    assert place == 0
    np.testing.assert_allclose(coder.scales, steps, rtol=1e-6)
    np.testing.assert_allclose(coder.anchors, np.concatenate([centres, sides], 1), atol=1e-6)


@pytest.mark.parametrize(
    "decode",
    [
        lambda e: [np.concatenate([0.5 - np.exp(e[:, :2]) / 9, 0.5 + np.exp(e[:, 2:]) / 9], 1)],
        lambda e: [np.concatenate([e[:, :2], e[:, :2] + 0.1], 1)],
        lambda e: [np.zeros_like(e)],
    ],
)
def test_other_decodings_have_no_anchors(decode):
    assert solve(decode, 10) is None


def test_limits_are_the_graph_s_but_for_the_score_threshold():
    facts = Suppression(iou=0.4, score_threshold=0.3, most_per_class=9, most_detections=20)
    assert facts.limits(Limits(0.6, 1e-3, 100)) == Limits(0.4, 1e-3, 20)
    assert facts.per_class == 9
    unsaid = Suppression(None, None, None, 100)
    assert unsaid.limits(Limits(0.7, 1e-3, 50)) == Limits(0.7, 1e-3, 50)
    assert dataclasses.replace(facts, most_per_class=20).per_class == 0


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (designs.save_nearest, "no known preprocessing"),
        (designs.save_classifier, "images: float32"),
        (designs.save_two_stages, "two stages"),
        (designs.save_soft, "soft"),
    ],
)
def test_what_cannot_be_cut_is_refused_with_the_reason(write, words, tmp_path):
    with pytest.raises(LabError, match=words):
        convert(write(tmp_path / "model"), Limits(), tmp_path / "core.tflite")
    assert not (tmp_path / "core.tflite").exists()


def test_a_savedmodel_without_signatures_is_refused(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path))
    with pytest.raises(LabError, match="has the signatures"):
        load(tmp_path)


def test_a_folder_without_a_savedmodel_is_refused(tmp_path):
    with pytest.raises(LabError, match="is not a SavedModel"):
        load(tmp_path)


def test_preprocessing_keeps_the_numbers_that_graphs_are_written_with():
    photos = probes()
    values = [tf.image.resize(photo[None], (33, 44)).numpy() / 58.395 - 2.1179 for photo in photos]
    found, _ = fit(photos, values)
    assert found == Preprocessing(33, 44, (1 / 58.395,) * 3, (-2.1179,) * 3)
