"""COCO JSON and folders as labelling tools write them give what the clean ones give."""

import codecs
import copy
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from helpers.download.stage import calibration_note, no_objects_note
from helpers.lab.errors import LabError
from helpers.lab.paths import ROOT
from helpers.photos.coco.folders import lay_out, read_selection
from helpers.photos.coco.labels import read_labels
from helpers.photos.coco.users_folder import chosen_text, find_source
from helpers.photos.dataset import category_numbers, evaluate_exactly, load_dataset, unknown_categories
from helpers.run.experiment import open_run
from helpers.tasks.detection.exact_coco.writing import SampleDetections, write_detections
from tests.support.coco_sources import (
    CATEGORIES,
    LAYOUTS,
    entries,
    make_source,
    names,
    write_labels,
    write_photo,
)

COUNT = 6


def clean() -> dict:
    images, annotations = entries(COUNT)
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


def each(labels, section, change):
    for entry in labels[section]:
        change(entry)


def rename_ids(labels, section, reference, name):
    each(labels, section, lambda e: e.update(id=name(e["id"])))
    if reference:
        each(labels, "annotations", lambda e: e.update({reference: name(e[reference])}))


def text_image_ids(labels):
    rename_ids(labels, "images", "image_id", lambda i: f"{i:06d}")


def uuid_image_ids(labels):
    rename_ids(labels, "images", "image_id", lambda i: f"a{i:06d}-b")


def float_image_ids(labels):
    rename_ids(labels, "images", "image_id", float)


def huge_image_ids(labels):
    rename_ids(labels, "images", "image_id", lambda i: i + 2**64)


def negative_category_ids(labels):
    rename_ids(labels, "categories", "category_id", lambda i: -i)


def text_category_ids(labels):
    rename_ids(labels, "categories", "category_id", str)


def text_annotation_ids(labels):
    rename_ids(labels, "annotations", None, lambda i: f"x{i}")


def no_annotation_ids(labels):
    each(labels, "annotations", lambda e: e.pop("id"))


def same_annotation_ids(labels):
    each(labels, "annotations", lambda e: e.update(id=1))


def mixed_annotation_ids(labels):
    labels["annotations"][0]["id"] = "b2"


def crowd_as_text(labels):
    each(labels, "annotations", lambda e: e.update(iscrowd=str(e["iscrowd"])))


def crowd_as_words(labels):
    each(labels, "annotations", lambda e: e.update(iscrowd=["no", "yes"][e["iscrowd"]]))


def crowd_as_bool(labels):
    each(labels, "annotations", lambda e: e.update(iscrowd=bool(e["iscrowd"])))


def box_as_text(labels):
    each(labels, "annotations", lambda e: e.update(bbox=[str(n) for n in e["bbox"]]))


def outline_only(labels):
    for entry in labels["annotations"]:
        x, y, w, h = entry.pop("bbox")
        entry["segmentation"] = [[x, y, x + w, y, x + w, y + h]]


def area_as_text(labels):
    each(labels, "annotations", lambda e: e.update(area=str(e["area"])))


def size_as_text(labels):
    each(labels, "images", lambda e: e.update(width="9", height="7"))


def no_size(labels):
    each(labels, "images", lambda e: e.update(width=None, height=0))


def keys_of_their_own(labels):
    labels["licenses"], labels["info"] = "CC BY", ["a"]
    odd = {
        "label": "x",
        "attributes": {"id": 3, "label": "y"},
        "supercategory": 3,
        "confidence": "high",
        "tags": 1,
    }
    each(labels, "annotations", lambda e: e.update(odd))
    each(labels, "images", lambda e: e.update(filepath=1, metadata="x", tags="a"))


def unused_root(labels):
    labels["categories"] = [{"id": 0, "name": "ball", "supercategory": "none"}, *labels["categories"]]


def unused_nameless(labels):
    labels["categories"] = [*labels["categories"], {"id": 7, "name": None}]


def twice_named(labels):
    labels["categories"] = [*labels["categories"], {"id": 91, "name": "ball"}]
    next(e for e in labels["annotations"] if e["category_id"] == 3)["category_id"] = 91


