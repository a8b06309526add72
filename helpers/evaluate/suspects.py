"""What is suspicious about photos and labels, told by float32's detections."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from helpers.download.stage import UPRIGHT_COMMAND
from helpers.evaluate.detect import ShardResult
from helpers.evaluate.records import Scored
from helpers.lab.files import read_json
from helpers.lab.records import read_record
from helpers.models.registry import Model
from helpers.photos.coco.choosing import UNTOLD
from helpers.photos.coco.fit import Truth, nothing_found, suspicion, truth_of
from helpers.photos.coco.folders import SELECTION
from helpers.run.experiment import Run
from helpers.run.variants import BASELINE
from helpers.tasks.detection.columns import DetectionColumns

SHARDS = 7  # of 64 photos: as many as tell
NEAR_ZERO = 0.01
LABELS_CURE = "run 01_download.ipynb again."


class Detected(Protocol):
    """Where one model's detections are."""

    labels: Path
    shards: Sequence[Mapping[int, Path]]

    def shard_file(self, variant: str, index: int) -> Path: ...


def question_early(work: Detected) -> None:
    """Say after the first photos what float32's detections tell, before hours are spent."""
    for sentence in findings(work, most=1):
        print(sentence)


def told(run: Run, models: Sequence[Model]) -> str:
    """What is suspicious about each model's variants, a line each; empty where nothing is."""
    return "\n".join(sentence for model in models for sentence in found_in(run, model))


def found_in(run: Run, model: Model) -> list[str]:
    """What 03 found suspicious about a model's variants: sentences that begin with the model."""
    paths = [run.paths.score_record(model.id, variant.id) for variant in run.variants]
    records = [read_record(path, Scored, "run 03_evaluate.ipynb first.") for path in paths]
    return [f"{model.id}: {text}" for record in records if record.values for text in record.values.findings]


def findings(work: Detected, ap: float | None = None, most: int = SHARDS) -> list[str]:
    """What float32's detections tell about the labels, in sentences; none where all seems well.

    Args:
        ap: float32's, if it is known: near zero it is questioned in any case.
        most: shards of photos to look at.
    """
    shards = work.shards[:most]
    files = [work.shard_file(BASELINE, index) for index in range(len(shards))]
    shown = [image for shard in shards for image in shard]
    labels = read_json(work.labels, LABELS_CURE)
    if any(not {"width", "height"} <= set(image) for image in labels["images"]):
        return []
    truth = truth_of(labels, shown)
    found = detections(files, shown)
    told = suspicion(truth, found)
    by_turn = [] if told else [turned(truth, found, *group) for group in untold(work.labels, truth)]
    sentences = [sentence for sentence in (told, *by_turn) if sentence]
    if not sentences and ap is not None and 0 <= ap < NEAR_ZERO and len(truth.objects):
        return [nothing_found(truth, ap)]
    return sentences


def detections(files: Sequence[Path], shown: Sequence[int]) -> DetectionColumns:
    """Detections of shards; images as places among those shown."""
    parts = [ShardResult.load(path) for path in files]
    image, category, box, score = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("image_id", "category_id", "bbox", "score")
    )
    places = {number: place for place, number in enumerate(shown)}
    return DetectionColumns(
        np.array([places[number] for number in image.tolist()], np.int32), category, box, score
    )


def untold(labels: Path, truth: Truth) -> list[tuple[int, np.ndarray]]:
    """EXIF orientation -> places of the photos that have it and whose size does not tell how to read it."""
    try:
        photos = json.loads((labels.parent.parent / SELECTION).read_text())["photos"]
    except FileNotFoundError:
        return []
    places = {name: place for place, name in enumerate(truth.files)}
    turned = [photo for photo in photos if photo.get("used") == UNTOLD and photo["file"] in places]

    def orientation(photo: Mapping[str, Any]) -> int:
        return photo["orientation"]

    groups = groupby(sorted(turned, key=orientation), orientation)
    return [(key, np.array([places[photo["file"]] for photo in group])) for key, group in groups]


def turned(truth: Truth, found: DetectionColumns, orientation: int, images: np.ndarray) -> str:
    """The suspicion about photos of one EXIF orientation by themselves."""
    told = suspicion(truth.on(images), found, f" with EXIF orientation {orientation}")
    return f"{told} For photos that EXIF turns: {UPRIGHT_COMMAND}" if told else ""
