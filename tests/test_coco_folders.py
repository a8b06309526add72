"""Users' photos become the lab's two folders: whole ones linked, unusable ones named, nothing twice."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.coco import read_labels
from helpers.coco_folders import DataFolders, lay_out, planned_folders, read_selection, zoo_folder
from helpers.dataset import fiftyone, load_dataset, photo_paths
from helpers.errors import LabError
from helpers.files import sha256_file
from helpers.paths import ROOT
from helpers.photos import read_photo
from tests.real_photos import coco_dir

LAYOUTS = [
    ("annotations/instances_val2017.json", "val2017"),
    ("annotations/instances_val2017.json", "images/val2017"),
    ("labels.json", "data"),
    ("validation/labels.json", "validation/data"),
    ("valid/_annotations.coco.json", "valid"),
    ("annotations.json", "images"),
]
CATEGORIES = [{"id": 3, "name": "ball", "supercategory": "toy"}, {"id": 90, "name": "crate"}]


def write_photo(path: Path, seed: int, width: int = 9, height: int = 7, mode: str = "RGB", **options) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path, **options)


def entries(count: int) -> tuple[list[dict], list[dict]]:
    """Images with ids 10, 17, ...; image i has i % 3 objects, some of them crowds."""
    images = [
        {"id": 10 + 7 * i, "file_name": f"{i:04d}.jpg", "width": 9, "height": 7, "license": i % 4}
        for i in range(count)
    ]
    annotations = [
        {
            "id": 100 * i + n,
            "image_id": 10 + 7 * i,
            "category_id": 90 if n else 3,
            "bbox": [1.5, n, 2.25, 3],
            "area": 5.0625 + n,
            "iscrowd": int(i % 5 == 4),
            "ignore": int(i % 4 == 3),
            "segmentation": [[1.5, 0, 3.75, 0, 3.75, 3]],
        }
        for i in range(count)
        for n in range(i % 3)
    ]
    return images, annotations


def make_source(
    folder: Path, count: int = 12, calibration: int = 0, layout: tuple[str, str] = LAYOUTS[0]
) -> Path:
    images, annotations = entries(count)
    for number, image in enumerate(images):
        write_photo(folder / layout[1] / image["file_name"], number)
    for number in range(calibration):
        write_photo(folder / "calibration" / f"c{number}.jpg", 1000 + number)
    write_labels(folder, images, annotations, layout[0])
    return folder


def write_labels(folder: Path, photos: list, objects: list, name: str = LAYOUTS[0][0], **changes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    labels = {"info": {"year": 1}, "images": photos, "annotations": objects, "categories": CATEGORIES}
    (folder / name).write_text(json.dumps(labels | changes))


def ids(folder: Path) -> list[int]:
    return [image["id"] for image in read_labels(folder)["images"]]


def names(folder: Path) -> list[str]:
    return [image["file_name"] for image in read_labels(folder)["images"]]


def skipped(folders: DataFolders) -> dict[str, str]:
    photos = read_selection(folders)["photos"]
    return {photo["file"]: photo["skipped"] for photo in photos if "skipped" in photo}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_recognized_and_its_labels_pass_unchanged(tmp_path, layout):
    source = make_source(tmp_path / "mine", 12, 3, layout)
    folders = lay_out(source, tmp_path / "out", None, 3)
    laid, given_images = read_labels(folders.validation), entries(12)[0]
    assert laid["annotations"] == entries(12)[1]
    assert laid["categories"] == CATEGORIES
    assert laid["info"] == {"year": 1}
    for image, was in zip(laid["images"], given_images, strict=True):
        file = folders.validation / "data" / image["file_name"]
        assert image == was | {"sha256": sha256_file(file)}
        assert file.samefile(source / layout[1] / image["file_name"])
    assert sorted(names(folders.calibration)) == ["c0.jpg", "c1.jpg", "c2.jpg"]
    assert read_labels(folders.calibration)["annotations"] == []
    assert skipped(folders) == {}


def test_a_folder_without_data_says_what_is_looked_for(tmp_path):
    with pytest.raises(LabError, match="no COCO data") as caught:
        lay_out(tmp_path, tmp_path / "out")
    for labels, photos in LAYOUTS:
        assert f"{labels} and {photos}/" in caught.value.expected
    with pytest.raises(LabError, match="is no folder"):
        lay_out(tmp_path / "absent", tmp_path / "out")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    images=st.none() | st.integers(1, 14),
    wanted=st.integers(1, 12),
    own=st.integers(0, 5),
    seed=st.integers(0, 9),
)
def test_counts_and_disjointness_hold_for_every_wish(tmp_path_factory, images, wanted, own, seed):
    folder = tmp_path_factory.mktemp("any")
    source = make_source(folder / "mine", 12, own)
    if not own and wanted == 12:
        with pytest.raises(LabError, match="none of 0 photos can be used for validation"):
            lay_out(source, folder / "out", images, wanted, seed)
        return
    folders = lay_out(source, folder / "out", images, wanted, seed)
    left = 12 if own else 12 - wanted
    assert len(ids(folders.validation)) == min(images or left, left)
    assert len(ids(folders.calibration)) == (min(wanted, own) if own else wanted)
    hashes = [{i["sha256"] for i in read_labels(f)["images"]} for f in vars(folders).values()]
    assert not hashes[0] & hashes[1]
    kept = set(ids(folders.validation))
    expected = [a for a in entries(12)[1] if a["image_id"] in kept]
    assert read_labels(folders.validation)["annotations"] == expected
    excluded = read_selection(folders)["excluded_ids"]
    assert excluded == ([] if own else ids(folders.calibration))
    assert not set(excluded) & kept
    assert ids(folders.validation) == sorted(kept)


def test_the_seed_draws_and_larger_subsets_hold_the_smaller(tmp_path):
    source = make_source(tmp_path / "mine", 12)
    drawn = {
        (n, s): ids(lay_out(source, tmp_path / "o", n, 2, s).validation) for n in (3, 6) for s in (1, 2, 3)
    }
    again = lay_out(source, tmp_path / "elsewhere", 3, 2, 1)
    assert ids(again.validation) == drawn[3, 1]
    assert len({tuple(drawn[6, s]) for s in (1, 2, 3)}) == 3
    assert all(set(drawn[3, s]) < set(drawn[6, s]) for s in (1, 2, 3))


def test_more_calibration_photos_leave_the_same_ones_evaluated(tmp_path):
    source = make_source(tmp_path / "mine", 12)
    assert len({tuple(ids(lay_out(source, tmp_path / "o", 5, n).validation)) for n in (1, 3, 7)}) == 1


def snapshot(folders: DataFolders) -> dict[str, tuple]:
    root = folders.validation.parent
    stats = {str(p.relative_to(root)): p.lstat() for p in root.rglob("*")}
    return {name: (s.st_ino, s.st_mtime_ns) for name, s in stats.items()}


@pytest.mark.parametrize("own", [0, 3])
def test_a_second_call_does_nothing(tmp_path, own):
    source = make_source(tmp_path / "mine", 8, own)
    (source / "val2017" / "0003.jpg").write_bytes(b"no photo")
    before = snapshot(folders := lay_out(source, tmp_path / "out", 5, 2))
    assert lay_out(source, tmp_path / "out", 5, 2) == folders
    assert snapshot(folders) == before


def test_where_the_folders_will_be_is_known_before_and_nothing_is_written(tmp_path):
    source = make_source(tmp_path / "mine", 4)
    planned = planned_folders(source, tmp_path / "out", 2, 1, 7)
    assert not (tmp_path / "out").exists()
    assert lay_out(source, tmp_path / "out", 2, 1, 7) == planned


def test_other_wishes_and_other_labels_get_folders_of_their_own(tmp_path):
    source = make_source(tmp_path / "mine", 8, 4)
    made = [lay_out(source, tmp_path / "out", *wish) for wish in ((5, 2), (4, 2), (5, 3), (5, 2, 1))]
    images, annotations = entries(8)
    write_labels(source, images, annotations[1:])
    made.append(lay_out(source, tmp_path / "out", 5, 2))
    write_photo(source / "calibration" / "new.jpg", 77)
    made.append(lay_out(source, tmp_path / "out", 5, 2))
    assert len(set(made)) == 6


def spoil_source(source, laid):
    (source / "val2017" / "0001.jpg").unlink()
    write_photo(source / "val2017" / "0001.jpg", 555)


def lose_photo(source, laid):
    (laid.validation / "data" / "0001.jpg").unlink()


def lose_labels(source, laid):
    (laid.calibration / "labels.json").unlink()


def change_laid_photo(source, laid):
    path = laid.validation / "data" / "0001.jpg"
    path.unlink()
    write_photo(path, 556)


def cut_selection(source, laid):
    path = laid.validation.parent / "selection.json"
    path.write_text(path.read_text()[:50])


@pytest.mark.parametrize(
    "harm",
    [spoil_source, lose_photo, lose_labels, change_laid_photo, cut_selection],
    ids=lambda f: f.__name__,
)
def test_what_was_harmed_since_is_made_again(tmp_path, harm):
    source = make_source(tmp_path / "mine", 6, 2)
    laid = lay_out(source, tmp_path / "out", None, 2)
    harm(source, laid)
    assert lay_out(source, tmp_path / "out", None, 2) == laid
    for image in read_labels(laid.validation)["images"]:
        assert image["sha256"] == sha256_file(source / "val2017" / image["file_name"])
        assert image["sha256"] == sha256_file(laid.validation / "data" / image["file_name"])


def test_a_photo_that_was_repaired_is_used(tmp_path):
    source = make_source(tmp_path / "mine", 6, 2)
    (source / "val2017" / "0001.jpg").write_bytes(b"")
    (source / "val2017" / "0002.jpg").unlink()
    assert len(ids(lay_out(source, tmp_path / "out", None, 2).validation)) == 4
    write_photo(source / "val2017" / "0001.jpg", 1)
    write_photo(source / "val2017" / "0002.jpg", 2)
    assert len(ids(lay_out(source, tmp_path / "out", None, 2).validation)) == 6


def test_what_was_killed_on_the_way_is_done_again(tmp_path):
    source = make_source(tmp_path / "mine", 8, 3)
    code = (
        "import os, sys; from pathlib import Path; import helpers.coco_folders as c; link = c.link\n"
        "c.link = lambda a, b: (link(a, b), b.name == '0005.jpg' and os.kill(os.getpid(), 9))\n"
        "c.lay_out(Path(sys.argv[1]), Path(sys.argv[2]), None, 3)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, source, tmp_path / "out"], cwd=ROOT, capture_output=True
    )
    assert done.returncode == -9
    assert (source / "val2017" / "0005.jpg").stat().st_nlink == 2
    assert len(ids(lay_out(source, tmp_path / "out", None, 3).validation)) == 8


def test_between_disks_photos_are_linked_by_name(tmp_path):
    other = Path("/dev/shm")
    if not os.access(other, os.W_OK) or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second disk to write to")
    target = other / f"test-{os.getpid()}"
    try:
        folders = lay_out(make_source(tmp_path / "mine", 4), target, None, 1)
        assert (folders.validation / "data" / names(folders.validation)[0]).is_symlink()
        assert lay_out(tmp_path / "mine", target, None, 1) == folders
    finally:
        shutil.rmtree(target, ignore_errors=True)


def test_links_in_the_source_are_followed_so_that_it_may_be_a_farm_of_links(tmp_path):
    source = make_source(tmp_path / "mine", 4)
    real = (source / "val2017").rename(tmp_path / "real")
    (source / "val2017").mkdir()
    for path in real.iterdir():
        (source / "val2017" / path.name).symlink_to(path)
    folders = lay_out(source, tmp_path / "out", None, 1)
    shutil.rmtree(source)
    assert all(read_photo(path).shape == (7, 9, 3) for path in (folders.validation / "data").iterdir())


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
    write_labels(source, images, annotations)
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


def absent(path):
    path.unlink()


def folder_instead(path):
    path.unlink()
    path.mkdir()


def other_size(path):
    write_photo(path, 3, 10, 7)


def labelled_as_turned(path):
    write_photo(path, 3, 7, 9, exif=exif_tag(6))


UNUSABLE = {
    empty: "cannot be decoded",
    page: "cannot be decoded",
    truncated: "cannot be decoded",
    absent: "0002.jpg does not exist",
    folder_instead: "cannot be decoded",
    other_size: "10 x 7 pixels as stored, where the labels say 9 x 7",
    labelled_as_turned: "turned by its EXIF tag",
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
    assert len(ids(folders.validation)) == (5 if own else 3)
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
    assert skipped(folders).keys() == {"../outside.jpg", "/etc/hostname", "a/x.jpg"}
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
    assert laid["annotations"][3:] == annotations[3:]
    assert len({a["id"] for a in laid["annotations"]}) == len(annotations)
    assert read_selection(folders)["filled"] == {"area": 3, "iscrowd": 3, "id": 3}
    assert {(i["width"], i["height"]) for i in laid["images"]} == {(9, 7)}


BROKEN = {
    "no list images": {"images": 3},
    "id of an image or a category twice": {"categories": CATEGORIES * 2},
    "two categories of one name": {"categories": [*CATEGORIES, {"id": 4, "name": "ball"}]},
    "lacks a field": {"categories": [{"id": 3}, {"id": 90}]},
    "names image": {"annotations": [{"id": 1, "image_id": 5, "category_id": 3, "bbox": [0, 0, 1, 1]}]},
    "has the box": {"annotations": [{"id": 1, "image_id": 10, "category_id": 3, "bbox": [0, 0, 1]}]},
    "an area that is no number": {
        "annotations": [
            {"id": 1, "image_id": 10, "category_id": 3, "bbox": [0, 0, 1, 1], "area": float("nan")}
        ]
    },
    "an image id that is no integer": {"images": [{"id": "a", "file_name": "0001.jpg"}], "annotations": []},
    "a file name that is no text": {"images": [{"id": 1, "file_name": None}], "annotations": []},
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
    expected = [entry for entry in given["annotations"] if entry["image_id"] in kept]
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
