"""A data set of COCO's proportions, made of random numbers: columns, and the same in FiftyOne."""

import itertools

import numpy as np

from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns
from helpers.tasks.detection.exact_coco.writing import SampleDetections, write_detections

WIDTH, HEIGHT = 640, 480
OBJECTS_PER_IMAGE = 7
CLASSES_PER_IMAGE = 3
NAMES = [f"class{number:02d}" for number in range(80)]


def random_boxes(random: np.random.Generator, count: int) -> np.ndarray:
    size = np.exp(random.uniform(np.log(8), np.log(300), (count, 2)))
    corner = random.uniform(0, 1, (count, 2)) * (np.array([WIDTH, HEIGHT]) - size).clip(1)
    return np.concatenate([corner, size], 1)


def generate(images: int, per_image: int, seed: int) -> tuple[ObjectColumns, DetectionColumns]:
    """Objects, and for each image as many detections: three quarters of the objects are found, moved a
    little; all else is noise, half of it in classes that the image holds. Objects are the same for
    every ``seed``.
    """
    fixed, random = np.random.default_rng(0), np.random.default_rng(seed)
    present = fixed.integers(0, len(NAMES), (images, CLASSES_PER_IMAGE))
    counts = fixed.poisson(OBJECTS_PER_IMAGE, images)
    image = np.repeat(np.arange(images, dtype=np.int32), counts)
    category = present[image, fixed.integers(0, CLASSES_PER_IMAGE, len(image))].astype(np.int16)
    box = random_boxes(fixed, len(image))
    crowd = fixed.random(len(image)) < 0.01
    objects = ObjectColumns(image, category, box, box[:, 2] * box[:, 3], crowd)
    return objects, detections_of(random, objects, present, per_image)


def detections_of(random, objects: ObjectColumns, present: np.ndarray, per_image: int) -> DetectionColumns:
    images = len(present)
    total = images * per_image
    image = np.repeat(np.arange(images, dtype=np.int32), per_image)
    likely = present[image, random.integers(0, CLASSES_PER_IMAGE, total)]
    category = np.where(random.random(total) < 0.5, likely, random.integers(0, len(NAMES), total))
    box, score = random_boxes(random, total), random.beta(1, 12, total)
    number = np.arange(len(objects)) - np.searchsorted(objects.image, objects.image)
    hit = (number < per_image) & (random.random(len(objects)) < 0.75)
    rows = objects.image[hit] * per_image + number[hit]
    moved = random.normal(0, 0.06, (len(rows), 4)) * np.tile(objects.box[hit][:, 2:], 2)
    category[rows], box[rows] = objects.category[hit], objects.box[hit] + moved
    box[:, 2:] = box[:, 2:].clip(1)
    score[rows] = random.beta(3, 3, len(rows))
    return DetectionColumns(image, category.astype(np.int16), box, score)


def make_dataset(fo, name: str, objects: ObjectColumns, images: int):
    """A FiftyOne data set of these objects, image ids in ``coco_id``; without image files."""
    dataset = fo.Dataset(name, overwrite=True)
    size = fo.ImageMetadata(width=WIDTH, height=HEIGHT)
    samples = (
        fo.Sample(filepath=f"/nowhere/{i}.jpg", coco_id=i, metadata=size.copy()) for i in range(images)
    )
    dataset.add_samples(samples, num_samples=images, progress=False)
    ones = DetectionColumns(objects.image, objects.category, objects.box, np.ones(len(objects)))
    write_detections(dataset, "ground_truth", sample_detections(dataset.values("id"), ones))
    ends = np.searchsorted(objects.image, np.arange(1, images))
    for attribute, values in (("area", objects.area), ("iscrowd", objects.crowd.astype(int))):
        parts = [part.tolist() for part in np.split(values, ends)]
        dataset.set_values(f"ground_truth.detections.{attribute}", parts, dynamic=True)
    return dataset


def sample_detections(ids: list[str], detections: DetectionColumns):
    """As ``write_detections`` takes them; images in the order of ``ids``."""
    bounds = np.searchsorted(detections.image, np.arange(len(ids) + 1)).tolist()
    scale = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
    for sample, (begin, end) in zip(ids, itertools.pairwise(bounds), strict=True):
        labels = [NAMES[k] for k in detections.category[begin:end].tolist()]
        yield SampleDetections(sample, labels, detections.box[begin:end] / scale, detections.score[begin:end])


def as_coco(objects: ObjectColumns, detections: DetectionColumns, images: int) -> tuple[dict, list[dict]]:
    """As pycocotools takes them; ids count from 1."""
    truth = {
        "info": {},
        "images": [{"id": i + 1, "width": WIDTH, "height": HEIGHT} for i in range(images)],
        "categories": [{"id": k, "name": name} for k, name in enumerate(NAMES, start=1)],
    }
    places = as_entries(objects)
    truth["annotations"] = [
        place | {"id": number, "area": area, "iscrowd": int(crowd)}
        for number, (place, area, crowd) in enumerate(
            zip(places, objects.area.tolist(), objects.crowd.tolist(), strict=True), start=1
        )
    ]
    found = zip(as_entries(detections), detections.score.tolist(), strict=True)
    return truth, [place | {"score": score} for place, score in found]


def as_entries(columns: ObjectColumns | DetectionColumns) -> list[dict]:
    rows = zip(columns.image.tolist(), columns.category.tolist(), columns.box.tolist(), strict=True)
    return [{"image_id": i + 1, "category_id": k + 1, "bbox": box} for i, k, box in rows]
