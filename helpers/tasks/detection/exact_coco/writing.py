"""Bulk writes to FiftyOne's database, in memory that is bounded by one batch of samples."""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

import numpy as np
from bson import ObjectId
from pymongo import UpdateOne

from helpers.lab.errors import LabError
from helpers.tasks.detection.exact_coco.collector import collector_paused
from helpers.tasks.detection.exact_coco.outcomes import Outcomes
from helpers.tasks.detection.exact_coco.reading import Collected, LabelColumns
from helpers.tasks.detection.matching import NO_OBJECT

BATCH = 500  # samples per write


@dataclass(frozen=True)
class SampleDetections:
    """One sample's detections.

    Attributes:
        sample_id: the sample's id.
        labels: class names ``[n]``.
        boxes: float64 ``[n, 4]``, (x, y, width, height) relative to the image.
        scores: float64 ``[n]``.
    """

    sample_id: str
    labels: Sequence[str]
    boxes: np.ndarray
    scores: np.ndarray


def write_detections(dataset, field: str, samples: Iterable[SampleDetections]) -> None:
    """Set ``field`` of the given samples, replacing what it held.

    Args:
        dataset: a FiftyOne data set.
        field: the name of the field; made if it is absent.
        samples: taken one at a time, so that they may be read from disk meanwhile.

    Raises:
        LabError: a sample that the data set does not have; batches before it are written.
    """
    import fiftyone as fo

    known = set(dataset.values("id"))
    dataset.add_sample_field(field, fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    for batch in batches(samples, BATCH):
        require_known(batch, known, dataset.name)
        write_batch(dataset, field, batch)


def require_known(batch: Sequence[SampleDetections], known: Set[str], name: str) -> None:
    unknown = next((sample.sample_id for sample in batch if sample.sample_id not in known), None)
    if unknown is not None:
        raise LabError(
            f"detections of sample {unknown}, which data set {name!r} does not have.",
            f"ids among its {len(known)} samples",
            "take the ids from this data set: `dataset.values('id')`.",
        )


@collector_paused()
def write_batch(dataset, field: str, batch: Sequence[SampleDetections]) -> None:
    ids = [ObjectId(sample.sample_id) for sample in batch]
    updates = [
        UpdateOne({"_id": i}, [{"$set": {field: {"$literal": as_document(sample)}, **TOUCHED}}])
        for i, sample in zip(ids, batch, strict=True)
    ]
    dataset._bulk_write(updates, ids=ids)


TOUCHED = {"last_modified_at": "$$NOW"}


def batches(items: Iterable, size: int) -> Iterator[list]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def as_document(sample: SampleDetections) -> dict:
    """One image's ``fo.Detections`` as its database document."""
    rows = zip(
        sample.labels,
        np.asarray(sample.boxes, float).reshape(-1, 4).tolist(),
        np.asarray(sample.scores, float).tolist(),
        strict=True,
    )
    return {
        "_cls": "Detections",
        "detections": [
            {
                "_id": ObjectId(),
                "_cls": "Detection",
                "attributes": {},
                "tags": [],
                "label": label,
                "bounding_box": box,
                "confidence": score,
            }
            for label, box, score in rows
        ],
    }


def write_outcomes(
    samples, config, eval_key: str, collected: Collected, outcomes: Outcomes, progress
) -> None:
    """Write an evaluation's fields: of every label that was read, and the counts of every sample.

    Labels are found by id, so that labels which a view filters out, or which somebody adds meanwhile,
    stay as they are.
    """
    import fiftyone as fo

    writer = OutcomeWriter(config, eval_key, collected, outcomes)
    dataset = samples._dataset
    with fo.ProgressBar(total=len(collected.sample_ids), progress=progress) as bar:
        for begin in range(0, len(collected.sample_ids), BATCH):
            indices = range(begin, min(begin + BATCH, len(collected.sample_ids)))
            updates = [writer.update(index) for index in indices]
            dataset._bulk_write(updates, ids=[writer.ids[index] for index in indices])
            bar.update(len(updates))


class OutcomeWriter:
    """Makes one update per sample."""

    def __init__(self, config, eval_key: str, collected: Collected, outcomes: Outcomes):
        self.config, self.key = config, eval_key
        self.ids = [ObjectId(bytes(i)) for i in collected.sample_ids]
        self.truth, self.found = collected.truth, collected.found
        self.outcomes = outcomes
        count = np.arange(len(self.ids) + 1)
        self.truth_bounds = np.searchsorted(self.truth.sample, count)
        self.found_bounds = np.searchsorted(self.found.sample, count)

    def update(self, index: int) -> UpdateOne:
        truth = slice(*self.truth_bounds[index : index + 2])
        found = slice(*self.found_bounds[index : index + 2])
        hits = int(self.outcomes.hit[found].sum())
        values = {
            f"{self.key}_tp": hits,
            f"{self.key}_fp": int(found.stop - found.start) - hits,
            f"{self.key}_fn": int((~self.outcomes.right[truth]).sum()),
            **TOUCHED,
        }
        values |= self.merged(self.config.gt_field, self.truth, truth, self.truth_values(truth))
        values |= self.merged(self.config.pred_field, self.found, found, self.found_values(found))
        return UpdateOne({"_id": self.ids[index]}, [{"$set": values}])

    def found_values(self, rows: slice) -> list[dict]:
        partners = self.outcomes.object[rows]
        ids = partner_ids(self.truth, partners)
        verdicts = np.where(self.outcomes.hit[rows], "tp", "fp").tolist()
        return self.values(verdicts, ids, self.outcomes.iou[rows])

    def truth_values(self, rows: slice) -> list[dict]:
        partners = self.outcomes.detection[rows]
        ids = partner_ids(self.found, partners)
        verdicts = np.where(self.outcomes.right[rows], "tp", "fn").tolist()
        known = partners != NO_OBJECT
        iou = np.full(len(partners), np.nan)
        iou[known] = self.outcomes.iou[partners[known]]
        return self.values(verdicts, ids, iou)

    def values(self, verdicts: list[str], ids: list[str], iou: np.ndarray) -> list[dict]:
        overlaps = [None if np.isnan(value) else value for value in iou.tolist()]
        names = (self.key, f"{self.key}_id", f"{self.key}_iou")
        return [dict(zip(names, row, strict=True)) for row in zip(verdicts, ids, overlaps, strict=True)]

    def merged(self, field: str, labels: LabelColumns, rows: slice, values: list[dict]) -> dict:
        if not values:
            return {}
        ids = [ObjectId(bytes(i)) for i in labels.id[rows]]
        place = {"$indexOfArray": [{"$literal": ids}, "$$label._id"]}
        joined = {"$mergeObjects": ["$$label", {"$arrayElemAt": [{"$literal": values}, "$$place"]}]}
        known = {"$cond": [{"$lt": ["$$place", 0]}, "$$label", joined]}
        each = {"$let": {"vars": {"place": place}, "in": known}}
        path = f"{field}.detections"
        return {path: {"$map": {"input": f"${path}", "as": "label", "in": each}}}


def partner_ids(labels: LabelColumns, rows: np.ndarray) -> list[str]:
    """Ids of the labels in ``rows``; empty for -1, as FiftyOne has it."""
    return ["" if row == NO_OBJECT else bytes(labels.id[row]).hex() for row in rows.tolist()]