def dot_names(labels):
    each(labels, "images", lambda e: e.update(file_name="./" + e["file_name"]))


def folder_names(labels):
    each(labels, "images", lambda e: e.update(file_name="images/val2017/" + e["file_name"]))


def backslash_names(labels):
    each(labels, "images", lambda e: e.update(file_name="images\\" + e["file_name"]))


def absolute_names(labels):
    each(labels, "images", lambda e: e.update(file_name="/home/me/set/" + e["file_name"]))


def windows_names(labels):
    each(labels, "images", lambda e: e.update(file_name="C:\\me\\" + e["file_name"]))


def upward_names(labels):
    each(labels, "images", lambda e: e.update(file_name="../../media/" + e["file_name"]))


def loud_names(labels):
    each(labels, "images", lambda e: e.update(file_name=e["file_name"].upper()))


def split_entries(labels):
    image = labels["images"][1]
    labels["images"] = [*labels["images"], image | {"id": 999, "file_name": "./" + image["file_name"]}]
    next(e for e in labels["annotations"] if e["image_id"] == image["id"])["image_id"] = 999


QUIRKS = (
    text_image_ids, uuid_image_ids, float_image_ids, huge_image_ids, negative_category_ids, text_category_ids,
    text_annotation_ids, no_annotation_ids, same_annotation_ids, mixed_annotation_ids, crowd_as_text,
    crowd_as_words, crowd_as_bool, box_as_text, outline_only, area_as_text, size_as_text, no_size,
    keys_of_their_own, unused_root, unused_nameless, twice_named, dot_names, folder_names, backslash_names,
    absolute_names, windows_names, upward_names, loud_names, split_entries,
)  # fmt: skip


def content(labels: dict) -> list:
    """What is labelled, without ids."""
    files = {image["id"]: (image["file_name"], image["width"], image["height"]) for image in labels["images"]}
    kinds = {category["id"]: category["name"] for category in labels["categories"]}
    return sorted(
        [*files[e["image_id"]], kinds[e["category_id"]], e["bbox"], e["area"], e["iscrowd"]]
        for e in labels["annotations"]
    ) + sorted(files.values())


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_source(tmp_path_factory.mktemp("photos") / "mine", COUNT, 2)


