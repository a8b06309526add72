"""COCO's metric: columns to evidence, evidence to AP and AR. Equal to pycocotools' digits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns, stable_order
from helpers.tasks.detection.evidence import AREA_BOUNDS, AREAS, IOU_THRESHOLDS, MOST_DETECTIONS, Evidence
from helpers.tasks.detection.matching import NO_OBJECT, Matches, ignorable, match, outside

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
    whole = curves["all"]
    found = {"ap": mean_precision(whole), "ap50": mean_precision(whole, 0), "ap75": mean_precision(whole, 5)}
    found |= {f"ap_{area}": mean_precision(curves[area]) for area in AREAS[1:]}
    found |= {f"ar{most}": mean_of_valid(recall_of(evidence, "all", most)) for most in (1, 10)}
    found |= {"ar100": mean_of_valid(whole.recall)}
    found |= {f"ar_{area}": mean_of_valid(curves[area].recall) for area in AREAS[1:]}
    per_class = np.array([mean_of_valid(whole.precision[:, k]) for k in range(classes)])
    return Score({name: found[name] for name in STATS}, per_class, whole, evidence)


def gather(objects: ObjectColumns, detections: DetectionColumns, images: int, classes: int) -> Evidence:
    """Match at COCO's thresholds and areas; detections in pycocotools' order."""
    matches = match(objects, detections, IOU_THRESHOLDS, AREA_BOUNDS, MOST_DETECTIONS)
    # Cells are sorted by image, so a stable sort leaves ties in the order of images.
    order = stable_order(-detections.score[matches.row], detections.category[matches.row])
    row = matches.row[order]
    matched, ignored, found = placed(matches, order, objects, detections.area[row])
    return Evidence(
        image=detections.image[row].astype(np.int32),
        category=detections.category[row].astype(np.int16),
        score=detections.score[row].astype(np.float64),
        rank=matches.rank[order].astype(np.int16),
        row=row,
        matched=matched,
        ignored=ignored,
        found=found,
        object_image=objects.image.astype(np.int32),
        object_category=objects.category.astype(np.int16),
        object_area=objects.area.astype(np.float64),
        object_crowd=objects.crowd.astype(bool),
        counts=np.array([images, classes]),
    )


def placed(
    matches: Matches, order: np.ndarray, objects: ObjectColumns, area: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``matched``, ``ignored`` and ``found`` of the evidence.

    Args:
        matches: at COCO's areas and thresholds.
        order: int ``[D]``, where the detections of the evidence stand among those matched.
        objects: that were matched.
        area: float64 ``[D]``, of the detections in the order of the evidence.
    """
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    near = place[matches.near]
    shape = len(IOU_THRESHOLDS), len(order)
    matched, ignored = np.zeros((len(AREAS), *shape), bool), np.empty((len(AREAS), *shape), bool)
    found = np.full(shape, NO_OBJECT, np.int32)
    found[:, near] = matches.met[0].T
    no_object = ignorable(objects, AREA_BOUNDS)
    for index, (bounds, met) in enumerate(zip(AREA_BOUNDS, matches.met, strict=True)):
        ignored[index] = outside(area, bounds)
        hit = met != NO_OBJECT
        matched[index][:, near] = hit.T
        by_object = np.append(no_object[index], False)[met]
        ignored[index][:, near] = np.where(hit.T, by_object.T, ignored[index][:, near])
    return matched, ignored, found


def mean_precision(curves: Curves, step: int | None = None) -> float:
    """AP over all IoU thresholds or at that of one index; summed in pycocotools' order, to the last digit."""
    chosen = curves.precision if step is None else curves.precision[[step]]
    return mean_of_valid(chosen.swapaxes(1, 2))


def mean_of_valid(values: np.ndarray) -> float:
    valid = values[values > -1]
    return float(valid.mean()) if valid.size else NOTHING


def recall_of(evidence: Evidence, area: str, most: int) -> np.ndarray:
    """Recall per IoU threshold and class of at most so many detections per image and class, ``[T, K]``."""
    return Hits.of(evidence, area, most, "pycocotools").recall(evidence.objects(area).sum(1))


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
    hits, totals = Hits.of(evidence, area, most, ties), evidence.objects(area).sum(1)
    shape = (len(IOU_THRESHOLDS), evidence.classes, len(RECALL_POINTS))
    precision, reached = np.full((2, *shape), NOTHING)
    first = first_scores(evidence)
    for label in np.flatnonzero(totals):
        for step in range(shape[0]):
            part = slice(*hits.bounds[step, label : label + 2])
            filled = one_curve(hits.true[part], hits.counted[part], hits.score[part], totals[label])
            precision[step, label], reached[step, label] = filled
        # At recall 0 pycocotools takes the best score of all, even that of a detection that is ignored.
        reached[:, label, 0] = first[label]
    return Curves(precision, hits.recall(totals), reached)


