"""Bulk writes to FiftyOne's database, in memory that is bounded by one batch of samples."""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

import numpy as np
from bson import ObjectId
from pymongo import UpdateOne

from helpers.lab.errors import LabError
from helpers.tasks.detection.exact_coco.collector import collector_paused
from helpers.tasks.detection.exact_coco.outcomes import Outcomes
from helpers.tasks.detection.exact_coco.reading import Collected, LabelColumns, new_ids
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
    count = len(sample.labels)
    return document(
        new_ids(count).tolist(),
        sample.labels,
        np.asarray(sample.boxes, float).reshape(-1, 4).tolist(),
        np.asarray(sample.scores, float).tolist(),
        [{}] * count,
    )


def document(ids, labels, boxes, scores, more) -> dict:
    """``fo.Detections`` as a database document, of one list for each attribute, and one of others by name."""
    rows = zip(ids, labels, boxes, scores, more, strict=True)
    return {
        "_cls": "Detections",
        "detections": [
            {
                "_id": ObjectId(identifier),
                "_cls": "Detection",
                "attributes": {},
                "tags": [],
                "label": label,
                "bounding_box": box,
                "confidence": score,
                **other,
            }
            for identifier, label, box, score, other in rows
        ],
    }


def write_outcomes(
    samples, config, eval_key: str, collected: Collected, outcomes: Outcomes, progress, written: bool = True
) -> None:
    """Write an evaluation's fields: of every label that was read, and the counts of every sample.

    Labels are found by id, so that labels which a view filters out, or which somebody adds meanwhile,
    stay as they are. Predictions that are not ``written`` yet are, in the same go, with their outcomes.
    """
    import fiftyone as fo

    writer = OutcomeWriter(config, eval_key, collected, outcomes, written)
    dataset = samples._dataset
    with fo.ProgressBar(total=len(collected.sample_ids), progress=progress) as bar:
        for begin in range(0, len(collected.sample_ids), BATCH):
            indices = range(begin, min(begin + BATCH, len(collected.sample_ids)))
            updates = [writer.update(index) for index in indices]
            dataset._bulk_write(updates, ids=[writer.ids[index] for index in indices])
            bar.update(len(updates))


class OutcomeWriter:
    """Makes one update per sample."""

    def __init__(self, config, eval_key: str, collected: Collected, outcomes: Outcomes, written: bool):
        self.config, self.key, self.written = config, eval_key, written
        self.names = collected.names
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
        if self.written:
            values |= self.merged(self.config.pred_field, self.found, found, self.found_values(found))
        else:
            values[self.config.pred_field] = {"$literal": self.whole(found)}
        return UpdateOne({"_id": self.ids[index]}, [{"$set": values}])

    def whole(self, rows: slice) -> dict:
        """The predictions of one sample, with their outcomes."""
        found = self.found
        return document(
            found.id[rows].tolist(),
            [self.names[name] for name in found.name[rows].tolist()],
            found.box[rows].tolist(),
            found.extra["score"][rows].tolist(),
            self.found_values(rows),
        )

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
        ids = [ObjectId(i) for i in labels.id[rows].tolist()]
        path = f"{field}.detections"
        return {path: merged_labels(f"${path}", ids, values)}


def merged_labels(labels: str, ids: list[ObjectId], values: list[dict]) -> dict:
    """MongoDB expression: the labels of a sample, those with one of the ``ids`` together with its values."""
    both = [{"$first": "$$pair"}, {"$last": "$$pair"}]
    zipped = {"input": {"$zip": {"inputs": [labels, "$$values"]}}, "as": "pair"}
    place = {"$indexOfArray": ["$$ids", "$$label._id"]}
    joined = {"$mergeObjects": ["$$label", {"$arrayElemAt": ["$$values", "$$place"]}]}
    known = {"$cond": [{"$lt": ["$$place", 0]}, "$$label", joined]}
    each = {"$let": {"vars": {"place": place}, "in": known}}
    # As a rule all labels are there, as they stood; else each is looked for.
    whole = {"$map": zipped | {"in": {"$mergeObjects": both}}}
    some = {"$map": {"input": labels, "as": "label", "in": each}}
    variables = {"ids": {"$literal": ids}, "values": {"$literal": values}}
    same = {"$eq": [f"{labels}._id", "$$ids"]}
    return {"$let": {"vars": variables, "in": {"$cond": [same, whole, some]}}}


def partner_ids(labels: LabelColumns, rows: np.ndarray) -> list[str]:
    """Ids of the labels in ``rows``; empty for -1, as FiftyOne has it."""
    known = rows != NO_OBJECT
    ids = iter(labels.id[rows[known]].tolist())
    return [next(ids).hex() if there else "" for there in known.tolist()]
