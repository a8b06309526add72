"""A difference in AP, shared out exactly: to kinds of error, classes, sizes and images.

AP is a sum over found objects. With precision made monotone and the area under it taken whole,

    AP = mean over IoU thresholds t and classes c of  1/n_c * sum over found objects k of E_k,

where ``n_c`` is the number of objects and ``E_k`` the highest precision at or after the rank of ``k``,
reached at some hit ``j(k)``: ``E_k = T/(T+F)`` there, with ``T`` hits and ``F`` false alarms up to it. So
every found object has a credit, ``E_k / (n_c * classes * thresholds)``, and AP is their sum. COCO reads the
curve at 101 recalls instead (``COCOeval.accumulate``); what that changes is the ``remainder``.

A difference, variant less base, is then for every object and threshold one of three:

- found by the base alone: its credit is lost, to the cause that the variant gives (``error_kinds``);
- found by the variant alone: its credit is gained, from the cause that the base gave;
- found by both: false alarms changed it. As 1/E = 1 + sum over kinds of F_kind/T, exactly

      E_v - E_b = -E_v E_b * sum over kinds of (F_kind,v/T_v - F_kind,b/T_b),

  which gives every false alarm ranked before ``j_v(k)`` the share -E_v E_b/T_v, and of the base +E_v E_b/T_b.

The first two are the ``objects`` part, the third the ``false alarms`` part. Where fewer hits come before
it, the same false alarm weighs more, and that too is in this part. Nothing overlaps and nothing is left
over, unlike TIDE's oracles (Bolya et al. 2020), whose gains from repairing one kind at a time do not sum.

A loss lies where its origin lies: with the image of the lost object, and with that of the false alarm. Its
class and its size are those of the object whose credit changed.
"""

from dataclasses import dataclass

import numpy as np

from helpers.tasks.detection.error_kinds import KINDS, Kinds
from helpers.tasks.detection.evidence import IOU_THRESHOLDS, Evidence

SIZES = ("small", "medium", "large")
# COCO's bounds, of which each belongs to the smaller size here, so that no object counts twice.
SIZE_BOUNDS = (32**2, 96**2)
PARTS = ("objects", "false alarms")
OBJECTS, ALARMS = range(len(PARTS))
RECALL_POINTS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Attribution:
    """Where the difference in AP between two variants lies, as fractions of 1; negative is loss.

    ``P`` are ``PARTS``, ``S`` are ``SIZES``, ``N`` are ``KINDS``, ``K`` classes, ``I`` images.

    Attributes:
        image_parts: float64 ``[P, I, S, N]``.
        class_parts: float64 ``[P, K, S, N]``, the same sums by class.
        class_remainder: float64 ``[K]``, what reading at 101 recalls changes.
        class_total: float64 ``[K]``, each class's share of the AP difference: sum of its row in
            ``by_class`` and its remainder. Times the classes that have objects, its own difference.
    """

    image_parts: np.ndarray
    class_parts: np.ndarray
    class_remainder: np.ndarray
    class_total: np.ndarray

    @property
    def total(self) -> float:
        """AP of the variant less AP of the base, COCO's, over all sizes."""
        return float(self.class_total.sum())

    @property
    def remainder(self) -> float:
        return float(self.class_remainder.sum())

    @property
    def by_kind(self) -> np.ndarray:
        """``[P, N]``: sums to ``total - remainder``, as do the others."""
        return self.class_parts.sum((1, 2))

    @property
    def by_class(self) -> np.ndarray:
        """``[K, N]``."""
        return self.class_parts.sum((0, 2))

    @property
    def by_size(self) -> np.ndarray:
        """``[S, N]``."""
        return self.class_parts.sum((0, 1))

    @property
    def by_image(self) -> np.ndarray:
        """``[I, N]``."""
        return self.image_parts.sum((0, 2))


