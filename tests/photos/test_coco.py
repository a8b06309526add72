"""COCO folders on disk: whole ones are read, broken ones explained."""

import copy
import json

import pytest

from helpers.lab.errors import LabError
from helpers.photos.coco.labels import read_labels

LABELS = {
    "images": [
        {"id": 1, "file_name": "a.jpg", "width": 20, "height": 10},
        {"id": 7, "file_name": "b.jpg", "width": 20, "height": 10},
    ],
    "categories": [{"id": 3, "name": "ball"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}
    ],
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    for image in LABELS["images"]:
        (tmp_path / "data" / image["file_name"]).write_bytes(b"photo")
    write(tmp_path, LABELS)
    return tmp_path


def write(folder, labels) -> None:
    (folder / "labels.json").write_text(json.dumps(labels))


def changed(*path, value) -> dict:
    """The labels with one entry replaced."""
    labels = copy.deepcopy(LABELS)
    place = labels
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return labels


def test_whole_labels_are_read_as_they_are(folder):
    assert read_labels(folder) == LABELS


def test_photos_without_objects_are_allowed(folder):
    write(folder, LABELS | {"annotations": []})
    assert read_labels(folder)["annotations"] == []


def test_absent_labels_name_their_cure(tmp_path):
    with pytest.raises(LabError, match=r"labels.json does not exist") as caught:
        read_labels(tmp_path)
    assert "01_download" in caught.value.cure


@pytest.mark.parametrize("content", [b"", b"{", b'{"images": [', b"\x89PNG", b"images"])
def test_labels_that_do_not_parse_are_explained(folder, content):
    (folder / "labels.json").write_bytes(content)
    with pytest.raises(LabError, match=r"labels.json is not valid JSON"):
        read_labels(folder)


@pytest.mark.parametrize("section", ["images", "annotations", "categories"])
@pytest.mark.parametrize("value", [None, {}, "text", 3])
def test_a_section_that_is_missing_or_no_list_is_named(folder, section, value):
    labels = LABELS | {section: value}
    if value is None:
        del labels[section]
    write(folder, labels)
    with pytest.raises(LabError, match=f"no list {section}"):
        read_labels(folder)


def test_all_missing_sections_are_named_at_once(folder):
    write(folder, {})
    with pytest.raises(LabError, match="images, annotations, categories"):
        read_labels(folder)


def test_absent_photos_are_counted_and_the_first_is_named(folder):
    (folder / "data" / "b.jpg").unlink()
    with pytest.raises(LabError, match=r"1 of 2 images .* 'b.jpg'"):
        read_labels(folder)


def test_a_folder_in_place_of_a_photo_does_not_count(folder):
    (folder / "data" / "a.jpg").unlink()
    (folder / "data" / "a.jpg").mkdir()
    with pytest.raises(LabError, match=r"'a.jpg'"):
        read_labels(folder)


def test_an_image_id_used_twice_is_refused(folder):
    write(folder, changed("images", 1, "id", value=1))
    with pytest.raises(LabError, match="id of an image or a category twice"):
        read_labels(folder)


@pytest.mark.parametrize(("field", "value"), [("image_id", 2), ("category_id", 1), ("category_id", 0)])
def test_annotations_of_unknown_images_or_categories_are_refused(folder, field, value):
    write(folder, changed("annotations", 0, field, value=value))
    with pytest.raises(LabError, match=r"annotation 1 .* does not exist"):
        read_labels(folder)
