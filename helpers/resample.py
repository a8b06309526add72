"""AP of resampled images: the paired bootstrap's engine."""

import numpy as np

from helpers.intervals import resample_weights
from helpers.score import AREAS, IOU_THRESHOLDS, Evidence

RECALL_POINTS = np.linspace(0, 1, 101)
# Bounds the memory of one block of resamples: weights of all detections, about 8 bytes each.
BLOCK_BYTES = 64_000_000


def average_precision(evidence: Evidence, weights: np.ndarray, area: str = "all") -> np.ndarray:
    """AP per resample and IoU threshold, ``[B, 10]``; NaN where nothing is to be found.

    With all weights 1 this is pycocotools' AP (its accumulate and summarize: precision made
    monotone, read at 101 recalls, averaged over the classes that have objects).

    Args:
        evidence: of one variant.
        weights: how often each image was drawn, ``[B, images]``.
        area: one of ``score.AREAS``.
    """
    index = AREAS.index(area)
    block = max(1, BLOCK_BYTES // (8 * max(1, len(evidence.image))))
    parts = [_block(evidence, weights[i : i + block], index) for i in range(0, len(weights), block)]
    return np.concatenate(parts)


def _block(evidence: Evidence, weights: np.ndarray, area: int) -> np.ndarray:
    classes = evidence.objects.shape[1]
    total = np.full((len(weights), len(IOU_THRESHOLDS), classes), np.nan)
    bounds = np.searchsorted(evidence.category, np.arange(classes + 1))
    for label in range(classes):
        objects = weights @ evidence.objects[area, label]
        part = slice(bounds[label], bounds[label + 1])
        drawn = weights[:, evidence.image[part]]
        for step in range(len(IOU_THRESHOLDS)):
            found = evidence.matched[area, step, part]
            counted = ~evidence.ignored[area, step, part]
            total[:, step, label] = _class_ap(drawn, found & counted, counted, objects)
    with np.errstate(invalid="ignore"):
        return np.nansum(total, 2) / np.sum(~np.isnan(total), 2)


def _class_ap(drawn: np.ndarray, hits: np.ndarray, counted: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """AP of one class at one IoU threshold for each resample, ``[B]``.

    Args:
        drawn: weights of the detections, best score first, ``[B, D]``.
        hits: bool ``[D]``, true positives.
        counted: bool ``[D]``, detections that are not ignored.
        objects: objects to be found, ``[B]``.
    """
    # Precision is highest at true positives, so the curve is needed there alone.
    at_hits = np.cumsum(drawn[:, counted], 1)[:, hits[counted]]
    true = np.cumsum(drawn[:, hits], 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = true / (at_hits + np.spacing(1))
        recall = true / objects[:, None]
    envelope = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    reached = np.searchsorted(RECALL_POINTS, np.nan_to_num(recall), "right")
    newly = np.diff(reached, prepend=0, axis=1)
    area = np.sum(envelope * newly, 1) / len(RECALL_POINTS)
    return np.where(objects > 0, area, np.nan)


def paired_resamples(images: int, resamples: int, seed: int) -> np.ndarray:
    """The weights that all variants share: row 0 is the data as they are, then ``resamples`` draws."""
    return np.concatenate([np.ones((1, images), np.int32), resample_weights(images, resamples, seed)])
