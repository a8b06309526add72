"""Photos and labels that can be used, that cannot, and what is told of them."""

import dataclasses
import json
import os
import shutil

import pytest
from PIL import Image

from helpers.compare.measured_data import GONE, data_texts
from helpers.download.stage import coco_wishes, selection_note
from helpers.lab.errors import LabError
from helpers.lab.files import sha256_file
from helpers.lab.paths import datasets_dir
from helpers.photos.coco.folders import lay_out, read_selection, zoo_folder
from helpers.photos.coco.labels import read_labels
from helpers.photos.dataset import fiftyone, load_dataset, photo_paths
from helpers.photos.decoding import read_photo
from helpers.photos.synthetic.dataset import generate_split
from helpers.run.experiment import open_run
from tests.support.coco_sources import (
    absent,
    as_read,
    entries,
    ids,
    make_source,
    names,
    skipped,
    write_labels,
    write_photo,
)
from tests.support.real_photos import coco_dir

KINDS = {
    "grey": {"mode": "L"},
    "cmyk": {"mode": "CMYK"},
    "narrow": {"width": 1},
    "flat": {"height": 1},
    "turned": {"exif": 6},
}


@pytest.mark.parametrize("kind", KINDS)
def test_usable_photos_of_odd_kinds_pass(tmp_path, kind):
    source, (images, annotations) = make_source(tmp_path / "mine", 6, 2), entries(6)
    options = dict(KINDS[kind])
    if "exif" in options:
        options["exif"] = exif_tag(options["exif"])
    write_photo(source / "val2017" / "0002.jpg", 2, **options)
    images[2] |= {"width": options.get("width", 9), "height": options.get("height", 7)}
    write_labels(source, images, [a for a in annotations if a["image_id"] != images[2]["id"]])
    folders = lay_out(source, tmp_path / "out", None, 2)
    assert "0002.jpg" in names(folders.validation)
    photo = read_photo(folders.validation / "data" / "0002.jpg")
    assert photo.shape == (images[2]["height"], images[2]["width"], 3)


