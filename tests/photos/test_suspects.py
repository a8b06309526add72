"""Labels that do not fit their photos are named by what a detector finds; sound ones never are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.photos.coco.fit import suspicion, truth_of
from helpers.tasks.detection.columns import DetectionColumns

SIZES = ((640, 480), (480, 640), (500, 333))


def labels(photos=40, seed=0, objects=3):
    """A COCO file of random boxes of three categories."""
    generator, images, entries = np.random.default_rng(seed), [], []
    for number in range(photos):
        wide, tall = SIZES[number % len(SIZES)]
        images.append({"id": number + 1, "file_name": f"{number}.jpg", "width": wide, "height": tall})
        for _ in range(generator.integers(1, objects + 1)):
            w, h = generator.uniform(30, wide / 2), generator.uniform(30, tall / 2)
            box = [generator.uniform(0, wide - w), generator.uniform(0, tall - h), w, h]
            entry = {"id": len(entries) + 1, "source_id": f"user-{len(entries)}", "image_id": number + 1}
            entries.append(entry | {"category_id": int(generator.integers(1, 4)), "bbox": box})
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(("cat", "dog", "cow"))]
    return {"images": images, "annotations": entries, "categories": categories}


def truth(content):
    return truth_of(content, [image["id"] for image in content["images"]])


def detections(content, seed=1, found=0.6, noise=4):
    """A middling detector: finds a share of the objects, a little off, and things that are not there."""
    generator, objects = np.random.default_rng(seed), truth(content).objects
    kept = generator.random(len(objects)) < found
    true = objects.box[kept] * generator.uniform(0.95, 1.05, (kept.sum(), 4))
    count = noise * len(objects)
    false = generator.uniform(0, 1, (count, 4)) * [400, 300, 200, 200] + [0, 0, 5, 5]
    return DetectionColumns(
        np.concatenate([objects.image[kept], generator.choice(objects.image, count)]),
        np.concatenate([objects.category[kept], generator.integers(1, 4, count)]),
        np.concatenate([true, false]),
        np.concatenate([generator.uniform(0.3, 1, kept.sum()), generator.uniform(0, 0.6, count)]),
    )


def relabelled(content, change):
    """The same file, its boxes written another way: ``change`` takes x, y, w, h and the photo's size."""
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    entries = [
        entry | {"bbox": list(change(*entry["bbox"], *sizes[entry["image_id"]]))}
        for entry in content["annotations"]
    ]
    return content | {"annotations": entries}


FAULTS = {
    "upside down": lambda x, y, w, h, wide, tall: (wide - x - w, tall - y - h, w, h),
    "mirrored": lambda x, y, w, h, wide, tall: (wide - x - w, y, w, h),
    "top to bottom": lambda x, y, w, h, wide, tall: (x, tall - y - h, w, h),
    "turned to the right": lambda x, y, w, h, wide, tall: (tall - y - h, x, h, w),
    "turned to the left": lambda x, y, w, h, wide, tall: (y, wide - x - w, h, w),
    "x and y are exchanged": lambda x, y, w, h, *_: (y, x, h, w),
    "x1, y1, x2, y2": lambda x, y, w, h, *_: (x, y, x + w, y + h),
    "y1, x1, y2, x2": lambda x, y, w, h, *_: (y, x, y + h, x + w),
    "they are centre": lambda x, y, w, h, *_: (x + w / 2, y + h / 2, w, h),
    "as fractions": lambda x, y, w, h, wide, tall: (
        (x + w / 2) / wide, (y + h / 2) / tall, w / wide, h / tall,
    ),
    "fractions of the photo": lambda x, y, w, h, wide, tall: (x / wide, y / tall, w / wide, h / tall),
    "percent": lambda x, y, w, h, wide, tall: (
        100 * x / wide, 100 * y / tall, 100 * w / wide, 100 * h / tall,
    ),
    "resized to 416 x 416": lambda x, y, w, h, wide, tall: (
        416 * x / wide, 416 * y / tall, 416 * w / wide, 416 * h / tall,
    ),
    "0.5 times as large": lambda x, y, w, h, *_: (x / 2, y / 2, w / 2, h / 2),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named_with_an_example_and_a_cure(fault):
    content = labels(60)
    told = suspicion(truth(relabelled(content, FAULTS[fault])), detections(content))
    assert fault in told
    assert "user-" in told
    assert ".jpg" in told
    assert "Cure: " in told


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 60),
    st.sampled_from([0.0, 0.05, 0.3, 0.9]),
    st.sampled_from([0, 1, 10]),
)
def test_sound_labels_are_never_suspected_however_bad_the_detector(seed, photos, found, noise):
    content = labels(photos, seed)
    assert suspicion(truth(content), detections(content, seed + 1, found, noise)) == ""


@pytest.mark.parametrize("photos", [1, 2, 3])
def test_a_few_photos_prove_nothing(photos):
    content = labels(photos)
    wrong = relabelled(content, FAULTS["mirrored"])
    assert suspicion(truth(wrong), detections(content)) == ""


def test_categories_in_another_order_are_named():
    content = labels(60)
    found = detections(content)
    exchanged = replace(found, category=np.array([0, 2, 3, 1])[found.category])
    told = suspicion(truth(content), exchanged)
    assert "categories do not fit" in told
    assert "labelled 'cow' are 'cat' to it" in told


def test_a_detector_of_one_category_is_no_suspicion():
    content = labels(60)
    found = detections(content)
    assert suspicion(truth(content), replace(found, category=np.full_like(found.category, 1))) == ""


@pytest.mark.parametrize("content", [labels(5) | {"annotations": []}, labels(0)])
def test_nothing_to_find_is_no_suspicion(content):
    assert suspicion(truth(content), detections(labels(5))) == ""


def test_crowds_are_not_asked_for():
    content = labels(30)
    for entry in content["annotations"]:
        entry["iscrowd"] = 1
    assert len(truth(content).objects) == 0
