"""Do a model's class numbers mean what its label map says? Asked before anything is evaluated."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from helpers.evaluate.detect import CorePool, decode, detect
from helpers.models.interface import Interface
from helpers.models.registry import Model
from helpers.photos.dataset import category_numbers, read_objects
from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns
from helpers.tasks.detection.label_maps import detect_mismatch

PHOTOS = 60  # detections on so many tell label maps apart


def require_fitting_labels(
    file: Path, interface: Interface, photos: Mapping[int, Path], model: Model, dataset
) -> None:
    """Raise if another label map explains what a variant finds on a few photos clearly better.

    Args:
        file: the variant's; float32's, as a rule.
        photos: COCO image id -> file, all of the data set.

    Raises:
        LabError: it does; an AP near zero would be the label map's, not the model's.
    """
    places = {image: place for place, image in enumerate(sorted(photos))}
    shard = decode(dict(list(photos.items())[:PHOTOS]), interface.preprocessing)
    found = detect(CorePool(file), interface.tail, shard, range(1, len(model.categories) + 1))
    image = np.array([places[number] for number in found.image_id.tolist()], np.int32)
    columns = DetectionColumns(image, found.category_id, found.bbox, found.score)
    shown = [places[number] for number in shard.image_ids]
    objects = objects_on(read_objects(dataset), shown)
    error = detect_mismatch(columns, objects, model.categories, list(category_numbers(dataset)))
    if error is not None:
        raise error


def objects_on(objects: ObjectColumns, images: list[int]) -> ObjectColumns:
    """Those on the images at these places."""
    rows = np.isin(objects.image, images)
    return ObjectColumns(**{name: column[rows] for name, column in vars(objects).items()})
