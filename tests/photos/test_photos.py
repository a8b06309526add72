"""Photos of every kind, and of no kind, read and resized as TensorFlow does it."""

import contextlib
import io

import cv2
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.lab.errors import LabError
from helpers.photos.dataset import field_name
from helpers.photos.decoding import core_input, read_photo, resize_threads
from helpers.photos.preprocessing import Preprocessing
from helpers.run.forms import ALL

RESIZERS = {
    "half-pixel": lambda photo, size: tf.image.resize(photo[None].astype(np.float32), size).numpy(),
    "half-pixel-rounded": lambda photo, size: cv2.dnn.blobFromImage(photo, 1, size[::-1]).transpose(
        0, 2, 3, 1
    ),
    "corner": lambda photo, size: tf.compat.v1.image.resize_bilinear(photo[None], size).numpy(),
    "aligned": lambda photo, size: tf.compat.v1.image.resize_bilinear(photo[None], size, True).numpy(),
}


def sized(height: int, width: int, **more) -> Preprocessing:
    """To -1..1."""
    return Preprocessing(height, width, (1 / 127.5,) * 3, (-1.0,) * 3, **more)


def pixels(height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), np.uint8)


def test_a_lossless_photo_is_read_exactly(tmp_path):
    Image.fromarray(pixels()).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert photo.dtype == np.uint8
    np.testing.assert_array_equal(photo, pixels())


def test_red_comes_first(tmp_path):
    Image.new("RGB", (8, 8), (250, 10, 20)).save(tmp_path / "a.jpg", quality=100)
    assert np.abs(read_photo(tmp_path / "a.jpg")[4, 4].astype(int) - [250, 10, 20]).max() <= 4


def test_jpeg_is_decoded_as_tensorflow_decodes_it(tmp_path):
    Image.fromarray(np.repeat(np.repeat(pixels(8, 8), 8, 0), 8, 1)).save(tmp_path / "a.jpg", quality=90)
    theirs = tf.io.decode_jpeg((tmp_path / "a.jpg").read_bytes(), dct_method="INTEGER_ACCURATE").numpy()
    assert np.abs(read_photo(tmp_path / "a.jpg").astype(int) - theirs).mean() < 2


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("L", "jpg"), ("L", "png"), ("1", "png"), ("P", "png"), ("RGBA", "png"), ("LA", "png")],
)
def test_other_colour_modes_become_rgb(tmp_path, mode, suffix):
    Image.fromarray(pixels()).convert(mode).save(tmp_path / f"a.{suffix}")
    photo = read_photo(tmp_path / f"a.{suffix}")
    assert (photo.shape, photo.dtype) == ((40, 50, 3), np.uint8)
    if mode == "L":
        assert (photo[..., 0] == photo[..., 1]).all()
        assert (photo[..., 0] == photo[..., 2]).all()


def test_cmyk_becomes_rgb_of_the_same_colours(tmp_path):
    Image.new("RGB", (16, 16), (200, 60, 30)).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.shape == (16, 16, 3)
    assert np.abs(photo[8, 8].astype(int) - [200, 60, 30]).max() < 12


def test_exif_rotation_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to show"
    Image.fromarray(pixels()).save(tmp_path / "a.jpg", exif=exif, quality=95)
    Image.fromarray(pixels()).save(tmp_path / "b.jpg", quality=95)
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.shape == (40, 50, 3)
    np.testing.assert_array_equal(photo, read_photo(tmp_path / "b.jpg"))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 30), (30, 1)])
