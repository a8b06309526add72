"""One photo on its way through a detector: tensor, raw heads, candidates, detections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.download.pictures import boxes_of
from helpers.models.interface import Interface
from helpers.models.parity import iou, on_photo, without_suppression
from helpers.models.registry import Model
from helpers.photos.dataset import GROUND_TRUTH, IMAGE_ID, category_numbers, field_name, photo_paths
from helpers.photos.decoding import core_input, read_photo
from helpers.quantize.stage import load_interface
from helpers.run.experiment import Run
from helpers.run.variant_files import variant_file
from helpers.run.variants import BASELINE
from helpers.runtimes.catalogue import load_core
from helpers.runtimes.contract import Session
from helpers.show.context import picture_context
from helpers.show.pictures import SHOWN_FROM_SCORE, DrawnBox, detections_grid
from helpers.show.style import LabFigure
from helpers.tasks.detection.label_maps import category_numbers_of
from helpers.tasks.detection.tails.selection import Detections

MOST_DRAWN, FEW_OBJECTS = 30, 5
NOTHING_FOUND = "float32 finds nothing on any photo, down to the threshold: this is the first photo."


@dataclass(frozen=True)
class OnePhoto:
    """A photo, and what float32's core needs to see it.

    Attributes:
        model: whose core it is.
        image_id: COCO's.
        path: of the photo.
        photo: uint8 ``[H, W, 3]``, RGB.
        core: the runtime with the float32 file: tensor -> raw heads by name.
        interface: what goes before and after the core.
        known: bool ``[classes]``, whether the data set has the model's class 1, 2, ...
        truth: the labelled objects.
        stored: float64 ``[n, 5]``: x, y, width, height (relative) and score of each detection that the
            laboratory keeps of this photo, best first.
    """

    model: Model
    image_id: int
    path: Path
    photo: np.ndarray
    core: Session
    interface: Interface
    known: np.ndarray
    truth: Sequence[DrawnBox]
    stored: np.ndarray

    def tensor(self) -> np.ndarray:
        """The photo as the core takes it, float32 ``[1, H, W, 3]``."""
        return core_input(self.photo, self.interface.preprocessing)

    def before(self, heads: dict[str, np.ndarray]) -> Detections:
        """Boxes of all candidates above the score threshold, relative to the photo, best first."""
        return self.on_photo(without_suppression(self.interface.tail)(heads))

    def after(self, heads: dict[str, np.ndarray]) -> Detections:
        """Those that non-maximum suppression leaves, 100 at most."""
        return self.on_photo(self.interface.tail(heads))

    def on_photo(self, found: Detections) -> Detections:
        return on_photo(found, self.interface.preprocessing, *self.photo.shape[:2])


def open_photo(run: Run, models: Sequence[Model], dataset) -> OnePhoto:
    """A photo with objects on which the first model's float32 finds one; where none is, the first photo."""
    model, paths = models[0], photo_paths(dataset)
    image_id, field = choose(dataset, field_name(model.id, BASELINE)), field_name(model.id, BASELINE)
    return OnePhoto(
        model,
        image_id,
        paths[image_id],
        read_photo(paths[image_id]),
        load_core(variant_file(run, model, BASELINE)),
        load_interface(run, model),
        np.array(category_numbers_of(model.categories, category_numbers(dataset))) >= 0,
        boxes_of(dataset, [image_id], GROUND_TRUTH)[0],
        stored_detections(dataset, image_id, field),
    )


def choose(dataset, field: str) -> int:
    """COCO id of the first photo with an object and a detection from 0.3 up, with any, or of all.

    Photos with few objects come before those with many, on which boxes hide one another.
    """
    names = (IMAGE_ID, f"{GROUND_TRUTH}.detections.label", f"{field}.detections.confidence")
    rows = zip(*dataset.values(list(names)), strict=True)
    rows = sorted(rows, key=lambda row: (len(row[1] or ()) > FEW_OBJECTS, row[0]))
    for least in (SHOWN_FROM_SCORE, 0.0):
        for image_id, objects, scores in rows:
            if objects and max(scores or [-1]) > least:
                return image_id
    found = next((image_id for image_id, _, scores in rows if scores), None)
    if found is None:
        print(NOTHING_FOUND)
    return rows[0][0] if found is None else found


def stored_detections(dataset, image_id: int, field: str) -> np.ndarray:
    """``OnePhoto.stored``."""
    view = dataset.select_by(IMAGE_ID, [image_id])
    boxes, scores = view.values([f"{field}.detections.bounding_box", f"{field}.detections.confidence"])
    return np.column_stack([np.reshape(boxes[0] or [], (-1, 4)), scores[0] or []])


def told(array: np.ndarray) -> str:
    """``[1, 256, 256, 3] float32, -1 to 1``."""
    return f"{list(array.shape)} {array.dtype}, {array.min():.4g} to {array.max():.4g}"


def best(box: OnePhoto, found: Detections, count: int = 5) -> pd.DataFrame:
    """The best few, boxes in pixels of the photo."""
    pixels = in_pixels(box, found)[:count].round(1)
    names = [class_name(box, number) for number in found.classes[:count].tolist()]
    facts = {"class": names, "score": found.scores[:count].round(4).tolist()}
    return pd.DataFrame(facts | dict(zip(("x", "y", "width", "height"), pixels.T.tolist(), strict=True)))


def in_pixels(box: OnePhoto, found: Detections) -> np.ndarray:
    """``[n, 4]``: x, y, width, height."""
    height, width = box.photo.shape[:2]
    low, high = found.boxes[:, [1, 0]].astype(float), found.boxes[:, [3, 2]].astype(float)
    return np.concatenate([low, high - low], 1) * [width, height, width, height]


def class_name(box: OnePhoto, number: int) -> str:
    """The model's name for its class 1, 2, ..."""
    names = box.model.categories
    return names[number - 1] if number <= len(names) and names[number - 1] else f"class {number}"


def suppressed(box: OnePhoto, before: Detections, after: Detections) -> list[tuple[int, int]]:
    """Candidates that had to go for a better one: (place in ``before``, the better one's in ``after``)."""
    if not len(before.scores) or not len(after.scores):
        return []
    overlap = iou(before.boxes[:1000], after.boxes)
    better = before.scores[:1000, None] < after.scores[None]
    rivals = (before.classes[:1000, None] == after.classes[None]) & better
    pairs = np.argwhere(rivals & (overlap > box.interface.tail.limits.nms_iou))
    return [(int(dropped), int(kept)) for dropped, kept in pairs if not among(before, dropped, after)]


def among(before: Detections, place: int, after: Detections) -> bool:
    """Whether a candidate stays."""
    return bool((after.boxes == before.boxes[place]).all(1).any())


def picture(run: Run, box: OnePhoto, before: Detections, after: Detections) -> LabFigure:
    """Labels, candidates and detections on the photo."""
    panels = {"ground truth": box.truth, "before suppression": drawn(box, before)}
    panels["after it"] = drawn(box, after)
    grids: Mapping[str, Any] = {name: [boxes] for name, boxes in panels.items()}
    counts = f"n = 1 photo, {len(before.scores)} candidates, {len(after.scores)} detections"
    title = f"{box.path.stem}, {box.model.id}\n{counts}"
    return detections_grid([box.photo], grids, picture_context(run), [title])


def drawn(box: OnePhoto, found: Detections) -> list[DrawnBox]:
    """The best of them."""
    rows = zip(in_pixels(box, found)[:MOST_DRAWN].tolist(), found.scores, found.classes, strict=False)
    return [DrawnBox(class_name(box, int(c)), tuple(xywh), float(score)) for xywh, score, c in rows]
