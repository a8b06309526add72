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
        part = slice(bounds[label], bounds[label + 1])
        matched, ignored = evidence.matched[area, :, part], evidence.ignored[area, :, part]
        # What is ignored at every threshold never counts; the rest is summed once for all thresholds.
        kept = ~ignored.all(0)
        drawn = weights[:, evidence.image[part][kept]]
        seen = np.cumsum(drawn, 1, dtype=np.int32)
        objects = weights @ evidence.objects[area, label]
        for step in range(len(IOU_THRESHOLDS)):
            total[:, step, label] = _class_ap(drawn, seen, matched[step, kept], ignored[step, kept], objects)
    with np.errstate(invalid="ignore"):
        return np.nansum(total, 2) / np.sum(~np.isnan(total), 2)


def _class_ap(
    drawn: np.ndarray, seen: np.ndarray, matched: np.ndarray, ignored: np.ndarray, objects: np.ndarray
) -> np.ndarray:
    """AP of one class at one IoU threshold for each resample, ``[B]``.

    Args:
        drawn: weights of the detections, best score first, ``[B, D]``.
        seen: cumulative sum of ``drawn``.
        matched, ignored: bool ``[D]``; what is matched and not ignored is a true positive.
        objects: objects to be found, ``[B]``.
    """
    # Precision is highest at true positives, so the curve is needed there alone.
    hits, passed = np.flatnonzero(matched & ~ignored), np.flatnonzero(ignored)
    true = np.cumsum(drawn[:, hits], 1, dtype=np.int32)
    uncounted = np.cumsum(drawn[:, passed], 1, dtype=np.int32)
    before = np.searchsorted(passed, hits)
    counted = seen[:, hits] - np.pad(uncounted, ((0, 0), (1, 0)))[:, before]
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = true / (counted + np.spacing(1))
        recall = true / objects[:, None]
    envelope = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    reached = np.searchsorted(RECALL_POINTS, np.nan_to_num(recall), "right")
    newly = np.diff(reached, prepend=0, axis=1)
    area = np.sum(envelope * newly, 1) / len(RECALL_POINTS)
    return np.where(objects > 0, area, np.nan)


def paired_resamples(images: int, resamples: int, seed: int) -> np.ndarray:
    """The weights that all variants share: row 0 is the data as they are, then ``resamples`` draws."""
    return np.concatenate([np.ones((1, images), np.int32), resample_weights(images, resamples, seed)])
