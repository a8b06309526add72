"""01: data set and model on disk, their checksums verified."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.lab.errors import LabError
from helpers.lab.files import read_json, sha256_file
from helpers.lab.paths import datasets_dir
from helpers.lab.units import how_many
from helpers.models.families import prepare_files, require_fitting_names
from helpers.models.files.sources import Embedded
from helpers.models.registry import Model
from helpers.photos.coco.choosing import UNTOLD, UPRIGHT
from helpers.photos.coco.folders import DataFolders, lay_out, planned_folders, read_selection, zoo_folder
from helpers.photos.coco.labels import read_labels
from helpers.photos.coco.users_folder import chosen_text
from helpers.photos.dataset import load_dataset, read_objects, sample_count, unknown_categories, unknown_text
from helpers.photos.synthetic.dataset import generate_split, split_folder
from helpers.run.experiment import Run

MOST_LISTED = 20
UPRIGHT_COMMAND = (
    'python -c "import sys; from PIL import Image, ImageOps; [ImageOps.exif_transpose(Image.open(p)).save(p, '
    'quality=95) for p in sys.argv[1:]]" FOLDER/*.jpg'
)
SIZE_BOUNDS = (32**2, 96**2)  # COCO's: areas in pixels between small, medium and large


def coco_wishes(run: Run) -> tuple[Path, Path, int, int, int]:
    """Arguments of ``lay_out`` and ``planned_folders``."""
    source = run.coco_dir or datasets_dir() / "zoo" / "coco-2017"
    profile = run.profile
    return source, datasets_dir(), profile.images, profile.calibration_images, profile.seed


def data_folders(run: Run) -> DataFolders:
    """Where a run's data lie, whether or not they exist yet.

    Raises:
        LabError: they are the user's own, and their layout is not recognized.
    """
    profile = run.profile
    if profile.coco:
        return planned_folders(*coco_wishes(run))
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
    return load_dataset(prepare_folders(run).validation)


def prepare_folders(run: Run) -> DataFolders:
    """Make or check the data; return where they lie. Raises ``LabError`` as ``prepare_data``."""
    profile = run.profile
    if profile.coco:
        if run.coco_dir is None:
            zoo_folder(datasets_dir() / "zoo")
        lay_out(*coco_wishes(run))
    elif not profile.data:
        generate_split(datasets_dir(), "calibration", profile.calibration_images)
        generate_split(datasets_dir(), "validation", profile.images)
    folders = data_folders(run)
    require_disjoint(folders)
    return folders


def prepare_models(run: Run, dataset) -> dict[str, tuple[Path, ...]]:
    """Model -> its files on disk; a model that cannot be had is told, and stops no other.

    Raises:
        LabError: not one model can be had, or knows a category of the data set.
    """
    files, failures = {}, {}
    for model in run.models:
        try:
            if unknown := unknown_categories(dataset, model.categories, model.id):
                print(unknown_text(unknown, model.id))
            found = prepare_files(model, run.model_dir)
            require_fitting_names(model, found)
            files[model.id] = found
        except LabError as error:
            failures[model.id] = error
    if not files and len(failures) == 1:
        raise next(iter(failures.values()))
    told = "\n".join(f"{model} cannot be measured: {error}" for model, error in failures.items())
    if not files:
        raise LabError(
            f"no model can be measured.\n{told}", "at least one that can", "cure what stands above."
        )
    if told:
        print(told)
    return files


def require_disjoint(folders: DataFolders) -> None:
    """Raise if a calibration photo is also an evaluation photo, by content."""
    evaluated = photo_hashes(folders.validation)
    shared = [name for digest, name in photo_hashes(folders.calibration).items() if digest in evaluated]
    if shared:
        raise LabError(
            f"{how_many(len(shared), 'calibration photo')} evaluated on too, the first is {shared[0]!r}.",
            "calibration photos that are never evaluated on: else int8 looks better than it is",
            f"take them out of {folders.calibration}.",
        )


def photo_hashes(folder: Path) -> dict[str, str]:
    """sha256 -> file name of every photo of a COCO folder."""
    names = [image["file_name"] for image in read_labels(folder)["images"]]
    return {sha256_file(folder / "data" / name): name for name in names}


def selection_note(run: Run) -> str:
    """What of real photos and labels was left out or repaired; empty for the embedded ones."""
    if not run.profile.coco:
        return ""
    selection = read_selection(data_folders(run))
    skipped = [photo for photo in selection["photos"] if "skipped" in photo]
    first = f", the first: {skipped[0]['file']} ({skipped[0]['skipped']})" if skipped else ""
    lines = [chosen_text(coco_wishes(run)[0])]
    left_out = how_many(len(skipped), "photo was", "photos were")
    lines += [f"{left_out} left out{first}.", calibration_note(selection)]
    lines.append(orientation_note(selection["photos"]))
    lines.append(no_objects_note(read_labels(data_folders(run).validation), selection["labels"]))
    if selection["repairs"]:
        lines.append(f"Read in {selection['labels']}: {'; '.join(selection['repairs'])}.")
    return "\n".join(line for line in lines if line)


def no_objects_note(labels: Mapping[str, Any], file: str) -> str:
    """What follows where no photo that is evaluated has an object that counts; empty where one has."""
    if any(not entry.get("iscrowd") for entry in labels["annotations"]):
        return ""
    return (
        f"None of the evaluated photos has an object in {file}: there is no AP, of any variant; all else is "
        "measured. If they show some, export the labels again, after they were drawn."
    )


def calibration_note(selection: Mapping[str, Any]) -> str:
    """Where the calibration photos come from, if not from a folder of their own."""
    used = [photo["split"] for photo in selection["photos"] if "skipped" not in photo]
    apart, evaluated = len(selection["excluded_ids"]), used.count("validation")
    if "calibration" not in used:
        return "No photo is left to calibrate on, so that variants with calibrated ranges cannot be made."
    if not apart:
        return ""
    shared = how_many(apart, "of its photos is", "of its photos are")
    return (
        f"There is no folder of photos to calibrate on: {shared} calibrated on instead, and not evaluated; "
        f"{how_many(evaluated, 'is', 'are')}."
    )


def orientation_note(photos: Sequence[Mapping[str, Any]]) -> str:
    """How photos are used that EXIF asks to turn; empty where there are none."""
    told = []
    if upright := [photo["file"] for photo in photos if photo.get("used") == UPRIGHT]:
        turned = how_many(len(upright), "photo was", "photos were")
        told += [f"{turned} turned upright, as the labels are (EXIF; the first: {upright[0]})."]
    if untold := [photo for photo in photos if photo.get("used") == UNTOLD]:
        first = f"{untold[0]['file']}, orientation {untold[0]['orientation']}"
        told.append(
            f"{how_many(len(untold), 'photo has', 'photos have')} an EXIF orientation that the size does not "
            f"tell (the first: {first}): used as stored, as COCO's are. If labelled as a viewer shows them, "
            f"save them upright first: {UPRIGHT_COMMAND}"
        )
    return "\n".join(told)


def object_table(dataset) -> pd.DataFrame:
    """Photos, objects by COCO size class, and crowd regions of a data set."""
    photos, objects = sample_count(dataset), read_objects(dataset)
    sizes = np.digitize(objects.area[~objects.crowd], SIZE_BOUNDS)
    counts = dict(zip(("small", "medium", "large"), np.bincount(sizes, minlength=3).tolist(), strict=True))
    counts["crowd regions"] = int(objects.crowd.sum())
    rows = [{"what": name, "count": count, "per photo": count / photos} for name, count in counts.items()]
    return pd.DataFrame([{"what": "photos", "count": photos, "per photo": 1.0}, *rows])


def models_table(run: Run, files: Mapping[str, Sequence[Path]]) -> pd.DataFrame:
    """Facts about every model, a column for each; ``files`` as ``prepare_models`` gives them."""
    columns = {
        model.id: describe_model(model)
        | {"files": ", ".join(path.name for path in files.get(model.id, ())) or "cannot be had"}
        for model in run.models
    }
    return pd.DataFrame(columns).rename_axis("fact").reset_index()


def describe_model(model: Model) -> dict[str, Any]:
    """Facts for the notebook's table."""
    stated, names = model.stated, [name for name in model.categories if name]
    listed = ", ".join(names) if len(names) <= MOST_LISTED else f"{', '.join(names[:5])}, ..., {names[-1]}"
    return {
        "model": model.title,
        "licence": model.licence,
        "categories": f"{len(names)}: {listed}",
        **embedded_facts(model),
        "stated accuracy": f"{stated.metric} {stated.value} ({stated.source})" if stated else "none stated",
    }


def embedded_facts(model: Model) -> dict[str, Any]:
    """What the training record of the embedded detector says; nothing of others."""
    if not isinstance(model.source, Embedded):
        return {}
    record = read_json(model.source.weights.with_suffix(".json"), "")
    return {"parameters": record.get("parameters", "unknown")}
