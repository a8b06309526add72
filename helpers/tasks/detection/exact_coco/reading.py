"""A FiftyOne collection's ground truth and predictions as columns, read in one pass.

The database sends the few attributes that are needed, sample by sample, so that memory holds columns
of numbers and never the documents.
"""

import itertools
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from helpers.lab.errors import LabError
from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns

ID_DTYPE = np.dtype("V12")  # an ObjectId's bytes
# Boxes are stored as fractions of the image; the way there and back moves a number by some 1e-13
# pixels, enough to change whether an IoU of exactly 0.5 counts. Files have six decimals at most.
DECIMALS, NOISE_PX = 6, 1e-9


@dataclass(frozen=True)
class Fields:
    """Which fields and attributes to read; an evaluation's config serves as well.

    Attributes:
        gt_field, pred_field: fields of ``Detections``; no predictions if None.
        iscrowd, area: attributes of the ground truth.
        image_id: a sample field with integer image ids, by which images are ordered.
        categories: the label map; labels beyond it are numbered after it.
    """

    gt_field: str
    pred_field: str | None
    iscrowd: str = "iscrowd"
    area: str = "area"
    image_id: str | None = None
    categories: Sequence[str] | None = None


@dataclass(frozen=True)
class LabelColumns:
    """The labels of one field, one row each, in the order of samples.

    Attributes:
        sample: int32 ``[n]``, index of the sample.
        id: 12-byte ids ``[n]``.
        name: int32 ``[n]``, index into ``Collected.names``; -1 where there is no label.
        box: float64 ``[n, 4]``, (x, y, width, height) relative to the image; NaN where it is no box.
        extra: attribute name -> float64 ``[n]``, NaN where it is absent.
    """

    sample: np.ndarray
    id: np.ndarray
    name: np.ndarray
    box: np.ndarray
    extra: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.sample)


@dataclass(frozen=True)
class Collected:
    """What an evaluation needs of a collection.

    Attributes:
        sample_ids: 12-byte ids ``[I]``; order: by the image id if one was named, else the collection's.
        sizes: float64 ``[I, 2]``, width and height in pixels; NaN where the metadata lack them.
        image_ids: the image ids ``[I]``, if a field for them was named.
        names: the classes: the label map's, or every label that occurs, sorted.
        truth: with the attributes ``crowd`` and ``area``.
        found: with the attribute ``score``.
    """

    sample_ids: np.ndarray
    sizes: np.ndarray
    image_ids: list | None
    names: list[str]
    truth: LabelColumns
    found: LabelColumns

    def objects(self) -> ObjectColumns:
        truth, boxes = self.truth, self.pixels(self.truth)
        area = truth.extra["area"]
        return ObjectColumns(
            truth.sample,
            truth.name,
            boxes,
            np.where(np.isnan(area), boxes[:, 2] * boxes[:, 3], area),
            np.nan_to_num(truth.extra["crowd"]) > 0,
        )

    def detections(self) -> DetectionColumns:
        found = self.found
        return DetectionColumns(found.sample, found.name, self.pixels(found), found.extra["score"])

    def pixels(self, labels: LabelColumns) -> np.ndarray:
        boxes = labels.box * np.tile(self.sizes[labels.sample], 2)
        rounded = np.round(boxes, DECIMALS)
        return np.where(np.abs(rounded - boxes) <= NOISE_PX, rounded, boxes)


class Gatherer:
    """Collects one field's labels sample by sample."""

    def __init__(self, attributes: Sequence[str], numbers: dict[str, int]):
        self.attributes, self.numbers = attributes, numbers
        self.counts: list[int] = []
        self.ids: list[bytes] = []
        self.names: list[int] = []
        self.boxes: list[np.ndarray] = []
        self.extras: list[np.ndarray] = []

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        self.counts.append(len(rows))
        if not rows:
            return
        ids, labels, boxes, *extras = zip(*rows, strict=True)
        self.ids.append(b"".join(i.binary for i in ids))
        self.names.extend(self.number(label) for label in labels)
        self.boxes.append(as_boxes(boxes))
        self.extras.append(np.array([as_numbers(values) for values in extras]))

    def number(self, label: str | None) -> int:
        return -1 if label is None else self.numbers.setdefault(label, len(self.numbers))

    def columns(self, order: np.ndarray, place: np.ndarray) -> LabelColumns:
        """Joined; ``order`` puts samples in their order, ``place`` renumbers names."""
        counts = np.array(self.counts, int)
        sample = np.argsort(order)[np.repeat(np.arange(len(counts)), counts)].astype(np.int32)
        rows = np.argsort(sample, kind="stable")
        names = np.array(self.names, int)
        extras = np.concatenate(self.extras, 1) if self.extras else np.zeros((len(self.attributes), 0))
        return LabelColumns(
            sample[rows],
            np.frombuffer(b"".join(self.ids), ID_DTYPE)[rows],
            np.where(names < 0, -1, np.append(place, -1)[names])[rows].astype(np.int32),
            (np.concatenate(self.boxes) if self.boxes else np.zeros((0, 4)))[rows],
            dict(zip(self.attributes, extras[:, rows], strict=True)),
        )