@dataclass(frozen=True)
class Side:
    """One of the two variants.

    Attributes:
        evidence, kinds: of the variant.
        bounds: where each class begins and ends among the detections.
        hits, alarms: bool ``[T, D]``: what found an object to be found, and what found nothing and counts.
        drawn: int ``[I]``, how often each image counts.
    """

    evidence: Evidence
    kinds: Kinds
    bounds: np.ndarray
    hits: np.ndarray
    alarms: np.ndarray
    drawn: np.ndarray


@dataclass(frozen=True)
class Hits:
    """What one variant found of a class at a threshold, ``H`` objects, best score first.

    Attributes:
        object: int32 ``[H]``, row of the object.
        credit: float64 ``[H]``, ``E_k``.
        peak: int ``[H]``, which hit, from 0, has that precision: ``j(k)``.
        true: int ``[H]``, true positives up to the hit, it included: ``T``.
        place: int ``[H]``, place of the hit among the detections of the class.
        drawn: int ``[H]``, how often its image counts.
    """

    object: np.ndarray
    credit: np.ndarray
    peak: np.ndarray
    true: np.ndarray
    place: np.ndarray
    drawn: np.ndarray


def explain(
    base: Evidence,
    base_kinds: Kinds,
    variant: Evidence,
    variant_kinds: Kinds,
    weights: np.ndarray | None = None,
) -> Attribution:
    """Share out the AP of ``variant`` less that of ``base``.

    Args:
        base, variant: evidence on the same objects.
        base_kinds, variant_kinds: from ``error_kinds.classify``.
        weights: how often each image counts, int ``[I]``; None for once. An image drawn twice counts
            as two images with the same detections; equal scores of one image stay together by rank.

    Raises:
        ValueError: the objects differ.
    """
    require_same_objects(base, variant)
    drawn = np.ones(base.images, int) if weights is None else weights
    sides = side(variant, variant_kinds, drawn), side(base, base_kinds, drawn)
    objects = base.objects() * drawn
    totals = objects.sum(1)
    image_parts = np.zeros((len(PARTS), base.images, len(SIZES), len(KINDS)))
    class_parts = np.zeros((len(PARTS), base.classes, len(SIZES), len(KINDS)))
    areas = np.zeros((2, base.classes))
    labels = np.flatnonzero(totals)
    for label in labels:
        weight = 1 / (len(labels) * len(IOU_THRESHOLDS) * totals[label])
        parts, areas[:, label] = explain_class(sides, label, int(totals[label]))
        image_parts += weight * parts
        class_parts[:, label] = weight * parts.sum(1)
    total, area = areas / (max(1, len(labels)) * len(IOU_THRESHOLDS))
    return Attribution(image_parts, class_parts, total - area, total)


def require_same_objects(base: Evidence, variant: Evidence) -> None:
    names = ("object_image", "object_category", "object_area", "object_crowd", "counts")
    differing = [name for name in names if not np.array_equal(getattr(base, name), getattr(variant, name))]
    if differing:
        raise ValueError(f"The two variants were scored on different objects: {', '.join(differing)} differ.")


def side(evidence: Evidence, kinds: Kinds, drawn: np.ndarray) -> Side:
    matched, counts = evidence.matched[0], ~evidence.ignored[0] & (drawn[evidence.image] > 0)
    return Side(evidence, kinds, evidence.bounds(), matched & counts, ~matched & counts, drawn)


