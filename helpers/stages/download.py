"""01: data set and model on disk, their checksums verified."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.coco import read_labels
from helpers.dataset import load_dataset, read_objects, require_categories, sample_count
from helpers.errors import LabError
from helpers.experiment import Run
from helpers.files import read_json, sha256_file, sha256_json
from helpers.fingerprint import code_digest
from helpers.models import Model
from helpers.paths import datasets_dir, display, models_dir
from helpers.profiles import Profile
from helpers.synthetic.dataset import generate_split, split_folder

SIZE_BOUNDS = (32**2, 96**2)  # COCO's: areas in pixels between small, medium and large


@dataclass(frozen=True)
class DataFolders:
    """COCO folders (``data/``, ``labels.json``): what is evaluated on, what ranges are calibrated on."""

    validation: Path
    calibration: Path


def data_folders(profile: Profile) -> DataFolders:
    """Where a profile's data lie, whether or not they exist yet."""
    if profile.data:
        root = Path(profile.data)
        return DataFolders(root / "validation", root / "calibration")
    root = datasets_dir()
    return DataFolders(
        split_folder(root, "validation", profile.images),
        split_folder(root, "calibration", profile.calibration_images),
    )


def prepare_data(run: Run):
    """Make or check the data; return the validation split as a FiftyOne data set.

    Raises:
        LabError: labels do not parse or name absent images, or calibration and evaluation overlap.
    """
    profile = run.profile
    if not profile.data:
        generate_split(datasets_dir(), "calibration", profile.calibration_images)
        generate_split(datasets_dir(), "validation", profile.images)
    folders = data_folders(profile)
    require_disjoint(folders)
    dataset = load_dataset(folders.validation)
    for model in run.models:
        require_categories(dataset, model.categories, model.id)
    return dataset


def require_disjoint(folders: DataFolders) -> None:
    """Raise if a calibration photo is also an evaluation photo, by content."""
    evaluated = photo_hashes(folders.validation)
    shared = [name for digest, name in photo_hashes(folders.calibration).items() if digest in evaluated]
    if shared:
        raise LabError(
            f"{len(shared)} calibration photos are evaluation photos too, the first is {shared[0]!r}.",
            "calibration photos that are never evaluated on: else int8 looks better than it is",
            f"take them out of {folders.calibration}.",
        )


def photo_hashes(folder: Path) -> dict[str, str]:
    """sha256 -> file name of every photo of a COCO folder."""
    names = [image["file_name"] for image in read_labels(folder)["images"]]
    return {sha256_file(folder / "data" / name): name for name in names}


def model_folder(model: Model) -> Path:
    """The model's SavedModel; for the embedded detector, keyed by its weights and the exporting code."""
    if model.source.is_dir():
        return model.source
    key = sha256_json([verified_weights(model), code_digest("helpers.detector.export")])
    return models_dir() / f"{model.id}-{key[:12]}"


def verified_weights(model: Model) -> str:
    """sha256 of the weights file, checked against its training record.

    Raises:
        LabError: the file is absent or is not the one that the record describes.
    """
    record = read_json(model.source.with_suffix(".json"), "restore it: `git checkout -- data/embedded`.")
    if not model.source.is_file() or sha256_file(model.source) != record["weights_sha256"]:
        raise LabError(
            f"{display(model.source)} is absent or has another checksum than its training record.",
            f"sha256 {record['weights_sha256']}",
            "restore it: `git checkout -- data/embedded`, or train again: `python -m helpers train`.",
        )
    return record["weights_sha256"]


def prepare_model(model: Model) -> Path:
    """Export the model's SavedModel unless it is there; return its folder."""
    folder = model_folder(model)
    if not (folder / "saved_model.pb").exists():
        from helpers.detector.export import export_detector

        export_detector(model.source, folder)
    return folder


def object_table(dataset) -> pd.DataFrame:
    """Photos, objects by COCO size class, and crowd regions of a data set."""
    photos, objects = sample_count(dataset), read_objects(dataset)
    sizes = np.digitize(objects.area[~objects.crowd], SIZE_BOUNDS)
    counts = dict(zip(("small", "medium", "large"), np.bincount(sizes, minlength=3).tolist(), strict=True))
    counts["crowd regions"] = int(objects.crowd.sum())
    rows = [{"what": name, "count": count, "per photo": count / photos} for name, count in counts.items()]
    return pd.DataFrame([{"what": "photos", "count": photos, "per photo": 1.0}, *rows])


def describe_model(model: Model) -> dict[str, Any]:
    """Facts for the notebook's table."""
    record = read_json(model.source.with_suffix(".json"), "") if model.source.is_file() else {}
    stated = model.stated
    return {
        "model": model.title,
        "licence": model.licence,
        "categories": ", ".join(model.categories),
        "parameters": record.get("parameters", "unknown"),
        "stated accuracy": f"{stated.metric} {stated.value} ({stated.source})" if stated else "none stated",
    }
