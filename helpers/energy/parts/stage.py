"""04: where the time of a whole loop goes, from a photo's file to its detections in FiftyOne."""

import contextlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pymongo.errors import PyMongoError

from helpers.download.stage import data_folders
from helpers.energy.parts.frame import parts_frame
from helpers.energy.parts.timing import Around, Found, Store, measure_parts, parts_settings
from helpers.energy.records import Parts
from helpers.energy.rounds.playing import one_line
from helpers.energy.stage import measured
from helpers.lab.errors import LabError
from helpers.lab.files import sha256_file
from helpers.lab.fingerprint import code_digest
from helpers.lab.intervals import Absent
from helpers.lab.mongo import check_mongod
from helpers.lab.records import Record
from helpers.models.interface import Interface
from helpers.models.parity import on_photo
from helpers.models.registry import Model
from helpers.photos.coco.labels import DATA, read_labels
from helpers.photos.dataset import fiftyone
from helpers.photos.decoding import core_input, read_photo, resize_threads
from helpers.photos.preprocessing import Preprocessing
from helpers.quantize.stage import load_interface, timed_files
from helpers.run.experiment import Run
from helpers.run.standing import made_models
from helpers.show.context import Context, picture_context
from helpers.tasks.detection.exact_coco.writing import SampleDetections, write_detections

PHOTOS = 16
# Rounds for each round of energy; share of the time that latency may take.
ROUNDS_FACTOR, BUDGET_SHARE = 2, 0.2
FIELD = "found"
# What the times depend on beside the measurement itself: tails, preprocessing, writing.
AROUND = ("helpers.evaluate.detect", "helpers.models.interface", "helpers.tasks.detection.exact_coco.writing")


def loop_photos(run: Run) -> list[Path]:
    """Files of the first validation photos: enough that photos of several kinds count."""
    folder = data_folders(run).validation
    return [folder / DATA / image["file_name"] for image in read_labels(folder)["images"][:PHOTOS]]


def parts(run: Run, model: Model) -> Record[Parts]:
    """Raw times of every part of the loop; kept until a file, a photo or the code of a part changes.

    Where FiftyOne has no database, storing is absent, with the reason; the measurement is done again once
    there is one.
    """
    photos, profile = loop_photos(run), run.profile
    options = {"rounds": ROUNDS_FACTOR * profile.energy_rounds, "threads": run.threads}
    options |= {"seed": profile.seed, "budget_s": BUDGET_SHARE * profile.latency_budget_s}
    described = options | {
        "photos": {path.name: sha256_file(path) for path in photos},
        "around": code_digest(*AROUND),
        "database": check_mongod().usable,
    }

    def measure(files: Mapping[str, Path], **resume) -> Parts:
        own = timed_files(run, model)
        interfaces = {file: load_interface(run, model, variant) for variant, file in own.items()}
        with resize_threads(run.threads), storing(photos, interfaces, model.categories) as store:
            around = {file: around_core(interface, store) for file, interface in interfaces.items()}
            return measure_parts(files, photos, around, **options, **resume)

    def begun(variants: tuple[str, ...]) -> Parts:
        return Parts.begun(parts_settings(variants, photos, run.threads, profile.seed))

    return measured(run, model, "parts", described, begun, measure, "helpers.energy.parts.timing")


def around_core(interface: Interface, store: Store | Absent) -> Around:
    preprocessing = interface.preprocessing
    return Around(read_photo, lambda photo: core_input(photo, preprocessing), interface.tail, store)


@contextlib.contextmanager
def storing(
    photos: Sequence[Path], interfaces: Mapping[Path, Interface], categories: Sequence[str]
) -> Iterator[Store | Absent]:
    """Writes into a data set of its own, which is removed at the end; absent where there is no database."""
    with contextlib.ExitStack() as stack:
        try:
            dataset = stack.enter_context(temporary_dataset(photos))
            ids = dict(zip(*dataset.values(["filepath", "id"]), strict=True))
        except (LabError, PyMongoError) as error:
            yield Absent(one_line(error))
            return

        def store(found: Sequence[Found]) -> None:
            samples = (
                as_sample(ids[str(item.photo)], item, interfaces[item.core].preprocessing, categories)
                for item in found
            )
            try:
                write_detections(dataset, FIELD, samples)
            except PyMongoError as error:
                raise LabError(f"FiftyOne's database took no detections: {error}", "", "") from error

        yield store


@contextlib.contextmanager
def temporary_dataset(photos: Sequence[Path]) -> Iterator[Any]:
    """A FiftyOne data set of these photos, not persistent, under a name that no other has; then removed.

    Raises:
        LabError: there is no database, or it does not start.
    """
    fo = fiftyone()
    dataset = fo.Dataset(f"quantlab-parts-{uuid.uuid4().hex}")
    try:
        dataset.add_samples([fo.Sample(filepath=str(path)) for path in photos], progress=False)
        yield dataset
    finally:
        # If the server is gone it cannot be asked; FiftyOne drops such data sets when it starts again.
        with contextlib.suppress(PyMongoError):
            dataset.delete()


def as_sample(
    sample_id: str, found: Found, preprocessing: Preprocessing, categories: Sequence[str]
) -> SampleDetections:
    """Detections relative to the core's input -> (x, y, width, height) relative to the photo."""
    corners = on_photo(found.detections, preprocessing, found.height, found.width).boxes.astype(float)
    low, high = corners[:, [1, 0]], corners[:, [3, 2]]
    labels = [categories[number - 1] for number in found.detections.classes.tolist()]
    return SampleDetections(sample_id, labels, np.concatenate([low, high - low], 1), found.detections.scores)


def parts_picture(run: Run) -> tuple[pd.DataFrame, dict[str, pd.DataFrame], Context]:
    """Results, frames and context for ``figures.draw("time_by_part", ...)`` before 05 has been run."""
    frame = parts_frame(run, made_models(run))
    rows = frame.drop_duplicates(["model", "variant"])[["model", "variant", "failed"]]
    return rows, {"parts": frame}, replace(picture_context(run), threads=run.threads)
