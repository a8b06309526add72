"""COCO's metric: columns to evidence, evidence to AP and AR. Equal to pycocotools' digits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns
from helpers.tasks.detection.evidence import AREA_BOUNDS, AREAS, IOU_THRESHOLDS, MOST_DETECTIONS, Evidence
from helpers.tasks.detection.matching import NO_OBJECT, match

# Names of COCOeval.stats, in its order.
STATS = (
    "ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large",
    "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large",
)  # fmt: skip
RECALL_POINTS = np.linspace(0, 1, 101)
NOTHING = -1.0  # pycocotools' value where there is nothing to find
TIE_ORDERS = ("pycocotools", "best", "worst")


@dataclass(frozen=True)
class Curves:
    """Precision and recall per IoU threshold ``T`` and class ``K``; -1 for a class without objects.

    Attributes:
        precision: float64 ``[T, K, 101]``, at ``RECALL_POINTS``, made monotone.
        recall: float64 ``[T, K]``, of all detections.
        score: float64 ``[T, K, 101]``, the lowest score that is needed to get there.
    """

    precision: np.ndarray
    recall: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class Score:
    """COCO's twelve numbers, fractions 0..1 (-1 where there is nothing to find), and what they rest on."""

    stats: Mapping[str, float]
    ap_per_class: np.ndarray
    curves: Curves
    evidence: Evidence


def score(objects: ObjectColumns, detections: DetectionColumns, images: int, classes: int) -> Score:
    """COCO's detection metric.

    Args:
        objects, detections: of all images, the images in the order by which ties are broken.
        images, classes: how many there are.
    """
    evidence = gather(objects, detections, images, classes)
    curves = {area: curves_of(evidence, area) for area in AREAS}
    few = {most: curves_of(evidence, "all", most) for most in (1, 10)}
    whole = curves["all"]
    found = {"ap": mean_of_valid(whole.precision)}
    found |= {"ap50": mean_of_valid(whole.precision[0]), "ap75": mean_of_valid(whole.precision[5])}
    found |= {f"ap_{area}": mean_of_valid(curves[area].precision) for area in AREAS[1:]}
    found |= {f"ar{most}": mean_of_valid(few[most].recall) for most in few}
    found |= {"ar100": mean_of_valid(whole.recall)}
    found |= {f"ar_{area}": mean_of_valid(curves[area].recall) for area in AREAS[1:]}
    per_class = np.array([mean_of_valid(whole.precision[:, k]) for k in range(classes)])
    return Score({name: found[name] for name in STATS}, per_class, whole, evidence)


def gather(objects: ObjectColumns, detections: DetectionColumns, images: int, classes: int) -> Evidence:
    """Match at COCO's thresholds and areas; detections in pycocotools' order."""
    matches = match(objects, detections, IOU_THRESHOLDS, AREA_BOUNDS, MOST_DETECTIONS)
    row = matches.row
    # Cells are sorted by image, so a stable sort leaves ties in the order of images.
    order = np.lexsort((detections.image[row], -detections.score[row], detections.category[row]))
    row = row[order]
    return Evidence(
        image=detections.image[row].astype(np.int32),
        category=detections.category[row].astype(np.int16),
        score=detections.score[row].astype(np.float64),
        rank=matches.rank[order].astype(np.int16),
        row=row,
        matched=matches.found[..., order] != NO_OBJECT,
        ignored=matches.ignored[..., order],
        found=matches.found[0][:, order],
        object_image=objects.image.astype(np.int32),
        object_category=objects.category.astype(np.int16),
        object_area=objects.area.astype(np.float64),
        object_crowd=objects.crowd.astype(bool),
        counts=np.array([images, classes]),
    )


def mean_of_valid(values: np.ndarray) -> float:
    valid = values[values > -1]
    return float(valid.mean()) if valid.size else NOTHING


def curves_of(
    evidence: Evidence, area: str = "all", most: int = MOST_DETECTIONS, ties: str = "pycocotools"
) -> Curves:
    """Precision and recall as ``COCOeval.accumulate`` has them.

    Args:
        evidence: of one variant.
        area: one of ``AREAS``.
        most: detections per image and class that count.
        ties: how equal scores are ordered. ``best`` puts hits before false alarms, ``worst`` after
            them: the bounds of what any order can give, with the matches left as they are.
    """
    index, totals = AREAS.index(area), evidence.objects(area).sum(1)
    shape = (len(IOU_THRESHOLDS), evidence.classes)
    precision = np.full((*shape, len(RECALL_POINTS)), NOTHING)
    reached = np.full((*shape, len(RECALL_POINTS)), NOTHING)
    recall = np.full(shape, NOTHING)
    bounds = evidence.bounds()
    for label in np.flatnonzero(totals):
        part = slice(bounds[label], bounds[label + 1])
        kept = evidence.rank[part] < most
        scores = evidence.score[part][kept]
        matched = evidence.matched[index, :, part][:, kept]
        ignored = evidence.ignored[index, :, part][:, kept]
        for step in range(shape[0]):
            order = tie_order(scores, matched[step], ties)
            filled = one_curve(matched[step][order], ignored[step][order], scores[order], totals[label])
            precision[step, label], recall[step, label], reached[step, label] = filled
    return Curves(precision, recall, reached)


def tie_order(scores: np.ndarray, matched: np.ndarray, ties: str) -> np.ndarray | slice:
    if ties == "pycocotools":
        return slice(None)
    return np.lexsort((~matched if ties == "best" else matched, -scores))


def one_curve(
    matched: np.ndarray, ignored: np.ndarray, scores: np.ndarray, objects: int
) -> tuple[np.ndarray, float, np.ndarray]:
    """Precision at the recall points, final recall, and scores there, of one class and threshold."""
    counted = ~ignored
    kept = scores[counted]
    true = np.cumsum(matched[counted])
    recall = true / objects
    precision = true / (np.arange(1, len(true) + 1) + np.spacing(1))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(recall, RECALL_POINTS)
    inside = place < len(true)
    filled, reached = np.zeros((2, len(place)))
    filled[inside], reached[inside] = envelope[place[inside]], kept[place[inside]]
    # At recall 0 pycocotools takes the best score of all, even that of a detection that is ignored.
    reached[0] = scores[0] if len(scores) else 0
    return filled, float(recall[-1]) if len(true) else 0.0, reached


def tie_bounds(evidence: Evidence) -> tuple[float, float]:
    """AP under the worst and the best order among equal scores."""
    worst, best = (mean_of_valid(curves_of(evidence, ties=order).precision) for order in ("worst", "best"))
    return worst, best


def named(values: Sequence[float], names: Sequence[str]) -> dict[str, float]:
    """Values by class, as a dictionary of plain floats."""
    return dict(zip(names, map(float, values), strict=True))