def exif_tag(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def empty(path):
    path.write_bytes(b"")


def page(path):
    path.write_bytes(b"<html>not found</html>")


def truncated(path):
    write_photo(path, 3, 200, 200)
    path.write_bytes(path.read_bytes()[:5000])


def folder_instead(path):
    path.unlink()
    path.mkdir()


def other_size(path):
    write_photo(path, 3, 10, 7)


def pipe_instead(path):
    path.unlink()
    os.mkfifo(path)


UNUSABLE = {
    empty: "cannot be decoded",
    page: "cannot be decoded",
    truncated: "cannot be decoded",
    absent: "0002.jpg does not exist",
    folder_instead: "no regular file",
    pipe_instead: "no regular file",
    other_size: "10 x 7 pixels as stored, where the labels say 9 x 7",
}


@pytest.mark.parametrize("harm", UNUSABLE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("own", [0, 2])
def test_unusable_photos_are_left_out_with_their_objects_and_named(tmp_path, harm, own):
    source = make_source(tmp_path / "mine", 6, own)
    harm(source / "val2017" / "0002.jpg")
    folders = lay_out(source, tmp_path / "out", None, 2)
    assert skipped(folders).keys() == {"0002.jpg"}
    assert UNUSABLE[harm] in skipped(folders)["0002.jpg"]
    assert str(tmp_path) not in skipped(folders)["0002.jpg"]
    assert len(ids(folders.validation)) == (5 if own else 4)
    for folder in (folders.validation, folders.calibration):
        assert "0002.jpg" not in names(folder)
    assert all(a["image_id"] != 24 for a in read_labels(folders.validation)["annotations"])


def test_unusable_photos_are_replaced_by_the_next_in_the_draw(tmp_path):
    source = make_source(tmp_path / "mine", 12, 6)
    first = names((folders := lay_out(source, tmp_path / "out", 5, 3)).validation)
    page(source / "val2017" / first[1])
    page(source / "calibration" / names(folders.calibration)[0])
    after = lay_out(source, tmp_path / "out", 5, 3)
    assert len(names(after.validation)) == 5
    assert set(first) - {first[1]} < set(names(after.validation))
    assert len(names(after.calibration)) == 3


@pytest.mark.parametrize("own", [0, 2])
def test_when_nothing_is_usable_the_first_reason_is_told(tmp_path, own):
    source = make_source(tmp_path / "mine", 4, own)
    for path in (source / "val2017").iterdir():
        page(path)
    with pytest.raises(LabError, match=r"none of 4 photos can be used .* cannot be decoded"):
        lay_out(source, tmp_path / "out", None, 2)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_calibration_photos_that_are_evaluated_are_passed_over(tmp_path):
    source = make_source(tmp_path / "mine", 4, 2)
    shutil.copy(source / "val2017" / "0001.jpg", source / "calibration" / "c0.jpg")
    folders = lay_out(source, tmp_path / "out", None, 2)
    assert names(folders.calibration) == ["c1.jpg"]
    assert "the same photo as 0001.jpg" in skipped(folders)["c0.jpg"]


def test_names_with_folders_stay_and_names_that_lead_out_are_refused(tmp_path):
    source, (images, annotations) = make_source(tmp_path / "mine", 5, 2), entries(5)
    for image, name in zip(
        images, ["a/x.jpg", "b/x.jpg", "../outside.jpg", "/etc/hostname", "a/x.jpg"], strict=True
    ):
        image["file_name"] = name
    for number, name in enumerate(["a/x.jpg", "b/x.jpg", "../outside.jpg"]):
        write_photo(source / "val2017" / name, 40 + number)
    write_labels(source, images, annotations)
    folders = lay_out(source, tmp_path / "out", None, 2)
    assert sorted(names(folders.validation)) == ["a/x.jpg", "b/x.jpg"]
    assert skipped(folders).keys() == {"../outside.jpg", "/etc/hostname"}
    assert len(list((folders.validation / "data").rglob("*.jpg"))) == 2


def test_lacking_fields_are_filled_in_and_counted(tmp_path):
    source, (images, annotations) = make_source(tmp_path / "mine", 6, 2), entries(6)
    bare = [{k: a[k] for k in ("image_id", "category_id", "bbox")} for a in annotations[:3]]
    for image in images[:2]:
        del image["width"], image["height"]
    write_labels(source, images, bare + annotations[3:])
    folders = lay_out(source, tmp_path / "out", None, 2)
    laid = read_labels(folders.validation)
    assert [a["area"] for a in laid["annotations"][:3]] == [2.25 * 3] * 3
    assert [a["iscrowd"] for a in laid["annotations"][:3]] == [0] * 3
    assert laid["annotations"][3:] == as_read(annotations[3:])
    assert len({a["id"] for a in laid["annotations"]}) == len(annotations)
    assert {"annotations without an id: 3", "areas taken from the box: 3"} <= set(
        read_selection(folders)["repairs"]
    )
    assert {(i["width"], i["height"]) for i in laid["images"]} == {(9, 7)}


ONE = {"id": 1, "image_id": 10, "category_id": 3, "bbox": [0, 0, 1, 1]}
BROKEN = {
    "no list images": {"images": 3},
    "have one id, 3": {"categories": [{"id": 3, "name": "ball"}, {"id": 3, "name": "crate"}]},
    "category 3 has annotations and no name": {"categories": [{"id": 3}, {"id": 90, "name": "crate"}]},
    "entry 2 of categories": {"categories": [{"id": 3, "name": "ball"}, "crate"]},
    "the list images .* is empty": {"images": []},
    "names image 5": {"annotations": [ONE | {"image_id": 5}]},
    "annotation 1 .entry 1. of image 10 has no bbox": {"annotations": [ONE | {"bbox": None}]},
    "has the box .0, 0, 1.": {"annotations": [ONE | {"bbox": [0, 0, 1]}]},
    "has the box .0, 0, -1, 1.": {"annotations": [ONE | {"bbox": [0, 0, -1, 1]}]},
    "has the box .0, 0, nan, 1.": {"annotations": [ONE | {"bbox": [0, 0, float("nan"), 1]}]},
    "annotation 1 of .* outside": {"annotations": [ONE | {"bbox": [50, 50, 1, 1]}]},
    "an area that is no number": {"annotations": [ONE | {"area": float("nan")}]},
    "has iscrowd 2": {"annotations": [ONE | {"iscrowd": 2}]},
    "has iscrowd 'maybe'": {"annotations": [ONE | {"iscrowd": "maybe"}]},
    "images '0001.jpg' and '0002.jpg' have one id": {
        "images": [{"id": 10, "file_name": "0001.jpg"}, {"id": 10, "file_name": "0002.jpg"}]
    },
    "image '0001.jpg' .entry 1. has the id None": {"images": [{"file_name": "0001.jpg"}], "annotations": []},
    "has the file_name None": {"images": [{"id": 1, "file_name": None}], "annotations": []},
}


@pytest.mark.parametrize("found", BROKEN)
def test_broken_labels_are_explained_by_the_name_of_their_file(tmp_path, found):
    source, (images, annotations) = make_source(tmp_path / "mine", 3, 1), entries(3)
    write_labels(source, images, annotations, **BROKEN[found])
    with pytest.raises(LabError, match=found) as caught:
        lay_out(source, tmp_path / "out", None, 1)
    assert str(source / "annotations" / "instances_val2017.json") in caught.value.found


@pytest.mark.parametrize("wish", [(0, 1), (-1, 1), (None, 0)])
def test_wishes_for_nothing_are_refused(tmp_path, wish):
    with pytest.raises(LabError, match="images"):
        lay_out(make_source(tmp_path / "mine", 3), tmp_path / "out", *wish)


@pytest.mark.parametrize("own", [True, False])
def test_real_photos_are_laid_out_whole(tmp_path, own):
    real, source = coco_dir(), tmp_path / "coco"
    source.mkdir()
    for name in ("annotations", "val2017", *(["calibration"] if own else [])):
        (source / name).symlink_to(real / name)
    folders = lay_out(source, tmp_path / "out", 40, 16)
    given = json.loads((real / "annotations" / "instances_val2017.json").read_text())
    kept = set(ids(folders.validation))
    assert len(kept) == 40
    expected = as_read([entry for entry in given["annotations"] if entry["image_id"] in kept])
    assert read_labels(folders.validation)["annotations"] == expected
    assert skipped(folders) == {}
    for image in read_labels(folders.validation)["images"]:
        assert sha256_file(folders.validation / "data" / image["file_name"]) == image["sha256"]
        assert sha256_file(real / "val2017" / image["file_name"]) == image["sha256"]
    of_validation = {image["id"] for image in given["images"]}
    assert (set(ids(folders.calibration)) <= of_validation - kept) is not own


def test_the_zoo_takes_files_that_are_in_place_and_explains_absent_ones(tmp_path, monkeypatch):
    zoo, before = tmp_path / "zoo" / "coco-2017", fiftyone().config.dataset_zoo_dir
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    make_source(zoo / "made", 6)
    (zoo / "made" / "annotations").rename(zoo / "raw")
    (zoo / "validation").mkdir()
    (zoo / "made" / "val2017").rename(zoo / "validation" / "data")
    folders = lay_out(zoo_folder(zoo.parent, 6), tmp_path / "out", 4, 2)
    assert len(ids(folders.validation)) == 4
    assert list(photo_paths(load_dataset(folders.validation))) == ids(folders.validation)
    shutil.rmtree(zoo)
    with pytest.raises(LabError, match="could not download") as caught:
        zoo_folder(zoo.parent, 6)
    assert "COCO_DIR" in caught.value.cure
    assert fiftyone().config.dataset_zoo_dir == before


def test_01_tells_how_many_photos_were_left_out_and_why(tmp_path, monkeypatch):
    source = make_source(tmp_path / "mine", 6)
    (source / "val2017" / "0002.jpg").write_bytes(b"")
    monkeypatch.setenv("QUANTLAB_DATA", str(tmp_path / "data"))
    run = open_run("coco", coco_dir=str(source))
    run = dataclasses.replace(run, profile=dataclasses.replace(run.profile, images=4, calibration_images=2))
    lay_out(*coco_wishes(run))
    told = selection_note(run)
    assert "the first: 0002.jpg (" in told
    assert "1 of its photos is calibrated on instead" in told
    assert selection_note(open_run("smoke")) == ""


@pytest.mark.parametrize("own", [0, 2])
def test_the_report_says_which_photos_were_measured_and_names_no_place(tmp_path, monkeypatch, own):
    source = make_source(tmp_path / "my photos", 6, own)
    if not own:
        (source / "val2017" / "0002.jpg").write_bytes(b"")
    monkeypatch.setenv("QUANTLAB_DATA", str(tmp_path / "data"))
    run = open_run("coco", coco_dir=str(source))
    profile = dataclasses.replace(run.profile, images=4, calibration_images=2)
    model = dataclasses.replace(run.models[0], categories=("ball", "lamp"))
    run = dataclasses.replace(run, profile=profile, models=(model,))
    assert data_texts(run) == [GONE]
    lay_out(*coco_wishes(run))
    text = "\n".join(data_texts(run))
    assert text.startswith("Folder my photos, labels in annotations/instances_val2017.json.\n")
    assert "Evaluation: 4 photos with " in text
    assert "2 categories, all of which occur." in text
    shared = "Calibration: 1 photo. The set has no folder of photos to calibrate on"
    assert (shared if not own else "Calibration: 2 photos from its folder calibration, none") in text
    assert ("Photos left out: none." if own else "Photos left out: 1, the first 0002.jpg (") in text
    assert f"Categories unknown to {model.id}: crate. Their AP is 0, and counts in the mean." in text
    assert str(tmp_path) not in text


def test_of_synthetic_photos_the_report_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("QUANTLAB_DATA", str(tmp_path / "data"))
    run = open_run("smoke")
    run = dataclasses.replace(run, profile=dataclasses.replace(run.profile, images=3, calibration_images=2))
    generate_split(datasets_dir(), "validation", 3)
    generate_split(datasets_dir(), "calibration", 2)
    first, evaluation, calibration, known = data_texts(run)
    assert "synthetic" in first
    assert evaluation.startswith("Evaluation: 3 photos with ")
    assert calibration == "Calibration: 2 photos, none of them evaluated."
    assert known == f"{run.models[0].id} has a class for every category that occurs."
