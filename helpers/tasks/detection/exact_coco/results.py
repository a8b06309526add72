"""What an evaluation returns: FiftyOne's COCO results and what they lack."""

import base64
import functools
from collections.abc import Mapping, Sequence

import numpy as np
from fiftyone.utils.eval.coco import COCODetectionResults

from helpers.tasks.detection.evidence import Evidence
from helpers.tasks.detection.exact_coco.checks import hexed
from helpers.tasks.detection.exact_coco.outcomes import Outcomes
from helpers.tasks.detection.exact_coco.reading import Collected
from helpers.tasks.detection.exact_coco.writing import partner_ids
from helpers.tasks.detection.matching import NO_OBJECT

EXTRAS = ("stats", "ap_per_class", "tie_bounds", "distinct_scores", "evidence_npz", "image_ids")
NAMES = {
    "ap": "AP", "ap50": "AP50", "ap75": "AP75",
    "ap_small": "AP small", "ap_medium": "AP medium", "ap_large": "AP large",
    "ar1": "AR, 1 detection", "ar10": "AR, 10 detections", "ar100": "AR, 100 detections",
    "ar_small": "AR small", "ar_medium": "AR medium", "ar_large": "AR large",
}  # fmt: skip


class ExactCOCODetectionResults(COCODetectionResults):
    """FiftyOne's COCO results, and:

    Attributes:
        stats: COCO's twelve numbers by name (``ap``, ``ap50``, ..., ``ar_large``), fractions 0..1; -1
            where there is nothing to find. Equal to pycocotools' ``COCOeval.stats``.
        ap_per_class: class -> AP.
        tie_bounds: AP under the worst and the best order among equal scores.
        distinct_scores: number of distinct scores among the detections.
        evidence: how every detection fared (``helpers.tasks.detection.evidence.Evidence``), for resampling.
        image_ids: the images in the order of the evidence: image ids, or sample ids.

    A process that cannot import ``helpers`` loads FiftyOne's ``DetectionResults`` instead: reports,
    confusion matrices and views work, AP and curves are absent. The App's server is such a process,
    unless this project's folder is on ``PYTHONPATH`` when the App is launched.
    """

    def __init__(
        self,
        *args,
        stats: Mapping[str, float],
        ap_per_class: Mapping[str, float],
        tie_bounds: Sequence[float],
        distinct_scores: int,
        evidence_npz: str,
        image_ids: Sequence,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.stats = dict(stats)
        self.ap_per_class = dict(ap_per_class)
        self.tie_bounds = list(tie_bounds)
        self.distinct_scores = distinct_scores
        self.evidence_npz = evidence_npz
        self.image_ids = list(image_ids)

    @functools.cached_property
    def _evidence(self) -> Evidence:
        return Evidence.from_bytes(base64.b64decode(self.evidence_npz))

    @property
    def evidence(self) -> Evidence:
        return self._evidence

    def print_stats(self) -> None:
        """Print COCO's twelve numbers, and how much of AP is the order among equal scores."""
        for name, value in self.stats.items():
            print(f"{NAMES[name]:20s}{'n/a' if value < 0 else f'{value:.4f}':>8s}")
        worst, best = self.tie_bounds
        print(f"AP among {self.distinct_scores} distinct scores: {worst:.4f} to {best:.4f}, by order of ties")

    @classmethod
    def _from_dict(cls, d, samples, config, eval_key, **kwargs):
        extras = {name: d[name] for name in EXTRAS}
        return super()._from_dict(d, samples, config, eval_key, **extras, **kwargs)


def encoded(evidence: Evidence) -> str:
    """Evidence as text, for a JSON document."""
    return base64.b64encode(evidence.to_bytes()).decode("ascii")


def matches_of(collected: Collected, outcomes: Outcomes) -> list[tuple]:
    """FiftyOne's matches: (true label, predicted label, iou, confidence, object id, detection id)."""
    names = np.array([*collected.names, None], object)
    found, truth = collected.found, collected.truth
    order = outcomes.order
    partner = outcomes.object[order]
    no_partner = partner == NO_OBJECT
    iou = outcomes.iou[order].astype(object)
    iou[no_partner] = None
    ids = [i.hex() for i in found.id[order].tolist()]
    object_ids = [i or None for i in partner_ids(truth, partner)]
    category = np.where(no_partner, -1, np.append(truth.name, -1)[partner])
    scores = found.extra["score"][order].tolist()
    rows = list(zip(names[category], names[found.name[order]], iou, scores, object_ids, ids, strict=True))
    alone = np.flatnonzero(outcomes.detection == NO_OBJECT)
    rows += [(names[truth.name[g]], None, None, None, hexed(truth.id[g]), None) for g in alone]
    sample = np.concatenate([found.sample[order], truth.sample[alone]])
    return [rows[i] for i in np.argsort(sample, kind="stable")]
