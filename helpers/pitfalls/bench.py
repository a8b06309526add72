"""What the gallery works on: some validation photos, and AP of any core on them, computed afresh."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from helpers.download.stage import data_folders
from helpers.evaluate.detect import CorePool, ShardResult, decode, detect, split
from helpers.lab.paths import EMBEDDED
from helpers.models.interface import Interface
from helpers.models.registry import DEFAULT_MODEL, Model
from helpers.photos.coco.labels import DATA, read_labels
from helpers.photos.decoding import core_input, read_photo
from helpers.photos.preprocessing import Preprocessing
from helpers.quantize.stage import calibration_files, load_interface, working_files
from helpers.run.experiment import Run
from helpers.run.standing import made_models
from helpers.run.variants import BASELINE, VARIANTS, get_variant
from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns
from helpers.tasks.detection.label_maps import category_numbers_of
from helpers.tasks.detection.resample import average_precision, paired_resamples
from helpers.tasks.detection.score import gather
from helpers.tasks.detection.tails.selection import Detections

PHOTOS, RESAMPLES = 100, 1000

Tail = Callable[[dict[str, np.ndarray]], Detections]


@dataclass(frozen=True)
class Bench:
    """Photos, their objects, and one model's cores.

    Attributes:
        run, model: what was opened.
        interface: what goes before and after the model's cores.
        photos: COCO image id -> file, in the order of ids.
        objects: what is to be found in them; images and classes by their place among the ids.
        category_ids: the data set's, in order.
        of_class: COCO id of the model's class 1, 2, ...; -1 where the data set has none.
        weights: how often each photo is drawn, int ``[1 + resamples, photos]``; the first row is the data.
        files: variants of the registry that 02 made -> file; the baseline is among them.
        calibration: files of the calibration photos.
        made: variants that 02 did not make -> file.
        absent: title of a failure that could not be made here -> why.
    """

    run: Run
    model: Model
    interface: Interface
    photos: dict[int, Path]
    objects: ObjectColumns
    category_ids: tuple[int, ...]
    of_class: tuple[int, ...]
    weights: np.ndarray
    files: Mapping[str, Path]
    calibration: Sequence[Path]
    made: dict[str, Path] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the gallery keeps the files that it makes."""
        return self.run.paths.folder / "pitfalls" / self.model.id

    @property
    def weights_file(self) -> Path:
        """The embedded detector's weights; see ``foreign``."""
        return EMBEDDED / f"{DEFAULT_MODEL}.npz"

    @property
    def foreign(self) -> bool:
        """Whether the model is not the embedded one, whose own graph is at hand."""
        return self.model.id != DEFAULT_MODEL

    @property
    def other(self) -> bool:
        """Whether what shows is told, but not demanded.

        Of the embedded model it is known that every failure shows, with the laboratory's recipes as they are:
        another model is not demanded to, nor is anything once a failure could not even be made.
        """
        return self.foreign or bool(self.absent)

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.tflite"

    def calibration_inputs(self) -> Iterator[np.ndarray]:
        """Calibration photos as the core's inputs, float32 ``[1, H, W, 3]`` each."""
        return (core_input(read_photo(path), self.interface.preprocessing) for path in self.calibration)

    def noise(self, draw: Callable[[tuple[int, ...]], np.ndarray]) -> Iterator[np.ndarray]:
        """As many arrays as there are calibration photos, each of the shape of a core's input."""
        before = self.interface.preprocessing
        shape = (1, before.height, before.width, 3)
        return (draw(shape).astype(np.float32) for _ in self.calibration)

    def variant(self, variant_id: str) -> Path:
        """File of a variant: that of 02, or made now where 02 made none."""
        if variant_id in self.files:
            return self.files[variant_id]
        if variant_id not in self.made:
            photos = self.calibration_inputs() if get_variant(variant_id).calibrated else ()
            made = self.quantize(self.files[BASELINE], variant_id, photos, self.file(variant_id))
            self.made[variant_id] = made
        return self.made[variant_id]

    def quantize(self, source: Path, variant_id: str, photos: Iterable[np.ndarray], file: Path) -> Path:
        """Write a variant of a float32 ``.tflite`` by the laboratory's own quantizer."""
        from helpers.quantize.recipes import quantize_file

        kept = getattr(self.interface.tail, "float_operators", ())
        quantize_file(source, get_variant(variant_id), photos, file, kept)
        return file

    def detections(
        self, core: Path, preprocessing: Preprocessing | None = None, tail: Tail | None = None
    ) -> DetectionColumns:
        """What a core finds in the photos.

        Args:
            core: a ``.tflite`` file.
            preprocessing, tail: in place of the model's own.
        """
        before, after = preprocessing or self.interface.preprocessing, tail or self.interface.tail
        pool, shards = CorePool(core), split(self.photos)
        return self.columns([detect(pool, after, decode(shard, before), self.of_class) for shard in shards])

    def columns(self, shards: Sequence[ShardResult]) -> DetectionColumns:
        image, category = (
            np.concatenate([getattr(s, n) for s in shards]) for n in ("image_id", "category_id")
        )
        return DetectionColumns(
            np.searchsorted(list(self.photos), image).astype(np.int32),
            np.searchsorted(self.category_ids, category).astype(np.int16),
            np.concatenate([shard.bbox for shard in shards]),
            np.concatenate([shard.score for shard in shards]),
        )

    def precision(self, detections: DetectionColumns) -> np.ndarray:
        """COCO's AP on the photos, then on each resample of them: ``[1 + resamples]``, 0..1."""
        evidence = gather(self.objects, detections, len(self.photos), len(self.category_ids))
        return average_precision(evidence, self.weights).mean(1)


