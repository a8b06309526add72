"""COCO's metric: detections to AP, and the evidence from which AP can be resampled.

All metric computation of the laboratory goes through ``score``.
"""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from helpers.errors import LabError
from helpers.files import atomic_file

# Names of COCOeval.stats, in its order.
STATS = (
    "ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large",
    "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large",
)  # fmt: skip
AREAS = ("all", "small", "medium", "large")
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)


@dataclass(frozen=True)
class Evidence:
    """How every detection fared, so that AP on any resample of the images needs no new matching.

    Detections stand in pycocotools' order: by class, then by score, ties by image order.

    Attributes:
        image: int32 ``[D]``, index of the detection's image.
        category: int16 ``[D]``, index of its class.
        score: float64 ``[D]``.
        matched: bool ``[areas, thresholds, D]``, whether it found an object.
        ignored: bool ``[areas, thresholds, D]``, whether it counts neither way.
        objects: int32 ``[areas, classes, images]``, objects to be found.
    """

    image: np.ndarray
    category: np.ndarray
    score: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray
    objects: np.ndarray

    @property
    def images(self) -> int:
        return self.objects.shape[2]

    def save(self, path: Path) -> None:
        with atomic_file(path) as temporary:
            np.savez_compressed(temporary, **vars(self))

    @staticmethod
    def load(path: Path) -> "Evidence":
        with np.load(path) as stored:
            return Evidence(**stored)


@dataclass(frozen=True)
class Score:
    """COCO's twelve numbers, fractions 0..1 (-1 where there is nothing to find), and AP per class."""

    stats: Mapping[str, float]
    ap_per_class: Mapping[str, float]
    evidence: Evidence


def score(ground_truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]]) -> Score:
    """COCO detection metric by pycocotools.

    Args:
        ground_truth: COCO's dictionary: ``images``, ``annotations``, ``categories``.
        detections: COCO results: ``image_id``, ``category_id``, ``bbox`` (x, y, w, h in pixels), ``score``.

    Raises:
        LabError: a detection names an unknown image or category.
    """
    require_known(ground_truth, detections)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(as_coco(ground_truth), as_results(ground_truth, detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    names = [category["name"] for category in ground_truth["categories"]]
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    per_class = {n: mean_of_valid(precision[:, :, i]) for i, n in enumerate(ordered(ground_truth, names))}
    return Score(dict(zip(STATS, map(float, evaluation.stats), strict=True)), per_class, gather(evaluation))


def ordered(ground_truth: Mapping, names: list[str]) -> list[str]:
    """Category names in the order of their ids, which is pycocotools' order."""
    ids = [category["id"] for category in ground_truth["categories"]]
    return [names[i] for i in np.argsort(ids)]


def mean_of_valid(precision: np.ndarray) -> float:
    valid = precision[precision > -1]
    return float(valid.mean()) if valid.size else -1.0


def require_known(ground_truth: Mapping, detections: Sequence[Mapping]) -> None:
    images = {image["id"] for image in ground_truth["images"]}
    categories = {category["id"] for category in ground_truth["categories"]}
    for entry in detections:
        if entry["image_id"] not in images or entry["category_id"] not in categories:
            raise LabError(
                f"a detection of image {entry['image_id']}, category {entry['category_id']}.",
                f"ids of the data set ({len(images)} images, {len(categories)} categories)",
                "check that model and data set share one label map, and run 03_evaluate.ipynb again.",
            )


def as_coco(ground_truth: Mapping) -> COCO:
    coco = COCO()
    # pycocotools writes into the annotations that it is given.
    coco.dataset = {**ground_truth, "annotations": [dict(entry) for entry in ground_truth["annotations"]]}
    coco.createIndex()
    return coco


def as_results(ground_truth: Mapping, detections: Sequence[Mapping]) -> COCO:
    """Like ``COCO.loadRes``, which does not take an empty list."""
    numbered = [
        {**d, "id": i, "area": d["bbox"][2] * d["bbox"][3], "iscrowd": 0}
        for i, d in enumerate(detections, start=1)
    ]
    return as_coco({**ground_truth, "annotations": numbered})


def gather(evaluation: COCOeval) -> Evidence:
    """The evidence that ``COCOeval.evaluate`` leaves in ``evalImgs``."""
    params = evaluation.params
    shape = (len(params.catIds), len(params.areaRng), len(params.imgIds))
    cells = np.empty(len(evaluation.evalImgs), object)
    cells[:] = evaluation.evalImgs
    cells = cells.reshape(shape)
    objects = np.zeros((shape[1], shape[0], shape[2]), np.int32)
    for (category, area, image), cell in np.ndenumerate(cells):
        if cell is not None:
            objects[area, category, image] = np.sum(np.asarray(cell["gtIgnore"]) == 0)
    parts = [gather_class(cells[category], category) for category in range(shape[0])]
    joined = [np.concatenate(columns, axis=-1) for columns in zip(*parts, strict=True)]
    return Evidence(*joined, objects)


def gather_class(cells: np.ndarray, category: int) -> tuple[np.ndarray, ...]:
    """Evidence of one class from cells ``[areas, images]``: image, category, score, matched, ignored."""
    areas, thresholds = len(cells), len(IOU_THRESHOLDS)
    filled = [i for i, cell in enumerate(cells[0]) if cell is not None and len(cell["dtScores"])]
    if not filled:
        nothing = np.zeros((areas, thresholds, 0), bool)
        return np.zeros(0, np.int32), np.zeros(0, np.int16), np.zeros(0), nothing, nothing
    scores = np.concatenate([cells[0, i]["dtScores"] for i in filled])
    image = np.repeat(filled, [len(cells[0, i]["dtScores"]) for i in filled]).astype(np.int32)
    order = np.argsort(-scores, kind="mergesort")
    matched = stack(cells, filled, "dtMatches")[..., order] > 0
    ignored = stack(cells, filled, "dtIgnore")[..., order] > 0
    return image[order], np.full(len(order), category, np.int16), scores[order], matched, ignored


def stack(cells: np.ndarray, filled: list[int], key: str) -> np.ndarray:
    return np.stack([np.concatenate([row[i][key] for i in filled], axis=1) for row in cells])
