"""FiftyOne: data sets, their evaluation, its App. With ``exact_coco``, the home of ``fiftyone``."""

import contextlib
import io
import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.lab import database
from helpers.lab.errors import LabError
from helpers.lab.files import sha256_file
from helpers.lab.paths import ROOT, data_dir
from helpers.photos.coco.labels import DATA, LABELS, read_labels
from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns
from helpers.tasks.detection.exact_coco.reading import Collected, Fields, collect
from helpers.tasks.detection.label_maps import category_numbers_of, unknown_among

GROUND_TRUTH = "ground_truth"
APP_PORT = 5151  # FiftyOne's usual one
IMAGE_ID = "coco_id"


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
    if not dataset.has_sample_field(GROUND_TRUTH):  # no photo has an object
        dataset.add_sample_field(
            GROUND_TRUTH, fiftyone().EmbeddedDocumentField, embedded_doc_type=fiftyone().Detections
        )
    if not labels["annotations"]:
        return
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


def category_numbers(samples) -> dict[str, int]:
    """Category name -> COCO id, as in the labels file, in the order of ids."""
    numbers = {c["name"]: int(c["id"]) for c in samples._dataset.info["categories"]}
    return dict(sorted(numbers.items(), key=lambda item: item[1]))


def field_name(model: str, variant: str) -> str:
    """FiftyOne field of a variant's predictions; dashes, plus and at signs are not allowed there.

    The variant comes first: the App cuts long names, and has to show what tells them apart.
    """
    return re.sub(r"[-+@]", "_", f"{variant}_{model}")


def evaluate_exactly(samples, field: str, eval_key: str | None = None):
    """COCO's metric of a field of predictions, by ``helpers.tasks.detection.exact_coco``.

    Args:
        samples: a data set of ``load_dataset``, or a view of one.
        field: its predictions.
        eval_key: where FiftyOne keeps the evaluation and the fields of every object; None for nowhere.
    """
    fiftyone()
    from helpers.tasks.detection.exact_coco.method import ExactCOCOEvaluationConfig

    categories = list(category_numbers(samples))
    return samples.evaluate_detections(
        field,
        gt_field=GROUND_TRUTH,
        eval_key=eval_key,
        method=ExactCOCOEvaluationConfig,
        compute_mAP=True,
        classes=categories,
        categories=categories,
        image_id=IMAGE_ID,
        progress=False,
    )


def read_truth(dataset) -> Collected:
    """The ground truth, images in the order of their COCO ids, classes as in ``category_numbers``."""
    return collect(dataset, fields_of(dataset, None))


def evaluate_columns(dataset, truth: Collected, field: str, found: DetectionColumns):
    """``evaluate_exactly`` of detections that FiftyOne has not yet; it is given them with their evaluation.

    Args:
        dataset: of ``load_dataset``.
        truth: of it, from ``read_truth``.
        field: where the predictions go; the name of the evaluation too.
        found: in pixels, by image; images and classes as in ``truth``.
    """
    fiftyone()
    from helpers.tasks.detection.exact_coco.method import ExactCOCOEvaluationConfig

    options = {"iou": 0.5, "classwise": True, "use_masks": False, "use_boxes": False, "compute_mAP": True}
    config = ExactCOCOEvaluationConfig(
        field, GROUND_TRUTH, categories=truth.names, image_id=IMAGE_ID, **options
    )
    return config.build().evaluate_columns(dataset, truth, found, field)


def read_columns(samples, field: str) -> tuple[ObjectColumns, DetectionColumns]:
    """Ground truth and a field's predictions as columns, images in the order of their COCO ids."""
    found = collect(samples, fields_of(samples, field))
    return found.objects(), found.detections()


def read_objects(dataset) -> ObjectColumns:
    """The ground truth as columns; classes as in ``category_numbers``."""
    return read_truth(dataset).objects()


def fields_of(samples, field: str | None) -> Fields:
    return Fields(GROUND_TRUTH, field, image_id=IMAGE_ID, categories=list(category_numbers(samples)))


def native_map(samples, field: str) -> float:
    """FiftyOne's own COCO mAP of a small view. It ranks true positives first among equal scores."""
    fiftyone()
    with contextlib.redirect_stdout(io.StringIO()):
        results = samples.evaluate_detections(
            field, gt_field=GROUND_TRUTH, method="coco", compute_mAP=True, progress=False
        )
    return float(results.mAP())


def subset(dataset, images: int, seed: int):
    """A random view of ``images`` samples."""
    return dataset.take(images, seed=seed)


def view_of(dataset, image_ids: Sequence[int], name: str, fields: Sequence[str] = (), score: float = 0.0):
    """A saved view of these COCO images, in this order, kept with the data set.

    Args:
        fields: predictions that it shows, beside the ground truth; all if there is none.
        score: of them those above it: under a hundred boxes a photo nobody sees anything.
    """
    samples, confidence = coco_ids(dataset), fiftyone().ViewField("confidence")
    view = dataset.select([samples[i] for i in image_ids], ordered=True)
    if fields:
        view = view.select_fields([GROUND_TRUTH, IMAGE_ID, *fields])
    for field in fields:
        view = view.filter_labels(field, confidence > score, only_matches=False)
    dataset.save_view(name, view, overwrite=True)
    return view


def has_display() -> bool:
    """Whether a browser could show the App to somebody: a desktop, or Colab."""
    if "google.colab" in sys.modules or sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def launch_app(view):
    """Open the FiftyOne App on a view; for notebooks on a machine with a display.

    Its server is a process of its own, which has to find the project to load our evaluations.
    """
    searched = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if str(ROOT) not in searched:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *searched])
    return fiftyone().launch_app(view, port=free_port())


def free_port(first: int = APP_PORT) -> int:
    """The App's usual port, or the next that nobody serves: an App of another database shows other data.

    Raises:
        LabError: all of the next hundred are taken.
    """
    for port in range(first, first + 100):
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise LabError(
        f"ports {first} to {first + 99} are all taken.",
        "a free port for the FiftyOne App",
        "close some Apps.",
    )


def unknown_categories(dataset, categories: Sequence[str], model: str) -> list[str]:
    """Categories with objects that the model has no class for, or one class for two of them.

    Names are compared as in ``label_maps.category_numbers_of``. Their AP is 0, and counts, as in COCO's tool.

    Raises:
        LabError: it has a class for none of them.
    """
    numbers = category_numbers(dataset)
    category_numbers_of(categories, numbers)  # or why there is no category in common
    used = set(dataset.distinct(f"{GROUND_TRUTH}.detections.label"))
    unknown = unknown_among(categories, numbers, used)
    if used and len(unknown) == len(used):
        raise LabError(
            f"categories {', '.join(unknown[:5])} of the data set are unknown to model {model}: it has "
            "a class for none that has an object.",
            f"some among: {', '.join(filter(None, categories))}",
            "name its classes by a label map (@LABELS after the model), or use another model.",
        )
    return unknown


def unknown_text(unknown: Sequence[str], model: str) -> str:
    """What that means for the numbers."""
    listed = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
    return (
        f"{model} has no class of its own for {listed}: their AP is 0, and counts in the mean. To ask "
        "about its own classes alone, leave those objects out of the labels."
    )
