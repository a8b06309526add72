"""What 03 records of a variant's detections."""

from collections.abc import Mapping
from dataclasses import dataclass

from helpers.lab.records import Number


@dataclass(frozen=True)
class LoopTime:
    """Seconds: decoding, the loop of inference; core and tail within it, over all cores.

    Over the photos that this machine went through; those of a cluster say nothing about it.
    """

    decode_s: float
    loop_s: float
    core_s: float
    tail_s: float


@dataclass(frozen=True)
class Scored:
    """COCO's metric of one variant, and what it took.

    Attributes:
        stats: COCO's twelve numbers by name, 0..1; -1 where there is nothing to find.
        ap_per_class: class -> AP, the same.
        tie_bounds: AP under the worst and the best order among equal scores.
        distinct_scores: how many values its scores take.
        images, detections: how many.
        field: of the data set in FiftyOne, where the detections are.
        loops: (photos, seconds) of each shard of the loop on this machine; empty where a cluster ran it.
        broken_images: photos for which the core gave NaN or infinity.
        findings: what is suspicious, in sentences.
    """

    stats: Mapping[str, float]
    ap_per_class: Mapping[str, Number]
    tie_bounds: tuple[float, float]
    distinct_scores: int
    images: int
    detections: int
    field: str
    timing: LoopTime
    loops: tuple[tuple[int, float], ...]
    broken_images: int
    findings: tuple[str, ...]
