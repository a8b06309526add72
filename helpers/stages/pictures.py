"""Pictures of photos with boxes: samples of the data, and where variants disagree."""

from collections.abc import Sequence

import numpy as np

from helpers.dataset import GROUND_TRUTH, field_name, photo_paths
from helpers.experiment import Run, picture_context
from helpers.models import Model
from helpers.photos import read_photo
from helpers.show.figures import save_figure
from helpers.show.pictures import DrawnBox, contact_sheet, detections_grid
from helpers.show.style import LabFigure
from helpers.stages.disagreement import disagreement, farthest
from helpers.variants import BASELINE


def boxes_of(dataset, image_ids: Sequence[int], field: str) -> list[list[DrawnBox]]:
    """Boxes of a FiftyOne field on these COCO images, in pixels."""
    columns = ["coco_id", "metadata.width", "metadata.height", f"{field}.detections"]
    rows = {row[0]: row[1:] for row in zip(*dataset.values(columns), strict=True)}
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


def disagreement_grid(run: Run, model: Model, dataset, count: int = 3) -> LabFigure:
    """The photos on which variants disagree most, saved with the run.

    Columns: ground truth, float32, and the variant that is farthest from float32.
    """
    paths = photo_paths(dataset)
    ids = [list(paths)[position] for position in disagreement(run, model).index[:count]]
    panels = {"ground truth": boxes_of(dataset, ids, GROUND_TRUTH)}
    for variant in dict.fromkeys([BASELINE, farthest(run, model)]):
        panels[variant] = boxes_of(dataset, ids, field_name(model.id, variant))
    context = picture_context(run)
    images, titles = [read_photo(paths[i]) for i in ids], [paths[i].name for i in ids]
    figure = detections_grid(images, panels, context, titles)
    save_figure(figure, run.paths.pictures, f"disagreement_{model.id}", context)
    return figure