def test_photos_one_pixel_wide_go_through(tmp_path, height, width):
    Image.fromarray(pixels(height, width)).save(tmp_path / "a.png")
    prepared = core_input(read_photo(tmp_path / "a.png"), sized(24, 24))
    assert prepared.shape == (1, 24, 24, 3)
    assert np.isfinite(prepared).all()


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp"])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9])
def test_truncated_photos_are_explained(tmp_path, suffix, share):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels()).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(LabError, match="cannot be decoded") as caught:
        read_photo(path)
    assert str(path) in caught.value.found


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from(["JPEG", "PNG", "WEBP"]))
def test_damaged_photos_are_read_or_explained(tmp_path_factory, seed, kind):
    buffer, random = io.BytesIO(), np.random.default_rng(seed)
    Image.fromarray(pixels()).save(buffer, kind)
    content = np.frombuffer(buffer.getvalue(), np.uint8).copy()
    content[random.integers(0, min(len(content), 200), 3)] = random.integers(0, 256, 3)
    path = tmp_path_factory.getbasetemp() / "damaged.bin"
    path.write_bytes(content.tobytes())
    with contextlib.suppress(LabError):
        assert read_photo(path).ndim == 3


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8\xff", b"<html>not found</html>", bytes(5000)])
def test_files_that_are_no_photo_are_explained(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(LabError, match=r"a.jpg cannot be decoded"):
        read_photo(tmp_path / "a.jpg")


def test_a_missing_photo_names_its_cure(tmp_path):
    with pytest.raises(LabError, match="does not exist") as caught:
        read_photo(tmp_path / "a.jpg")
    assert "01_download" in caught.value.cure
    with pytest.raises(LabError):
        read_photo(tmp_path)


@pytest.mark.parametrize("resize", RESIZERS)
@settings(max_examples=25)
@given(st.integers(1, 80), st.integers(1, 80), st.integers(2, 64), st.integers(2, 64))
def test_core_input_is_that_of_tensorflow_or_opencv(resize, height, width, new_height, new_width):
    photo = pixels(height, width)
    theirs = RESIZERS[resize](photo, (new_height, new_width)) / 127.5 - 1
    ours = core_input(photo, sized(new_height, new_width, resize=resize))
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_channels_have_their_own_scale_offset_and_order():
    photo = np.zeros((4, 6, 3), np.uint8) + np.uint8([10, 20, 30])
    ours = core_input(photo, Preprocessing(4, 6, (1, 2, 3), (0, 0.5, -1), channels="BGR"))
    assert ours[0, 0, 0].tolist() == [30, 40.5, 29]


@settings(max_examples=25)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(4, 60), st.integers(4, 60))
def test_a_padded_photo_keeps_its_shape_and_finds_its_place_again(height, width, new_height, new_width):
    preprocessing = Preprocessing(new_height, new_width, (1, 1, 1), (0, 0, 0), pad=True)
    photo = np.full((height, width, 3), 200, np.uint8)
    filled = core_input(photo, preprocessing)[0, :, :, 0] > 0
    inner = preprocessing.resized(height, width)
    assert filled.sum() == filled[: inner[0], : inner[1]].sum() == inner[0] * inner[1]
    assert max(inner[0] / new_height, inner[1] / new_width) == 1
    # A box around the photo's place within the input is the photo.
    span = preprocessing.span(height, width)
    assert inner[0] / new_height * span[0] == pytest.approx(height)
    assert inner[1] / new_width * span[1] == pytest.approx(width)


def test_a_preprocessing_that_nobody_knows_is_refused():
    with pytest.raises(LabError, match="resize='cubic'"):
        sized(4, 4, resize="cubic")


def test_core_input_spans_minus_one_to_one():
    black, white = np.zeros((5, 7, 3), np.uint8), np.full((5, 7, 3), 255, np.uint8)
    assert core_input(black, sized(4, 4)) == pytest.approx(-1)
    assert core_input(white, sized(4, 4)) == pytest.approx(1)


def test_the_resizing_threads_are_limited_meanwhile():
    before = cv2.getNumThreads()
    with resize_threads(1):
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == before


def test_predictions_of_every_form_have_a_field_that_fiftyone_takes():
    fields = [field_name("net-1a2b3c", form) for form in ALL]
    assert all(field.isidentifier() for field in fields)
    assert len(set(fields)) == len(fields)