def first_scores(evidence: Evidence) -> np.ndarray:
    """The best score of each class, ``[K]``; 0 where nothing was detected."""
    bounds = evidence.bounds()
    return np.where(np.diff(bounds) > 0, np.append(evidence.score, 0)[bounds[:-1]], 0)


@dataclass(frozen=True)
class Hits:
    """The true positives: by IoU threshold, by class, by score. Nothing else moves a precision that is read.

    Attributes:
        bounds: int ``[T, K + 1]``, where each class begins and ends among the ``H`` hits of a threshold.
        true: int ``[H]``, true positives of the class up to and with each.
        counted: int ``[H]``, detections of the class that count, up to and with each.
        score: float64 ``[H]``.
    """

    bounds: np.ndarray
    true: np.ndarray
    counted: np.ndarray
    score: np.ndarray

    @staticmethod
    def of(evidence: Evidence, area: str, most: int, ties: str) -> "Hits":
        index = AREAS.index(area)
        counts = ~evidence.ignored[index]
        if most < MOST_DETECTIONS:
            counts &= evidence.rank < most
        hit = evidence.matched[index] & counts
        step, place = np.divmod(np.flatnonzero(hit), max(1, hit.shape[1]))
        edges, length = evidence.bounds(), hit.shape[1]
        bounds = np.searchsorted(step * length + place, np.arange(len(hit))[:, None] * length + edges)
        begin = edges[evidence.category[place]]
        number = np.arange(len(place)) - bounds[step, evidence.category[place]]
        counted = counted_before(evidence, counts, hit, ties, step, place, begin)
        return Hits(bounds, number + 1, counted, evidence.score[place])

    def recall(self, objects: np.ndarray) -> np.ndarray:
        """Of all detections, ``[T, K]``; -1 for a class without objects."""
        share = np.diff(self.bounds, axis=1) / np.maximum(objects, 1)
        return np.where(objects > 0, share, NOTHING)


def counted_before(evidence, counts, hit, ties: str, step, place, begin) -> np.ndarray:
    """Detections that count from ``begin`` up to and with each hit at (``step``, ``place``), int ``[H]``."""
    counted = sums_before(counts)
    if ties == "pycocotools":
        return counted[step, place + 1] - counted[step, begin]
    true = sums_before(hit)
    first, last = equals(evidence)
    first, last = first[place], last[place]
    # Within equal scores: hits up to this one, and before them every false alarm or none.
    up_to = counted[step, first] - counted[step, begin] + true[step, place + 1] - true[step, first]
    if ties == "best":
        return up_to
    alarms = counted - true
    return up_to + alarms[step, last] - alarms[step, first]


def sums_before(chosen: np.ndarray) -> np.ndarray:
    """How many are ``chosen`` ``[T, D]`` before each place: int32 ``[T, D + 1]``."""
    sums = np.zeros((len(chosen), chosen.shape[1] + 1), np.int32)
    np.cumsum(chosen, axis=1, dtype=np.int32, out=sums[:, 1:])
    return sums


def equals(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """For each detection, where those of its class and score begin and end: int ``[D]`` each."""
    new = (np.diff(evidence.score) != 0) | (np.diff(evidence.category) != 0)
    edges = np.concatenate([[0], np.flatnonzero(new) + 1, [len(evidence.score)]])
    group = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    return edges[group], edges[group + 1]


def one_curve(
    true: np.ndarray, counted: np.ndarray, scores: np.ndarray, objects: int
) -> tuple[np.ndarray, np.ndarray]:
    """Precision at the recall points, and scores there, of one class and threshold, from its hits."""
    precision = np.append(true / (counted + np.spacing(1)), 0)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(true / objects, RECALL_POINTS)
    return envelope[place], np.append(scores, 0)[place]


def tie_bounds(evidence: Evidence) -> tuple[float, float]:
    """AP under the worst and the best order among equal scores."""
    worst, best = (mean_precision(curves_of(evidence, ties=order)) for order in ("worst", "best"))
    return worst, best


def named(values: Sequence[float], names: Sequence[str]) -> dict[str, float]:
    """Values by class, as a dictionary of plain floats."""
    return dict(zip(names, map(float, values), strict=True))
