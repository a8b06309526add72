"""Which data were measured, in sentences for 05 and the report, from what 01 left on disk."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.download.stage import data_folders, orientation_note
from helpers.lab.errors import LabError
from helpers.lab.units import how_many
from helpers.photos.coco.folders import read_selection
from helpers.photos.coco.labels import LABELS, read_labels
from helpers.photos.coco.users_folder import folder_of
from helpers.run.experiment import Run
from helpers.tasks.detection.label_maps import unknown_among

SYNTHETIC = (
    "The photos are synthetic: this project draws them from fixed seeds, other ones for evaluation than for "
    "calibration. They answer what quantization changes, not how good the detector is on photos of a camera."
)
ZOO = "COCO 2017 validation, as FiftyOne's zoo gives it"
GONE = (
    "Which data they are cannot be told any more: what 01_download.ipynb laid out is not there. Run it, and "
    "then 05_compare.ipynb, again."
)
MOST_LISTED = 5


def data_texts(run: Run) -> list[str]:
    """What was evaluated and calibrated on, where it is from and what was left out; no absolute path."""
    try:
        folders = data_folders(run)
        labels, calibrated = read_labels(folders.validation), read_labels(folders.calibration)["images"]
        selection = read_selection(folders) if run.profile.coco else None
    except LabError:
        return [GONE]
    texts = [source_text(run, selection), counts_text(labels), calibration_text(len(calibrated), selection)]
    texts += selection_texts(selection) if selection else []
    texts += [unknown_text(model.id, unknown_among(model.categories, *categories(labels)))
              for model in run.models]  # fmt: skip
    return [text for text in texts if text]


def source_text(run: Run, selection: Mapping[str, Any] | None) -> str:
    """The folder's name and that of its labels, or that the photos are synthetic."""
    if selection:
        labels = Path(selection["labels"])
        folder = folder_of(run.coco_dir).resolve() if run.coco_dir else None
        inside = folder and (labels.is_relative_to(folder) or labels.resolve().is_relative_to(folder))
        name = labels.resolve().relative_to(folder) if inside else labels.name
        title = f"Folder {folder.name}" if folder else ZOO
        return f"{title}, labels in {Path(name).as_posix()}."
    return f"Folder {Path(run.profile.data).name}, labels in {LABELS}." if run.profile.data else SYNTHETIC


def counts_text(labels: Mapping[str, Any]) -> str:
    """Photos, objects, crowds and categories of what is evaluated on."""
    crowds = sum(bool(entry.get("iscrowd")) for entry in labels["annotations"])
    objects, numbers = len(labels["annotations"]) - crowds, categories(labels)
    used = len(numbers[1])
    apart = f" and {crowds:,} crowd region{'s' * (crowds > 1)}" if crowds else ""
    occur = "all of which occur" if used == len(numbers[0]) else f"of which {used} occur"
    return (
        f"Evaluation: {how_many(len(labels['images']), 'photo')} with {how_many(objects, 'object')}{apart}, "
        f"{how_many(len(numbers[0]), 'category', 'categories')}, {occur}."
    )


def calibration_text(count: int, selection: Mapping[str, Any] | None) -> str:
    """How many photos ranges were calibrated on, and where they are from."""
    if not count:
        return "Calibration: no photo is left for it, so variants with calibrated ranges cannot be made."
    if selection and selection["excluded_ids"]:
        return (
            f"Calibration: {how_many(count, 'photo')}. The set has no folder of photos to calibrate on, so "
            "these are shared out of it, and not evaluated."
        )
    place = f" from its folder {selection['calibration_from']}" if selection else ""
    return f"Calibration: {how_many(count, 'photo')}{place}, none of them evaluated."


def selection_texts(selection: Mapping[str, Any]) -> list[str]:
    """What of the user's photos and labels was left out, turned or repaired."""
    skipped = [photo for photo in selection["photos"] if "skipped" in photo]
    first = f", the first {skipped[0]['file']} ({skipped[0]['skipped']})" if skipped else ""
    repairs = "; ".join(selection["repairs"])
    return [
        f"Photos left out: {len(skipped) or 'none'}{first}.",
        orientation_note(selection["photos"]),
        f"Repaired in reading the labels: {repairs}." if repairs else "",
    ]


def categories(labels: Mapping[str, Any]) -> tuple[dict[str, int], set[str]]:
    """Names with their ids, and the names of those that have an object."""
    used = {entry["category_id"] for entry in labels["annotations"]}
    numbers = {entry["name"]: entry["id"] for entry in labels["categories"]}
    return numbers, {name for name, number in numbers.items() if number in used}


def unknown_text(model: str, unknown: Sequence[str]) -> str:
    """Which categories count with an AP of 0, since the model has no class for them."""
    if not unknown:
        return f"{model} has a class for every category that occurs."
    more = f" and {len(unknown) - MOST_LISTED} more" if len(unknown) > MOST_LISTED else ""
    return (
        f"Categories unknown to {model}: {', '.join(unknown[:MOST_LISTED])}{more}. Their AP is 0, and counts "
        "in the mean."
    )
