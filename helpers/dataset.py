"""FiftyOne: data sets, predictions in bulk, its own mAP, its App. The one home of ``fiftyone``."""

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bson import ObjectId
from pymongo import UpdateOne

from helpers import database
from helpers.coco import DATA, LABELS, read_labels
from helpers.errors import LabError
from helpers.files import sha256_file
from helpers.paths import data_dir

GROUND_TRUTH = "ground_truth"
BATCH = 1000


def fiftyone():
    """FiftyOne, connected to the project's own database."""
    database.connect(data_dir())
    import fiftyone

    return fiftyone


def dataset_name(folder: Path) -> str:
    """One FiftyOne data set per content: ``quantlab-validation-500-1a2b3c4d``."""
    return f"quantlab-{folder.name}-{sha256_file(folder / LABELS)[:8]}"


def load_dataset(folder: Path):
    """The COCO folder as a FiftyOne data set, imported once; an interrupted import is done again.

    Raises:
        LabError: the labels are absent, do not parse, or name absent images.
    """
    fo, name = fiftyone(), dataset_name(folder)
    if fo.dataset_exists(name):
        dataset = fo.load_dataset(name)
        if dataset.info.get("complete") == sample_count(dataset) and same_place(dataset, folder):
            return dataset
        fo.delete_dataset(name)
    labels = read_labels(folder)
    dataset = import_folder(fo, name, folder)
    add_areas(dataset, labels)
    dataset.persistent = True
    dataset.info["complete"] = len(labels["images"])
    dataset.save()
    return dataset


def sample_count(dataset) -> int:
    """Samples that are really there; after a crash of the server, ``len(dataset)`` may be wrong."""
    return len(dataset.values("id"))


def same_place(dataset, folder: Path) -> bool:
    """Whether its media still lie where it says (the project's folder may have been moved)."""
    paths = dataset.values("filepath")
    return bool(paths) and Path(paths[0]).is_relative_to(folder.resolve())


def import_folder(fo, name: str, folder: Path):
    with contextlib.redirect_stdout(io.StringIO()):
        return fo.Dataset.from_dir(
            dataset_type=fo.types.COCODetectionDataset,
            data_path=str(folder / DATA),
            labels_path=str(folder / LABELS),
            label_types=["detections"],
            label_field={"detections": GROUND_TRUTH, "coco_id": "coco_id"},
            include_id=True,
            name=name,
        )


def add_areas(dataset, labels: Mapping[str, Any]) -> None:
    """Add COCO's ``area``, which FiftyOne's importer leaves out: AP by size is told by it, not by the box."""
    areas: dict[int, list[float]] = {image["id"]: [] for image in labels["images"]}
    for entry in labels["annotations"]:
        areas[entry["image_id"]].append(float(entry["area"]))
    ordered = [areas[i] for i in dataset.values("coco_id")]
    dataset.set_values(f"{GROUND_TRUTH}.detections.area", ordered, dynamic=True)


def coco_ids(dataset) -> dict[int, str]:
    """COCO image id -> FiftyOne sample id."""
    return dict(zip(*dataset.values(["coco_id", "id"]), strict=True))


def photo_paths(dataset) -> dict[int, Path]:
    """COCO image id -> file, in the order of ids."""
    ids, paths = dataset.values(["coco_id", "filepath"])
    return {i: Path(path) for i, path in sorted(zip(ids, paths, strict=True))}


def ground_truth(dataset) -> dict[str, Any]:
    """The data set's ground truth as COCO's dictionary, read back from FiftyOne."""
    ids, widths, heights, objects = dataset.values(
        ["coco_id", "metadata.width", "metadata.height", f"{GROUND_TRUTH}.detections"]
    )
    images = [{"id": i, "width": w, "height": h} for i, w, h in zip(ids, widths, heights, strict=True)]
    numbers = category_numbers(dataset)
    annotations = [
        as_annotation(item, image, numbers)
        for image, items in zip(images, objects, strict=True)
        for item in items or ()
    ]
    return {
        "images": sorted(images, key=lambda image: image["id"]),
        "annotations": [{"id": i, **a} for i, a in enumerate(annotations, start=1)],
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }


def category_numbers(dataset) -> dict[str, int]:
    """Category name -> COCO id, as in the labels file."""
    return {c["name"]: int(c["id"]) for c in dataset.info["categories"]}