def open_bench(run: Run, most_photos: int = PHOTOS, resamples: int = RESAMPLES) -> Bench:
    """The first validation photos of a run, by their ids, and its first model that has a float32.

    Raises:
        LabError: 01 or 02 has not been run.
    """
    model, folder = made_models(run)[0], data_folders(run).validation
    labels = read_labels(folder)
    images = sorted(labels["images"], key=lambda image: image["id"])[:most_photos]
    photos = {image["id"]: folder / DATA / image["file_name"] for image in images}
    categories = sorted(labels["categories"], key=lambda category: category["id"])
    numbers = {category["name"]: category["id"] for category in categories}
    ids = tuple(category["id"] for category in categories)
    return Bench(
        run,
        model,
        load_interface(run, model),
        photos,
        object_columns(labels["annotations"], list(photos), ids),
        ids,
        tuple(category_numbers_of(model.categories, numbers)),
        paired_resamples(len(photos), resamples, run.profile.seed),
        # Files of the user's own have preprocessing and tails of their own.
        {i: file for i, file in working_files(run, model).items() if i in VARIANTS},
        calibration_files(run),
    )


def object_columns(
    annotations: Sequence[dict[str, Any]], image_ids: Sequence[int], category_ids: Sequence[int]
) -> ObjectColumns:
    """Of COCO's annotations those on these images; both lists of ids in increasing order."""
    wanted = set(image_ids)
    kept = [entry for entry in annotations if entry["image_id"] in wanted]
    return ObjectColumns(
        np.searchsorted(image_ids, [e["image_id"] for e in kept]).astype(np.int32),
        np.searchsorted(category_ids, [e["category_id"] for e in kept]).astype(np.int16),
        np.array([e["bbox"] for e in kept], float).reshape(-1, 4),
        np.array([e["area"] for e in kept], float),
        np.array([e.get("iscrowd", 0) for e in kept], bool),
    )


def describe(bench: Bench) -> dict[str, Any]:
    """Facts for the notebook's opening."""
    return {
        "run": bench.run.paths.name,
        "model": bench.model.title,
        "photos": len(bench.photos),
        "objects to be found": int((~bench.objects.crowd).sum()),
    }
