"""Drawn photos: the same bytes every time, honest labels, and interrupted work that goes on."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from helpers.lab.errors import LabError
from helpers.photos.coco.labels import read_labels
from helpers.photos.synthetic.dataset import CATEGORY_IDS, SPLITS, encode_photo, generate_split, render_photo
from helpers.photos.synthetic.scene import LEAST_VISIBLE, Scene, make_photo
from helpers.photos.synthetic.shapes import CATEGORIES, Canvas
from tests.support.drawing import draw

SMALL, LARGE = 32**2, 96**2


def contents(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def modified(folder) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in (folder / "data").iterdir()}


def labels_of(folder) -> dict:
    return json.loads((folder / "labels.json").read_text())


@pytest.fixture
def split(tmp_path):
    """Six photos to damage."""
    return draw(tmp_path, "calibration", 6)


def test_two_processes_draw_the_same_bytes(tmp_path):
    first = draw(tmp_path / "a", "train", 4, hash_seed="1")
    second = draw(tmp_path / "b", "train", 4, hash_seed="2")
    assert contents(first) == contents(second)
    assert len(list((first / "data").glob("*.jpg"))) == 4


def test_a_larger_split_starts_with_the_photos_of_a_smaller_one(drawn_photos):
    first = encode_photo("validation", 0)
    assert (drawn_photos / "data" / first.file_name).read_bytes() == first.jpeg


def test_splits_share_no_photo():
    photos = {encode_photo(split, index).jpeg for split in SPLITS for index in range(3)}
    assert len(photos) == 3 * len(SPLITS)
    assert len(set(SPLITS.values())) == len(SPLITS)


def test_the_seed_changes_every_photo():
    assert encode_photo("train", 0, seed=1).jpeg != encode_photo("train", 0, seed=2).jpeg


def test_an_unknown_split_is_refused_before_anything_is_drawn(tmp_path):
    with pytest.raises(LabError, match="'validation'"):
        generate_split(tmp_path, "validaton", 3)
    assert list(tmp_path.iterdir()) == []


def test_labels_are_coco_and_name_every_photo(drawn_photos):
    labels = read_labels(drawn_photos)
    assert len(labels["images"]) == 60
    assert {c["name"]: c["id"] for c in labels["categories"]} == dict(CATEGORY_IDS)
    assert [a["id"] for a in labels["annotations"]] == list(range(1, len(labels["annotations"]) + 1))
    for image in labels["images"]:
        with Image.open(drawn_photos / "data" / image["file_name"]) as photo:
            assert photo.size == (image["width"], image["height"])
            assert photo.mode == "RGB"


def test_there_are_at_least_ten_categories_and_all_occur(drawn_photos):
    labels = labels_of(drawn_photos)
    assert len(labels["categories"]) >= 10
    assert {a["category_id"] for a in labels["annotations"]} == set(CATEGORY_IDS.values())


def test_sixty_photos_have_small_medium_and_large_objects(drawn_photos):
    areas = np.array([a["area"] for a in labels_of(drawn_photos)["annotations"] if not a["iscrowd"]])
    shares = [(areas < SMALL).mean(), ((areas >= SMALL) & (areas < LARGE)).mean(), (areas >= LARGE).mean()]
    assert min(shares) > 0.03


def test_boxes_lie_inside_their_photos_and_hold_their_areas(drawn_photos):
    labels = labels_of(drawn_photos)
    sizes = {i["id"]: (i["width"], i["height"]) for i in labels["images"]}
    for entry in labels["annotations"]:
        x, y, w, h = entry["bbox"]
        width, height = sizes[entry["image_id"]]
        assert min(x, y) >= 0
        assert x + w <= width
        assert y + h <= height
        assert 0 < entry["area"] <= w * h


def test_boxes_are_tight_around_the_visible_part():
    checked = 0
    for index in range(8):
        _, objects, _ = render_photo("train", index)
        for item in objects:
            x, y, w, h = item.box_xywh
            inside = item.mask[y : y + h, x : x + w]
            assert inside.sum() == item.mask.sum() == item.area
            assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
            checked += 1
    assert checked > 20


def test_the_labelled_pixels_are_those_that_the_object_changed():
    scene = Scene(np.random.default_rng(1))
    before = scene.image.copy()
    mask = scene.place(CATEGORIES["crate"], 60, 40, 50)
    changed = np.abs(scene.image - before).sum(2) > 0
    rows, columns = np.nonzero(mask)
    assert changed[mask].mean() > 0.95
    assert rows.min() >= 50
    assert rows.max() < 110
    assert columns.min() >= 40
    assert columns.max() < 100


def test_hidden_parts_are_not_labelled():
    hidden = 0
    for index in range(12):
        _, objects, _ = render_photo("train", index)
        things = [o for o in objects if not o.crowd]
        assert all(o.area >= LEAST_VISIBLE * o.full_area for o in things)
        total = np.sum([o.mask for o in things], axis=0) if things else np.zeros(1)
        assert total.max() <= 1
        hidden += sum(o.area < o.full_area for o in things)
    assert hidden > 0


def test_some_scenes_have_a_crowd():
    crowds = 0
    for seed in range(60):
        _, objects = make_photo(np.random.default_rng(seed))
        crowds += any(o.crowd for o in objects)
    assert 1 <= crowds <= 15


def test_every_category_has_a_form_of_its_own_that_fits_its_canvas():
    masks = {}
    for name, category in CATEGORIES.items():
        for turn in (0.0, category.max_turn / 2):
            canvas = Canvas(96, turn, 1.0)
            category.draw(canvas)
            border = np.concatenate([canvas.mask[0], canvas.mask[-1], canvas.mask[:, 0], canvas.mask[:, -1]])
            assert (border > 127).sum() == 0, name
            assert (canvas.mask > 127).mean() > 0.05, name
            if turn == 0:
                masks[name] = canvas.mask > 127
    names = list(masks)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            shared = (masks[first] & masks[second]).sum() / (masks[first] | masks[second]).sum()
            assert shared < 0.95, (first, second)


def test_photos_are_decodable_and_textured():
    photo = encode_photo("train", 0)
    pixels = np.asarray(Image.open(io.BytesIO(photo.jpeg)), float)
    assert pixels.std() > 10
    assert np.abs(np.diff(pixels, axis=1)).mean() > 1


def test_a_whole_split_is_left_alone(split):
    before, stamps = contents(split), modified(split)
    draw(split.parent.parent, "calibration", 6)
    assert contents(split) == before
    assert modified(split) == stamps


def test_interrupted_drawing_draws_only_what_is_missing(split):
    before, stamps = contents(split), modified(split)
    (split / "labels.json").unlink()
    (split / "parts" / "000002.json").unlink()
    (split / "data" / "calibration_000004.jpg").unlink()
    (split / "parts" / "000004.json").unlink()
    draw(split.parent.parent, "calibration", 6)
    assert contents(split) == before
    rewritten = {name for name, stamp in modified(split).items() if stamps[name] != stamp}
    assert rewritten == {"calibration_000002.jpg", "calibration_000004.jpg"}


@pytest.mark.parametrize("damage", [lambda p: p.write_bytes(b"no photo"), lambda p: p.unlink()])
def test_a_damaged_photo_is_drawn_again_and_no_other(split, damage):
    before, stamps = contents(split), modified(split)
    damage(split / "data" / "calibration_000003.jpg")
    draw(split.parent.parent, "calibration", 6)
    assert contents(split) == before
    rewritten = {name for name, stamp in modified(split).items() if stamps[name] != stamp}
    assert rewritten == {"calibration_000003.jpg"}


def test_truncated_labels_are_made_again(split):
    before = contents(split)
    (split / "labels.json").write_bytes(before["labels.json"][:100])
    draw(split.parent.parent, "calibration", 6)
    assert contents(split) == before


def test_a_copied_split_is_whole(split, tmp_path):
    copy = shutil.copytree(split, tmp_path / "other" / "synthetic-2017" / "calibration-6")
    stamps = modified(copy)
    assert generate_split(tmp_path / "other", "calibration", 6) == copy
    assert modified(copy) == stamps
