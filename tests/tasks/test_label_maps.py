"""Class numbers and categories: the maps, and the check that finds a wrong one but blames no bad model."""

import json

import cv2
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.photos.decoding import read_photo
from helpers.tasks.detection.coco_names import NAMES
from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns
from helpers.tasks.detection.label_maps import (
    KINDS,
    category_numbers_of,
    detect_mismatch,
    label_map,
    overlaps,
    require_names,
)
from tests.support.real_photos import coco_dir

COCO = {name: number for number, name in NAMES.items()}
TOYS = {name: i for i, name in enumerate(("ball", "crate", "cone", "star", "ring", "cross"), start=1)}
# What a model of each kind answers for the category with COCO's id i, the n-th of the 80.
NUMBERED = {
    "coco80": lambda i, n: n,
    "coco80-background": lambda i, n: n + 1,
    "coco91": lambda i, n: i,
    "coco91-background": lambda i, n: i + 1,
}


def test_there_are_80_names_between_1_and_90():
    assert len(NAMES) == len(set(NAMES.values())) == 80
    assert list(NAMES) == sorted(NAMES)
    assert set(range(1, 91)) - set(NAMES) == {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}


def test_the_names_are_those_of_real_label_files():
    models = coco_dir() / "models"
    darknet = (models / "coco.names").read_text().splitlines()
    assert (category_numbers_of(darknet, COCO) == category_numbers_of("coco80", COCO)).all()
    tensorflow = (models / "ssd_mobilenet_v1_quant.labels.txt").read_text().splitlines()
    assert label_map(tensorflow) == KINDS["coco91-background"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_every_category_its_number(kind):
    numbers = category_numbers_of(kind, COCO)
    assert sorted(numbers[numbers >= 0]) == sorted(NAMES)
    for n, i in enumerate(NAMES, start=1):
        assert numbers[NUMBERED[kind](i, n) - 1] == i


def test_known_places():
    assert category_numbers_of("coco80", COCO)[[0, 11, 79]].tolist() == [1, 13, 90]
    assert category_numbers_of("coco91", COCO)[[0, 11, 12, 89]].tolist() == [1, -1, 13, 90]
    assert category_numbers_of("coco91-background", COCO)[:3].tolist() == [-1, 1, 2]


@given(
    st.permutations(list(TOYS)),
    st.integers(0, 6),
    st.lists(st.sampled_from(["", "???", "eagle"]), max_size=3),
)
def test_names_are_looked_up_and_unknown_ones_get_none(order, kept, more):
    labels = [*order[:kept], *more, order[0]]
    expected = [TOYS.get(name, -1) for name in labels]
    assert category_numbers_of(labels, TOYS).tolist() == expected


@pytest.mark.parametrize(
    "name", ["Potted Plant", "pottedplant", "potted_plant", " potted-plant ", "POTTED  PLANT"]
)
def test_spelling_does_not_matter(name):
    assert category_numbers_of([name], COCO).tolist() == [64]


def test_an_exact_name_goes_before_a_synonym():
    assert category_numbers_of(["sofa", "couch"], {"couch": 1, "sofa": 2}).tolist() == [2, 1]


def test_names_without_anything_in_common_are_explained():
    with pytest.raises(LabError, match="not one of the model's 6 classes"):
        category_numbers_of(list(TOYS), COCO)
    with pytest.raises(LabError, match="not one"):
        category_numbers_of(["", "???"], COCO)


def test_an_unknown_kind_is_named_with_the_nearest():
    with pytest.raises(LabError, match="coco80"):
        label_map("coco8O")


def test_who_mistypes_a_kind_is_told_of_files_of_names_too():
    with pytest.raises(LabError, match=r"'coco80x', which does not exist\. Did you mean 'coco80'") as caught:
        label_map("coco80x")
    said = str(caught.value)
    assert all(part in said for part in ("a file of class names", "MODEL@/path/", "@coco80", "@coco91"))
    assert "registry" not in said


@pytest.mark.parametrize("names", ["abc", ("a", "", "c"), ("", "b", "c"), ("a", "b", "c", "", "")])
def test_as_many_names_as_classes_fit(names):
    require_names(tuple(names), 3, "names.txt", "net.cfg")


@pytest.mark.parametrize(("names", "count"), [("ab", 2), ("abcd", 4), (("a", "b", "c", "", "e"), 5)])
def test_another_number_of_names_than_classes_says_both_and_the_cure(names, count):
    with pytest.raises(LabError, match=f"names.txt has {count} names, and net.cfg has 3 classes") as caught:
        require_names(tuple(names), 3, "names.txt", "net.cfg")
    assert "write its 3 names into a file" in caught.value.cure
    assert "MODEL@/path/to/names.txt" in caught.value.cure


def test_a_line_for_background_that_the_network_does_not_count_is_named():
    with pytest.raises(LabError, match="has 4 names") as caught:
        require_names(("", "a", "b", "c"), 3, "names.txt", "net.cfg")
    assert caught.value.cure.startswith("take the first of them out")


def test_overlaps_are_those_of_counted_pixels():
    random = np.random.default_rng(1)
    boxes = np.concatenate([random.integers(0, 12, (20, 2)), random.integers(1, 10, (20, 2))], 1)
    grid = np.zeros((20, 30, 30), bool)
    for number, (x, y, w, h) in enumerate(boxes):
        grid[number, y : y + h, x : x + w] = True
    flat = grid.reshape(20, -1).astype(int)
    shared = flat @ flat.T
    union = flat.sum(1)[:, None] + flat.sum(1)[None] - shared
    np.testing.assert_allclose(overlaps(boxes.astype(float), boxes.astype(float)), shared / union)


def scene(random, categories: int, images: int) -> ObjectColumns:
    """Objects as in COCO: a few categories are frequent, and those of one photo are often of one kind."""
    share = 1 / np.arange(1, categories + 1)
    order = random.permutation(categories)
    rows = []
    for image in range(images):
        kinds = order[random.choice(categories, 3, p=share / share.sum())]
        for _ in range(1 + random.poisson(4)):
            size = random.uniform(20, 200, 2)
            rows.append(
                (image, random.choice(kinds), *random.uniform(0, 400, 2), *size, random.random() < 0.02)
            )
    table = np.array(rows)
    return ObjectColumns(
        table[:, 0].astype(np.int32), table[:, 1].astype(np.int16), table[:, 2:6], table[:, 4] * table[:, 5],
        table[:, 6] > 0,
    )  # fmt: skip


def found_in(random, objects: ObjectColumns, recall: float, classes: np.ndarray) -> DetectionColumns:
    """Detections: shifted boxes of some objects, with these class numbers, and as many boxes of nothing."""
    hit = random.random(len(objects)) < recall
    box = objects.box[hit] + random.normal(0, 0.08, (hit.sum(), 4)) * objects.box[hit][:, [2, 3, 2, 3]]
    noise = np.concatenate(
        [random.uniform(0, 400, (len(objects), 2)), random.uniform(20, 99, (len(objects), 2))], 1
    )
    score = np.concatenate([random.uniform(0.3, 1, hit.sum()), random.uniform(0, 0.6, len(objects))])
    category = np.concatenate([classes[hit], random.permutation(classes)])
    image = np.concatenate([objects.image[hit], objects.image])
    return DetectionColumns(image, category, np.concatenate([box, noise]), score)


def answers(random, objects: ObjectColumns, categories: int, accuracy: float, habit: str) -> np.ndarray:
    """Category of each object as the model takes it: right in a share ``accuracy``, else by its bad habit.

    A model that is never right, and always next to it, would be as good as off by one: that one is right
    now and then.
    """
    accuracy = max(accuracy, 0.25) if habit == "neighbour" else accuracy
    wrong = {
        "uniform": random.integers(0, categories, len(objects)),
        "frequent": random.permutation(objects.category),
        "one": np.full(len(objects), random.integers(0, categories)),
        "photo": random.integers(0, categories, objects.image.max() + 1)[objects.image],
        "neighbour": np.clip(objects.category + random.choice([-1, 1], len(objects)), 0, categories - 1),
    }[habit]
    return np.where(random.random(len(objects)) < accuracy, objects.category, wrong)


HABITS = ["uniform", "frequent", "one", "photo", "neighbour"]


@settings(max_examples=150)
@given(
    st.integers(0, 10**6), st.sampled_from(list(KINDS)), st.sampled_from(HABITS),
    st.floats(0, 1), st.floats(0, 1), st.integers(1, 60),
)  # fmt: skip
def test_a_merely_bad_model_is_not_blamed(seed, kind, habit, accuracy, recall, images):
    random = np.random.default_rng(seed)
    objects = scene(random, 80, images)
    taken = answers(random, objects, 80, accuracy, habit)
    numbers = np.array([NUMBERED[kind](i, n) for n, i in enumerate(NAMES, start=1)])
    found = found_in(random, objects, recall, numbers[taken])
    assert detect_mismatch(found, objects, kind, list(COCO)) is None


@settings(max_examples=150)
@given(st.integers(0, 10**6), st.integers(2, 6), st.sampled_from(HABITS), st.floats(0, 1), st.integers(1, 60))
def test_nor_where_there_are_few_categories(seed, categories, habit, accuracy, images):
    random = np.random.default_rng(seed)
    objects = scene(random, categories, images)
    taken = answers(random, objects, categories, accuracy, habit)
    names = list(TOYS)[:categories]
    assert detect_mismatch(found_in(random, objects, 0.9, taken + 1), objects, names, names) is None


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(0, 60), st.integers(1, 120))
def test_boxes_and_classes_at_random_are_not_blamed(seed, images, classes):
    random = np.random.default_rng(seed)
    objects = scene(random, 80, max(images, 1))
    found = found_in(random, objects, 0.0, random.integers(0, classes + 1, len(objects)))
    assert detect_mismatch(found, objects, "coco80", list(COCO)) is None