def as_boxes(boxes: Sequence[Any]) -> np.ndarray:
    """``[n, 4]``; what is not four numbers becomes NaN, for the checks to name."""
    try:
        array = np.array(boxes, float)
        if array.shape == (len(boxes), 4):
            return array
    except (TypeError, ValueError):
        pass
    return np.array([as_box(box) for box in boxes])


def as_box(box: Any) -> list[float]:
    values = as_numbers(box if isinstance(box, Sequence) and not isinstance(box, str) else ())
    return values if len(values) == 4 else [float("nan")] * 4


def as_numbers(values: Iterable[Any]) -> list[float]:
    return [float(v) if isinstance(v, int | float) else float("nan") for v in values]


def attribute(name: str) -> dict:
    """A label's attribute, also where older versions of FiftyOne put it."""
    return {"$ifNull": [f"$$label.{name}", f"$$label.attributes.{name}.value"]}


def rows_of(field: str, attributes: Sequence[Any]) -> dict:
    """MongoDB expression: a field's labels as ``[id, label, box, attributes...]`` each."""
    columns = ["$$label._id", "$$label.label", "$$label.bounding_box", *attributes]
    return {"$map": {"input": {"$ifNull": [f"${field}.detections", []]}, "as": "label", "in": columns}}


def collect(samples, config: Fields) -> Collected:
    """Read a FiftyOne data set or view; labels that it filters out stay out."""
    numbers = {name: number for number, name in enumerate(config.categories or ())}
    truth, found = Gatherer(["crowd", "area"], numbers), Gatherer(["score"], numbers)
    ids, sizes, keys = [], [], []
    for sample in samples._aggregate(post_pipeline=[{"$project": wanted_columns(config)}]):
        ids.append(sample["_id"].binary)
        sizes.append(as_numbers(sample["size"]))
        keys.append(sample.get("key"))
        truth.add(sample["truth"])
        found.add(sample["found"])
    order = image_order(keys, ids, config.image_id)
    names = list(numbers) if config.categories else sorted(numbers)
    place = np.array([names.index(name) for name in numbers], int)
    return Collected(
        np.frombuffer(b"".join(ids), ID_DTYPE)[order],
        np.array(sizes, float).reshape(-1, 2)[order],
        [keys[i] for i in order] if config.image_id else None,
        names,
        truth.columns(order, place),
        found.columns(order, place),
    )


def with_found(truth: Collected, found: DetectionColumns) -> Collected:
    """The ground truth together with predictions that no database has yet; they get ids of their own.

    Args:
        truth: collected without predictions.
        found: in pixels, by image; images and classes are those of ``truth``.
    """
    box = found.box / np.tile(truth.sizes[found.image], 2)
    labels = LabelColumns(
        found.image.astype(np.int32),
        new_ids(len(found)),
        found.category.astype(np.int32),
        box,
        {"score": found.score},
    )
    return replace(truth, found=labels)


def new_ids(count: int) -> np.ndarray:
    """Ids as ObjectIds are made, 12 bytes each: the time, what is random, a number. ``ObjectId()`` makes one
    after the other.
    """
    ids = np.zeros(count, [("time", ">u4"), ("random", "V4"), ("number", ">u4")])
    ids["time"], ids["random"], ids["number"] = int(time.time()), np.void(os.urandom(4)), np.arange(count)
    return ids.view(ID_DTYPE)


def wanted_columns(config: Fields) -> dict:
    """What the database is asked for."""
    return {
        "size": ["$metadata.width", "$metadata.height"],
        "key": f"${config.image_id}" if config.image_id else None,
        "truth": rows_of(config.gt_field, [attribute(config.iscrowd), attribute(config.area)]),
        "found": rows_of(config.pred_field, ["$$label.confidence"])
        if config.pred_field
        else {"$literal": []},
    }


def image_order(keys: Sequence[Any], ids: Sequence[bytes], field: str | None) -> np.ndarray:
    """The order in which ties are broken: by image id, as pycocotools does, or as the samples stand."""
    if not field:
        return np.arange(len(keys))
    for number, key in enumerate(keys):
        if not isinstance(key, int):
            raise LabError(
                f"sample {ids[number].hex()} has {key!r} in field {field!r}.",
                "an integer image id in every sample",
                "fill the field, or leave image_id out: ties are then broken by the order of samples.",
            )
    order = np.argsort(np.array(keys, np.int64), kind="stable")
    same = [(a, b) for a, b in itertools.pairwise(order) if keys[a] == keys[b]]
    if same:
        first, second = same[0]
        raise LabError(
            f"samples {ids[first].hex()} and {ids[second].hex()} both have {field} = {keys[first]}.",
            "every image once",
            "delete one of the two, or evaluate a view without it.",
        )
    return order
