"""Photos that EXIF asks to turn: used as their labels are, and said where nothing tells."""

import json
import shlex
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

from helpers.download.stage import UPRIGHT_COMMAND, orientation_note
from helpers.photos.coco.folders import lay_out, read_selection
from helpers.photos.coco.labels import read_labels
from helpers.photos.decoding import read_photo

STORED = (40, 30)  # width, height


def make(folder, orientations, displayed=True):
    """Photos with EXIF orientations; the sizes in their labels are as displayed, or as stored."""
    (folder / "data").mkdir(parents=True)
    images = []
    for number, orientation in enumerate(orientations):
        pixels = np.random.default_rng(number).integers(0, 256, (*STORED[::-1], 3), np.uint8)
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(pixels).save(folder / "data" / f"{number}.jpg", exif=exif, quality=95)
        width, height = STORED[::-1] if displayed and orientation >= 5 else STORED
        images.append({"id": number, "file_name": f"{number}.jpg", "width": width, "height": height})
    content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "ball"}]}
    (folder / "labels.json").write_text(json.dumps(content))
    write_calibration(folder)
    return folder


def write_calibration(folder):
    (folder / "calibration").mkdir()
    pixels = np.random.default_rng(99).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "calibration" / "c.png")


def used(folder, out):
    """Image id -> the pixels that the lab reads."""
    laid = lay_out(folder, out, None, 1).validation
    return {i["id"]: read_photo(laid / "data" / i["file_name"]) for i in read_labels(laid)["images"]}


def upright(folder, number):
    with Image.open(folder / "data" / f"{number}.jpg") as image:
        return np.asarray(ImageOps.exif_transpose(image))


def note(folder, out):
    return orientation_note(read_selection(lay_out(folder, out, None, 1))["photos"])


def test_photos_labelled_as_displayed_are_turned_without_a_loss(tmp_path):
    source = make(tmp_path / "mine", range(1, 9))
    found = used(source, tmp_path / "out")
    for number in range(8):
        np.testing.assert_array_equal(found[number], upright(source, number), err_msg=str(number + 1))
    assert "7 photos were turned upright, as the labels are (EXIF; the first: " in note(
        source, tmp_path / "out"
    )


def test_a_photo_of_four_inks_is_turned_too(tmp_path):
    source = make(tmp_path / "mine", [1, 6])
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(source / "data" / "1.jpg") as image:
        inked = image.convert("CMYK")
    inked.save(source / "data" / "1.jpg", exif=exif, quality=95)
    stored = read_photo(source / "data" / "1.jpg")
    np.testing.assert_array_equal(used(source, tmp_path / "out")[1], np.rot90(stored, -1))


def test_photos_labelled_as_stored_stay_so_as_cocos_do(tmp_path):
    source = make(tmp_path / "mine", range(1, 9), displayed=False)
    for number, pixels in used(source, tmp_path / "out").items():
        np.testing.assert_array_equal(pixels, read_photo(source / "data" / f"{number}.jpg"))


def test_where_no_size_tells_the_photos_are_named_with_a_cure(tmp_path):
    source = make(tmp_path / "mine", [1, 2, 3])
    said = note(source, tmp_path / "out")
    assert "2 photos have an EXIF orientation" in said
    assert "the first: 1.jpg, orientation 2" in said
    assert UPRIGHT_COMMAND in said


def test_the_cure_works(tmp_path):
    source = make(tmp_path / "mine", [1, 2, 3])
    wanted = {number: upright(source, number).astype(int) for number in range(3)}
    _, *arguments = shlex.split(UPRIGHT_COMMAND)[:-1]
    photos = sorted((source / "data").glob("*.jpg"))
    subprocess.run([sys.executable, *arguments, *photos], check=True)
    assert note(source, tmp_path / "out") == ""
    for number, pixels in used(source, tmp_path / "out").items():
        assert np.abs(pixels - wanted[number]).mean() < 12  # noise, once more through JPEG


@pytest.mark.parametrize("tag", [0, 9, 77])
def test_an_orientation_that_means_nothing_is_none(tmp_path, tag):
    source = make(tmp_path / "mine", [1, tag])
    assert note(source, tmp_path / "out") == ""
