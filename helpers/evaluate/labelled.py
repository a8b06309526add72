"""Labelled photos without FiftyOne: what any core finds in them, as columns and as evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from helpers.evaluate.detect import ShardResult
from helpers.photos.coco.labels import DATA, read_labels
from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns
from helpers.tasks.detection.evidence import Evidence
from helpers.tasks.detection.label_maps import category_numbers_of
from helpers.tasks.detection.score import gather


@dataclass(frozen=True)
class LabelledPhotos:
    """Photos, their objects, and how a model's classes are numbered there.

    Attributes:
        photos: COCO image id -> file, in the order of ids.
        objects: what is to be found in them; images and classes by their place among the ids.
        category_ids: the data set's, in order.
        of_class: COCO id of the model's class 1, 2, ...; -1 where the data set has none.
    """

    photos: dict[int, Path]
    objects: ObjectColumns
    category_ids: tuple[int, ...]
    of_class: tuple[int, ...]

    def columns(self, shards: Sequence[ShardResult]) -> DetectionColumns:
        """Detections of all shards, images and classes by their place among the ids."""
        image, category = (
            np.concatenate([getattr(s, n) for s in shards]) for n in ("image_id", "category_id")
        )
        return DetectionColumns(
            np.searchsorted(list(self.photos), image).astype(np.int32),
            np.searchsorted(self.category_ids, category).astype(np.int16),
            np.concatenate([shard.bbox for shard in shards]),
            np.concatenate([shard.score for shard in shards]),
        )

    def evidence(self, detections: DetectionColumns) -> Evidence:
        """How every detection fared."""
        return gather(self.objects, detections, len(self.photos), len(self.category_ids))


def read_labelled(folder: Path, categories: Sequence[str], most: int | None = None) -> LabelledPhotos:
    """The first ``most`` photos of a COCO folder by their ids (None: all), for a model of these classes."""
    labels = read_labels(folder)
    images = sorted(labels["images"], key=lambda image: image["id"])
    photos = {image["id"]: folder / DATA / image["file_name"] for image in islice(images, most)}
    known = sorted(labels["categories"], key=lambda category: category["id"])
    numbers = {category["name"]: category["id"] for category in known}
    ids = tuple(category["id"] for category in known)
    objects = object_columns(labels["annotations"], list(photos), ids)
    return LabelledPhotos(photos, objects, ids, tuple(category_numbers_of(categories, numbers)))


def object_columns(
    annotations: Sequence[dict[str, Any]], image_ids: Sequence[int], category_ids: Sequence[int]
) -> ObjectColumns:
    """Of COCO's annotations those on these images; both lists of ids in increasing order."""
    wanted = set(image_ids)
    kept = [entry for entry in annotations if entry["image_id"] in wanted]
    return ObjectColumns(
        np.searchsorted(image_ids, [e["image_id"] for e in kept]).astype(np.int32),
        np.searchsorted(category_ids, [e["category_id"] for e in kept]).astype(np.int16),
        np.array([e["bbox"] for e in kept], float).reshape(-1, 4),
        np.array([e["area"] for e in kept], float),
        np.array([e.get("iscrowd", 0) for e in kept], bool),
    )