def laid(photos, target, labels, encode=lambda text: text.encode()):
    (photos / "annotations" / "instances_val2017.json").write_bytes(encode(json.dumps(labels)))
    return lay_out(photos, target, None, 2)


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda f: f.__name__)
def test_what_a_tool_writes_otherwise_is_read_as_it_is_meant_and_told(photos, tmp_path, quirk):
    labels = copy.deepcopy(clean())
    quirk(labels)
    folders = laid(photos, tmp_path, labels)
    assert content(read_labels(folders.validation)) == content(clean())
    told = quirk not in (keys_of_their_own,)
    assert bool(read_selection(folders)["repairs"]) == told
    by_others = COCO(folders.validation / "labels.json")
    assert len(by_others.getAnnIds()) == len(clean()["annotations"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    quirks=st.lists(st.sampled_from([q for q in QUIRKS if q is not split_entries]), max_size=5, unique=True),
    seed=st.integers(0, 99),
)
def test_quirks_together_change_nothing(photos, tmp_path_factory, quirks, seed):
    labels = copy.deepcopy(clean())
    dotted = [q for q in quirks if q.__name__.endswith("_names")][:1]
    numbered = {q.__name__.split("_")[1]: q for q in quirks if q.__name__.endswith("_ids")}
    others = [q for q in quirks if not q.__name__.endswith(("_names", "_ids"))]
    crowds = [q for q in others if q.__name__.startswith("crowd")][1:]
    boxes = [q for q in others if q in (box_as_text, outline_only)][1:]
    for quirk in [*dotted, *(q for q in others if q not in crowds + boxes), *numbered.values()]:
        quirk(labels)
    random.Random(seed).shuffle(labels["annotations"])
    folders = laid(photos, tmp_path_factory.mktemp("any"), labels)
    assert content(read_labels(folders.validation)) == content(clean())


ENCODINGS = {
    "mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "crlf": lambda text: json.dumps(json.loads(text), indent=1).replace("\n", "\r\n").encode(),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_in_other_encodings_is_read(photos, tmp_path, encoding):
    folders = laid(photos, tmp_path, clean(), ENCODINGS[encoding])
    assert content(read_labels(folders.validation)) == content(clean())


def test_annotations_keep_the_id_that_they_have_in_the_users_file(photos, tmp_path):
    labels = copy.deepcopy(clean())
    labels["annotations"][0]["id"] = "b2"
    del labels["annotations"][1]["id"]
    folders = laid(photos, tmp_path, labels)
    told = [entry["source_id"] for entry in read_labels(folders.validation)["annotations"]]
    assert told[:3] == ["b2", "entry 2", str(labels["annotations"][2]["id"])]
    assert read_selection(folders)["labels"] == str(photos / "annotations" / "instances_val2017.json")


# Labels and a photo's name in them, as exporters lay them out.
TOOLS = {
    "roboflow": ("valid/_annotations.coco.json", "valid/{}", "{}"),
    "roboflow, one split": ("train/_annotations.coco.json", "train/{}", "{}"),
    "cvat": ("annotations/instances_default.json", "images/{}", "{}"),
    "cvat, by subset": ("annotations/instances_Train.json", "images/Train/{}", "{}"),
    "label studio": ("result.json", "images/{}", "images\\{}"),
    "fiftyone": ("labels.json", "data/{}", "{}"),
    "flat": ("my labels.JSON", "{}", "{}"),
    "by split": ("annotations/instances_val.json", "val/{}", "{}"),
    "in images": ("annotations/set.json", "images/a/{}", "a/{}"),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_folders_as_tools_export_them_are_recognized(tmp_path, tool):
    file, place, written = TOOLS[tool]
    images, annotations = entries(COUNT)
    for number, image in enumerate(images):
        write_photo(tmp_path / "mine" / place.format(image["file_name"]), number)
        image["file_name"] = written.format(image["file_name"])
    write_labels(tmp_path / "mine", images, annotations, file)
    folders = lay_out(tmp_path / "mine", tmp_path / "out", None, 2)
    assert len(names(folders.validation)) == COUNT - 1
    assert len(names(folders.calibration)) == 1


def test_of_several_label_files_the_validation_split_is_evaluated_on(tmp_path):
    images, annotations = entries(COUNT)
    for split in ("train", "test", "val"):
        for number, image in enumerate(images):
            write_photo(tmp_path / split / image["file_name"], number)
        write_labels(tmp_path, images, annotations, f"{split}.json")
    source = find_source(tmp_path)
    assert (source.labels.name, source.photos.name, source.calibration.name) == ("val.json", "val", "train")


def two_label_files(root: Path, first: str, second: str, photos: str = "images") -> list[Path]:
    images, annotations = entries(COUNT)
    for number, image in enumerate(images):
        write_photo(root / photos / image["file_name"], number)
    for name in (first, second):
        write_labels(root, images, annotations, name)
    return [root / first, root / second]


RIVALS = [
    ("a.json", "b.json"), ("labels.json", "labels old.json"), ("result.json", "corrected.json"),
    ("annotations/set_val.json", "annotations/other_valid.json"), ("annotations/default.json", "b.json"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), RIVALS)
def test_between_two_label_files_of_the_same_photos_nothing_is_chosen(tmp_path, first, second):
    """The path of the one that is meant chooses it."""
    files = two_label_files(tmp_path / "mine", first, second, "data" if first == "labels.json" else "images")
    with pytest.raises(LabError, match="holds 2 sets of labels") as caught:
        find_source(tmp_path / "mine")
    for file in files:
        assert str(file) in caught.value.cure
        assert find_source(file).labels == file
        assert "left alone" in chosen_text(file) or file.parent.name == "annotations"
        folders = lay_out(file, tmp_path / "out", None, 2)
        assert (len(names(folders.validation)), len(names(folders.calibration))) == (COUNT - 1, 1)
        assert folders.validation.parent.name.startswith(f"{file.parent.name}-")


def test_a_folder_of_several_data_sets_is_none_of_them(tmp_path):
    """One directly in it, one a folder further down: the nearer is not meant more than the other."""
    images, annotations = entries(COUNT)
    for place in ("near/images", "far/valid"):
        for number, image in enumerate(images):
            write_photo(tmp_path / place / image["file_name"], number)
    write_labels(tmp_path, images, annotations, "near/result.json")
    write_labels(tmp_path, images, annotations, "far/valid/_annotations.coco.json")
    with pytest.raises(LabError, match="holds 2 sets of labels") as caught:
        find_source(tmp_path)
    assert "near/result.json" in caught.value.found
    assert "far/valid/_annotations.coco.json" in caught.value.found


@pytest.mark.parametrize("other", ["annotations/person_keypoints_val2017.json", "annotations/captions.json"])
def test_files_that_coco_lays_beside_its_labels_are_no_rivals(tmp_path, other):
    source = make_source(tmp_path / "mine", COUNT)
    images, annotations = entries(COUNT)
    write_labels(source, images, annotations, other)
    assert find_source(source).labels.name == "instances_val2017.json"
    assert chosen_text(source) == (
        "Evaluated are the photos in val2017/, by the labels annotations/instances_val2017.json; "
        f"left alone: {other}."
    )


def test_copies_that_tools_hide_are_no_rivals(tmp_path):
    source = two_label_files(tmp_path / "mine", "result.json", ".ipynb_checkpoints/result.json")[0].parent
    assert find_source(source).labels == source / "result.json"


def test_what_is_used_for_what_is_said(tmp_path):
    images, annotations = entries(COUNT)
    for split in ("train", "valid", "test"):
        for number, image in enumerate(images):
            write_photo(tmp_path / split / image["file_name"], number)
        write_labels(tmp_path, images, annotations, f"{split}/_annotations.coco.json")
    assert chosen_text(tmp_path) == (
        "Evaluated are the photos in valid/, by the labels valid/_annotations.coco.json; calibrated on those "
        "in train/; left alone: test/_annotations.coco.json."
    )
    assert find_source(tmp_path / "valid" / "_annotations.coco.json") == find_source(tmp_path)


def test_a_label_file_without_its_photos_or_of_another_format_is_refused(tmp_path):
    write_labels(tmp_path, *entries(COUNT), "a.json")
    with pytest.raises(LabError, match="none of the photos"):
        find_source(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(LabError, match="it is a list"):
        find_source(tmp_path / "a.json")


def test_a_run_takes_a_label_file_and_no_other_file(tmp_path):
    file, other = two_label_files(tmp_path / "mine", "a.json", "b.json")
    assert open_run("coco", coco_dir=str(file)).coco_dir == file
    (photo := other.with_name("a.jpg")).touch()
    with pytest.raises(LabError, match="is no folder"):
        open_run("coco", coco_dir=str(photo))


OTHERS = {
    "LabelMe": ("a.json", json.dumps({"shapes": [], "imagePath": "a.jpg"})),
    "it is a list": ("a.json", "[]"),
    "results: detections": ("a.json", json.dumps([{"image_id": 1, "bbox": [], "score": 1}])),
    "YOLO": ("labels/a.txt", "0 .5 .5 .1 .1"),
    "XML": ("Annotations/a.xml", "<annotation/>"),
}


@pytest.mark.parametrize("named", OTHERS)
def test_another_format_is_named_with_what_is_there(tmp_path, named):
    file, text = OTHERS[named]
    write_photo(tmp_path / "images" / "a.jpg", 1)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    with pytest.raises(LabError, match=named) as caught:
        find_source(tmp_path)
    assert "images/" in caught.value.found


DEEP = [
    (LAYOUTS[0], "val2017"), (LAYOUTS[0], "annotations"), (LAYOUTS[0], "calibration"), (LAYOUTS[1], "images"),
    (LAYOUTS[1], "images/val2017"), (LAYOUTS[2], "data"), (LAYOUTS[3], "validation/data"),
]  # fmt: skip


@pytest.mark.parametrize(("layout", "deep"), DEEP, ids=lambda value: value if isinstance(value, str) else "")
def test_a_folder_too_deep_is_told_with_the_one_that_works(tmp_path, layout, deep):
    source = make_source(tmp_path / "mine", COUNT, 2, layout)
    with pytest.raises(LabError, match=f"{deep} is too deep") as caught:
        find_source(source / deep)
    assert caught.value.cure.endswith(f": {source}")


def test_a_folder_too_shallow_is_told_with_those_that_work(tmp_path):
    mine, other = (make_source(tmp_path / "all" / name, COUNT) for name in ("mine", "other"))
    write_photo(tmp_path / "all" / "val2017" / "0000.jpg", 1)
    with pytest.raises(LabError, match="all is too shallow") as caught:
        find_source(tmp_path / "all")
    assert caught.value.cure.endswith(f": {mine} or {other}")


def test_no_folder_is_named_that_would_not_work_or_holds_other_data(tmp_path):
    source = make_source(tmp_path / "mine", COUNT)
    (source / "notes").mkdir()
    (source / "notes" / "a.txt").touch()
    with pytest.raises(LabError, match="notes holds no COCO data"):
        find_source(source / "notes")
    (source / "annotations" / "instances_val2017.json").write_text("{}")
    for folder in (source / "val2017", source / "annotations", tmp_path):
        with pytest.raises(LabError, match="holds no COCO data"):
            find_source(folder)


@pytest.mark.parametrize(
    ("count", "wanted", "shared"), [(1, 128, 0), (2, 128, 1), (9, 128, 1), (60, 128, 12), (60, 5, 5)]
)
def test_a_small_set_is_shared_out_and_that_is_said(tmp_path, count, wanted, shared):
    folders = lay_out(make_source(tmp_path / "mine", count), tmp_path / "out", None, wanted)
    assert len(names(folders.calibration)) == shared
    assert len(names(folders.validation)) == count - shared
    told = calibration_note(read_selection(folders))
    assert (f"{shared} of its photos" if shared else "No photo is left to calibrate on") in told


def test_unusable_photos_are_no_part_of_what_is_shared_out(tmp_path):
    source = make_source(tmp_path / "mine", 20)
    for path in sorted((source / "val2017").iterdir())[2:]:
        path.write_bytes(b"")
    folders = lay_out(source, tmp_path / "out", None, 128)
    assert (len(names(folders.calibration)), len(names(folders.validation))) == (1, 1)


def test_two_photos_of_one_name_are_told_apart_and_a_doubtful_name_is_no_photo(tmp_path):
    source = make_source(tmp_path / "mine", 3, 1)
    images, annotations = entries(3)
    for number, place in enumerate(("a", "b")):
        write_photo(source / "val2017" / place / "x.jpg", 70 + number)
    images[0]["file_name"], images[1]["file_name"], images[2]["file_name"] = "a\\x.jpg", "B/x.jpg", "c/x.jpg"
    write_labels(source, images, annotations)
    folders = lay_out(source, tmp_path / "out", None, 1)
    assert names(folders.validation) == ["a/x.jpg", "b/x.jpg"]


def test_an_overlong_name_is_a_photo_that_is_not_there(tmp_path):
    source = make_source(tmp_path / "mine", 3, 1)
    images, annotations = entries(3)
    images[0]["file_name"] = "x" * 300 + ".jpg"
    write_labels(source, images, annotations)
    assert len(names(lay_out(source, tmp_path / "out", None, 1).validation)) == 2


def dataset_of(folder, names_of_categories=None, annotations=None):
    images, objects = entries(3)
    for number, image in enumerate(images):
        write_photo(folder / "data" / image["file_name"], number)
    kinds = names_of_categories or ("ball", "crate")
    categories = [{"id": 3, "name": kinds[0]}, {"id": 90, "name": kinds[1]}]
    write_labels(
        folder, images, objects if annotations is None else annotations, "labels.json", categories=categories
    )
    return load_dataset(folder)


def test_photos_without_any_object_are_a_data_set_that_can_be_evaluated(tmp_path):
    dataset = dataset_of(tmp_path / "none-at-all", annotations=[])
    assert unknown_categories(dataset, ["ball"], "m") == []
    sample = SampleDetections(dataset.first().id, ["ball"], [[0.1, 0.1, 0.2, 0.2]], [0.5])
    others = [SampleDetections(s, [], [], []) for s in dataset.values("id")[1:]]
    write_detections(dataset, "found", [sample, *others])
    assert evaluate_exactly(dataset, "found").stats is not None


@pytest.mark.parametrize(
    ("kinds", "model", "known"),
    [
        (("Person", "Motorbike"), ("person", "motorcycle"), True),
        (("TV", "aeroplane"), ("tvmonitor", "airplane"), True),
        (("sofa", "helmet"), ("couch", "person"), False),
        (("Car", "car"), ("car", "person"), False),
        (("Car", "car"), ("car", "Car"), True),
    ],
)
def test_categories_are_matched_as_the_label_map_matches_them(tmp_path, kinds, model, known):
    dataset = dataset_of(tmp_path / "-".join(kinds), kinds)
    assert set(category_numbers(dataset)) == set(kinds)
    assert bool(unknown_categories(dataset, model, "m")) is not known


def read_with(tmp_path, images, annotations, categories=CATEGORIES, file="result.json"):
    for number, image in enumerate(images):
        write_photo(tmp_path / "mine" / "images" / image["file_name"].split("/")[-1], number)
    write_labels(tmp_path / "mine", images, annotations, file, categories=categories)
    return lay_out(tmp_path / "mine", tmp_path / "out", None, 1)


@pytest.mark.parametrize(
    ("file", "written", "otherwise"),
    [
        ("result.json", "images/{}", False),
        ("annotations/instances_default.json", "images/{}", False),
        ("result.json", "{}", False),
        ("result.json", "data/{}", True),
        ("result.json", "./images/{}", True),
    ],
)
def test_a_name_from_the_folder_around_is_the_files_own(tmp_path, file, written, otherwise):
    images, annotations = entries(COUNT)
    each(
        {"images": images}, "images", lambda image: image.update(file_name=written.format(image["file_name"]))
    )
    repairs = read_selection(read_with(tmp_path, images, annotations, file=file))["repairs"]
    told = [sentence for sentence in repairs if sentence.startswith("file names written otherwise")]
    assert told == ([f"file names written otherwise than the file's: {COUNT}"] if otherwise else [])


def test_names_that_differ_in_case_and_blanks_alone_are_one_category(tmp_path):
    kinds = [{"id": 3, "name": "traffic light"}, {"id": 90, "name": "Traffic  Light "}]
    folders = read_with(tmp_path, *entries(COUNT), kinds)
    labels = read_labels(folders.validation)
    assert labels["categories"] == [{"id": 3, "name": "traffic light"}]
    assert {entry["category_id"] for entry in labels["annotations"]} == {3}
    assert unknown_categories(load_dataset(folders.validation), ["traffic light"], "m") == []
    told = "categories 3 and 90 are named 'traffic light' and 'Traffic  Light' and are evaluated as one"
    assert told in read_selection(folders)["repairs"]


def test_labels_without_an_object_that_counts_are_told(tmp_path):
    images, annotations = entries(COUNT)
    crowds = [entry | {"iscrowd": 1} for entry in annotations]
    for name, objects, silent in (
        ("none", [], False),
        ("crowds", crowds, False),
        ("some", annotations, True),
    ):
        labels = read_labels(read_with(tmp_path / name, images, objects).validation)
        assert (no_objects_note(labels, "a.json") == "") is silent


AS_NOBODY = """
import os, sys
from pathlib import Path
from helpers.photos.coco.users_folder import chosen_text, find_source
from helpers.lab.errors import LabError
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    find_source(Path(sys.argv[1]))
except LabError as error:
    print(error.found)
"""


@pytest.mark.parametrize("closed", [".", "annotations/instances_val2017.json", "calibration"])
def test_what_may_not_be_read_is_said_to_be_so(closed):
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        Path(folder).chmod(0o755)
        source = make_source(Path(folder) / "mine", 2, 1)
        (source / closed).chmod(0)
        command = [sys.executable, "-c", AS_NOBODY, source]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
        (source / closed).chmod(0o755)
    assert "cannot be read: Permission denied" in told
    assert str(source) in told