def as_annotation(item, image: Mapping[str, Any], numbers: Mapping[str, int]) -> dict[str, Any]:
    x, y, w, h = item.bounding_box
    width, height = image["width"], image["height"]
    crowd = item["iscrowd"] if item.has_field("iscrowd") else 0
    box = [x * width, y * height, w * width, h * height]
    return {
        "image_id": image["id"],
        "category_id": numbers[item.label],
        "bbox": box,
        "area": item["area"] if item.has_field("area") else box[2] * box[3],
        "iscrowd": int(crowd or 0),
    }


def field_name(model: str, variant: str) -> str:
    """FiftyOne field of a variant's predictions; dashes are not allowed there."""
    return f"{model}_{variant}".replace("-", "_")


def write_predictions(dataset, field: str, results: Sequence[Mapping[str, Any]]) -> None:
    """Replace ``field`` by COCO results, in bulk writes of bounded size."""
    fo = fiftyone()
    dataset.add_sample_field(field, fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    labels = {number: name for name, number in category_numbers(dataset).items()}
    ids, samples, widths, heights = dataset.values(["coco_id", "id", "metadata.width", "metadata.height"])
    grouped: dict[int, list] = {i: [] for i in ids}
    for result in results:
        grouped[result["image_id"]].append(result)
    updates = (
        UpdateOne({"_id": ObjectId(sample)}, {"$set": {field: as_document(grouped[i], labels, w, h)}})
        for i, sample, w, h in zip(ids, samples, widths, heights, strict=True)
    )
    for batch in batches(updates, BATCH):
        dataset._sample_collection.bulk_write(batch, ordered=False)
    dataset.reload()


def batches(items: Iterable, size: int):
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def as_document(results: Sequence[Mapping], labels: Mapping[int, str], width: int, height: int) -> dict:
    """One image's ``fo.Detections`` as its database document."""
    scale = np.array([width, height, width, height], float)
    return {
        "_cls": "Detections",
        "detections": [
            {
                "_id": ObjectId(),
                "_cls": "Detection",
                "attributes": {},
                "tags": [],
                "label": labels[result["category_id"]],
                "bounding_box": (np.asarray(result["bbox"], float) / scale).tolist(),
                "confidence": float(result["score"]),
            }
            for result in results
        ],
    }


def read_predictions(dataset, field: str) -> list[dict[str, Any]]:
    """COCO results of a field, as ``write_predictions`` takes them."""
    numbers = category_numbers(dataset)
    ids, widths, heights, found = dataset.values(
        ["coco_id", "metadata.width", "metadata.height", f"{field}.detections"]
    )
    return [
        {
            "image_id": i,
            "category_id": numbers[item.label],
            "bbox": (np.array(item.bounding_box) * [w, h, w, h]).tolist(),
            "score": item.confidence,
        }
        for i, w, h, items in zip(ids, widths, heights, found, strict=True)
        for item in items or ()
    ]


def subset(dataset, images: int, seed: int):
    """A random view of ``images`` samples."""
    return dataset.take(images, seed=seed)


def native_map(view, field: str, eval_key: str) -> float:
    """FiftyOne's own COCO mAP of a small view. It ranks true positives first among equal scores."""
    with contextlib.redirect_stdout(io.StringIO()):
        results = view.evaluate_detections(
            field, gt_field=GROUND_TRUTH, eval_key=eval_key, method="coco", compute_mAP=True, progress=False
        )
    return float(results.mAP())


def view_of(dataset, image_ids: Sequence[int], name: str):
    """A saved view of these COCO images, in this order, kept with the data set."""
    samples = coco_ids(dataset)
    view = dataset.select([samples[i] for i in image_ids], ordered=True)
    dataset.save_view(name, view, overwrite=True)
    return view


def has_display() -> bool:
    """Whether a browser could show the App to somebody: a desktop, or Colab."""
    if "google.colab" in sys.modules or sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def launch_app(view):
    """Open the FiftyOne App on a view; for notebooks on a machine with a display."""
    return fiftyone().launch_app(view)


def require_categories(dataset, categories: Sequence[str], model: str) -> None:
    """Raise unless every category of the data set is one that the model knows."""
    unknown = sorted(set(category_numbers(dataset)) - set(categories))
    if unknown:
        raise LabError(
            f"categories {', '.join(unknown[:5])} of the data set are unknown to model {model}.",
            f"categories among: {', '.join(categories)}",
            "use a data set that the model was trained for, or train a model on this one.",
        )
