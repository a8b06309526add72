"""Pictures of photos with their ground truth, and the boxes of a FiftyOne field to draw."""

from collections.abc import Sequence

import numpy as np

from helpers.photos.dataset import GROUND_TRUTH, photo_paths
from helpers.photos.decoding import read_photo
from helpers.run.experiment import Run
from helpers.show.context import picture_context
from helpers.show.pictures import DrawnBox, contact_sheet
from helpers.show.style import LabFigure


def boxes_of(dataset, image_ids: Sequence[int], field: str) -> list[list[DrawnBox]]:
    """Boxes of a FiftyOne field on these COCO images, in pixels."""
    columns = ["coco_id", "metadata.width", "metadata.height", f"{field}.detections"]
    view = dataset.select_by("coco_id", list(image_ids))
    rows = {row[0]: row[1:] for row in zip(*view.values(columns), strict=True)}
    return [[drawn_box(item, *rows[i][:2]) for item in rows[i][2] or ()] for i in image_ids]


def drawn_box(item, width: int, height: int) -> DrawnBox:
    xywh = tuple(np.array(item.bounding_box) * [width, height, width, height])
    crowd = item.has_field("iscrowd") and bool(item["iscrowd"])
    return DrawnBox(item.label, xywh, item.confidence, crowd)


def sample_sheet(run: Run, dataset, count: int = 8) -> LabFigure:
    """The first photos of the data set with their ground truth."""
    photos = dict(list(photo_paths(dataset).items())[:count])
    drawn = boxes_of(dataset, list(photos), GROUND_TRUTH)
    images = [read_photo(path) for path in photos.values()]
    boxes = [[box.xywh for box in row] for row in drawn]
    return contact_sheet(images, boxes, [[box.label for box in row] for row in drawn], picture_context(run))