def explain_class(
    sides: tuple[Side, Side], label: int, objects: int
) -> tuple[np.ndarray, tuple[float, float]]:
    """Contributions of one class, without the factor 1/(objects * classes * thresholds).

    Args:
        sides: variant and base.
        label: index of the class.
        objects: how many of it are to be found.

    Returns:
        Contributions ``[P, I, S, N]``, and the difference in area under the curves, summed over the
        thresholds: as COCO reads it, and whole.
    """
    parts = np.zeros((len(PARTS), sides[0].evidence.images, len(SIZES), len(KINDS)))
    read = whole = 0.0
    for step in range(len(IOU_THRESHOLDS)):
        variant, base = (hits_of(each, label, step) for each in sides)
        _, in_variant, in_base = np.intersect1d(variant.object, base.object, True, True)
        add_objects(parts[OBJECTS], sides[1], step, variant, in_variant, 1)
        add_objects(parts[OBJECTS], sides[0], step, base, in_base, -1)
        common = variant.credit[in_variant] * base.credit[in_base] * base.drawn[in_base]
        add_alarms(parts[ALARMS], sides[0], (label, step), variant, in_variant, -common)
        add_alarms(parts[ALARMS], sides[1], (label, step), base, in_base, common)
        read += area_at_recalls(variant, objects) - area_at_recalls(base, objects)
        whole += (variant.credit @ variant.drawn - base.credit @ base.drawn) / objects
    return parts, (read, whole)


def hits_of(side: Side, label: int, step: int) -> Hits:
    part = slice(*side.bounds[label : label + 2])
    drawn = side.drawn[side.evidence.image[part]]
    place = np.flatnonzero(side.hits[step, part])
    true = np.cumsum(drawn[place])
    precision = true / (true + np.cumsum(side.alarms[step, part] * drawn)[place])
    credit = np.maximum.accumulate(precision[::-1])[::-1]
    peak = np.where(precision == credit, np.arange(len(place)), len(place))
    peak = np.minimum.accumulate(peak[::-1])[::-1]
    return Hits(side.evidence.found[step, part][place], credit, peak, true, place, drawn[place])


def area_at_recalls(hits: Hits, objects: int) -> float:
    """Area under the curve as COCO reads it: the mean at 101 recalls, of the first hit that gets there."""
    reached = np.searchsorted(hits.true / objects, RECALL_POINTS)
    return float(np.append(hits.credit, 0)[reached].mean())


def add_objects(parts: np.ndarray, other: Side, step: int, hits: Hits, shared: np.ndarray, sign: int) -> None:
    """Add to ``parts`` ``[I, S, N]`` what the ``other`` variant did not find, by the cause that it gives."""
    alone = np.delete(np.arange(len(hits.object)), shared)
    row = hits.object[alone]
    cell = other.evidence.object_image[row], size_of(other.evidence.object_area[row])
    np.add.at(parts, (*cell, other.kinds.cause[step, row]), sign * (hits.credit * hits.drawn)[alone])


def add_alarms(
    parts: np.ndarray, side: Side, at: tuple[int, int], hits: Hits, shared: np.ndarray, common: np.ndarray
) -> None:
    """Add to ``parts`` ``[I, S, N]`` what each false alarm of ``side`` does to the objects found by both.

    Args:
        parts: contributions, changed in place.
        side: one variant.
        at: index of the class and of the threshold.
        hits: what it found.
        shared: which of the hits the other variant found too, ``[n]``.
        common: product of both variants' credits, signed, times how often the image counts, ``[n]``.
    """
    label, step = at
    part = slice(*side.bounds[label : label + 2])
    peak, size = hits.peak[shared], size_of(side.evidence.object_area[hits.object[shared]])
    shares = np.zeros((len(SIZES), part.stop - part.start))
    np.add.at(shares, (size, hits.place[peak]), common / hits.true[peak])
    # A false alarm weighs on all objects whose precision is reached after it.
    shares = np.cumsum(shares[:, ::-1], axis=1)[:, ::-1]
    alarms = np.flatnonzero(side.alarms[step, part])
    image = side.evidence.image[part][alarms].astype(np.int64)
    cell = image * len(KINDS) + side.kinds.detection[step, part][alarms]
    for number, share in enumerate(shares[:, alarms] * side.drawn[image]):
        parts[:, number] += np.bincount(cell, share, parts[:, 0].size).reshape(-1, len(KINDS))


def size_of(area: np.ndarray) -> np.ndarray:
    """Index into ``SIZES`` for areas in pixels."""
    return np.searchsorted(SIZE_BOUNDS, area)