PAIRS = [(truth, claimed) for truth in KINDS for claimed in KINDS if truth != claimed]


@pytest.mark.parametrize(("truth", "claimed"), PAIRS)
@settings(max_examples=6)
@given(st.integers(0, 10**6), st.floats(0.5, 1), st.floats(0.4, 1), st.sampled_from(["uniform", "frequent"]))
def test_a_wrong_map_is_always_found(truth, claimed, seed, accuracy, recall, habit):
    random = np.random.default_rng(seed)
    objects = scene(random, 80, 60)
    taken = answers(random, objects, 80, accuracy, habit)
    numbers = np.array([NUMBERED[truth](i, n) for n, i in enumerate(NAMES, start=1)])
    error = detect_mismatch(found_in(random, objects, recall, numbers[taken]), objects, claimed, list(COCO))
    assert error is not None
    if truth.removesuffix("-background") == claimed.removesuffix("-background"):
        assert "off by one" in error.found
    else:
        assert ("91 ids" if "91" in truth else "80 categories") in error.found
    assert repr(truth) in error.cure


@pytest.fixture(scope="module")
def real_detections() -> tuple[DetectionColumns, ObjectColumns]:
    """What SSD MobileNet V1 finds on 40 real photos; it numbers classes as COCO does."""
    folder, rows = coco_dir(), []
    labels = json.loads((folder / "annotations" / "instances_val2017.json").read_text())
    place = {image["id"]: number for number, image in enumerate(labels["images"][:40])}
    category = {number: index for index, number in enumerate(NAMES)}
    core = Interpreter(str(folder / "models" / "ssd_mobilenet_v1_quant.tflite"))
    core.allocate_tensors()
    for number, image in enumerate(labels["images"][:40]):
        photo = read_photo(folder / "val2017" / image["file_name"])
        core.set_tensor(core.get_input_details()[0]["index"], cv2.resize(photo, (300, 300))[None])
        core.invoke()
        boxes, classes, scores, _ = (core.get_tensor(item["index"])[0] for item in core.get_output_details())
        corners = boxes[:, [1, 0, 3, 2]] * np.tile(photo.shape[1::-1], 2)
        corners[:, 2:] -= corners[:, :2]
        rows.append(np.column_stack([np.full(len(scores), number), classes + 1, scores, corners]))
    table, objects = np.concatenate(rows), [a for a in labels["annotations"] if a["image_id"] in place]
    return DetectionColumns(
        table[:, 0].astype(np.int32), table[:, 1].astype(np.int16), table[:, 3:], table[:, 2]
    ), ObjectColumns(
        np.array([place[a["image_id"]] for a in objects]),
        np.array([category[a["category_id"]] for a in objects]),
        np.array([a["bbox"] for a in objects], float),
        np.array([a["area"] for a in objects]),
        np.array([a["iscrowd"] for a in objects]) > 0,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_real_detector_fits_one_map_alone(real_detections, kind):
    error = detect_mismatch(*real_detections, kind, list(COCO))
    assert (error is None) == (kind == "coco91")
    assert error is None or "'coco91'" in error.cure


@pytest.mark.parametrize("shift", [-1, 1])
@settings(max_examples=10)
@given(st.integers(0, 10**6), st.integers(3, 6), st.floats(0.6, 1))
def test_own_names_that_are_off_by_one_are_found(shift, seed, categories, accuracy):
    random = np.random.default_rng(seed)
    objects, names = scene(random, categories, 80), list(TOYS)[:categories]
    taken = answers(random, objects, categories, accuracy, "uniform")
    error = detect_mismatch(found_in(random, objects, 0.9, taken + 1 + shift), objects, names, names)
    assert "off by one" in error.found
    assert ("empty name before" if shift > 0 else "add 1") in error.cure


def test_an_empty_first_name_too_many_is_found():
    random = np.random.default_rng(5)
    objects = scene(random, 6, 60)
    found = found_in(random, objects, 0.9, objects.category.astype(int) + 1)
    error = detect_mismatch(found, objects, ["background", *TOYS], list(TOYS))
    assert "take the empty name" in error.cure
    assert detect_mismatch(found, objects, list(TOYS), list(TOYS)) is None


@pytest.mark.parametrize("which", ["objects", "detections", "neither"])
def test_without_detections_or_objects_there_is_nothing_to_say(which):
    random = np.random.default_rng(6)
    objects = scene(random, 80, 5)
    found = found_in(random, objects, 0.9, objects.category + 1)
    if which != "objects":
        objects = ObjectColumns(*(column[:0] for column in vars(objects).values()))
    if which != "detections":
        found = DetectionColumns(*(column[:0] for column in vars(found).values()))
    assert detect_mismatch(found, objects, "coco91", list(COCO)) is None
