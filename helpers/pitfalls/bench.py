"""What the gallery works on: some validation photos, and AP of any core on them, computed afresh."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from helpers.download.stage import data_folders
from helpers.evaluate.detect import CorePool, decode, detect, split
from helpers.evaluate.labelled import LabelledPhotos, read_labelled
from helpers.lab.paths import EMBEDDED
from helpers.models.interface import Interface
from helpers.models.registry import DEFAULT_MODEL, Model
from helpers.photos.decoding import core_input, read_photo
from helpers.photos.preprocessing import Preprocessing
from helpers.quantize.stage import calibration_files, load_interface, working_files
from helpers.run.experiment import Run
from helpers.run.standing import made_models
from helpers.run.variants import BASELINE, VARIANTS, get_variant
from helpers.runtimes.catalogue import get_runtime
from helpers.tasks.detection.columns import DetectionColumns
from helpers.tasks.detection.resample import average_precision, paired_resamples
from helpers.tasks.detection.tails.selection import Detections

PHOTOS, RESAMPLES = 100, 1000

Tail = Callable[[dict[str, np.ndarray]], Detections]


@dataclass(frozen=True)
class Bench:
    """Photos, their objects, and one model's cores.

    Attributes:
        run, model: what was opened.
        interface: what goes before and after the model's cores.
        labelled: the photos and what is to be found in them.
        weights: how often each photo is drawn, int ``[1 + resamples, photos]``; the first row is the data.
        files: variants of the registry that 02 made -> file; the baseline is among them.
        calibration: files of the calibration photos.
        made: variants that 02 did not make -> file.
        absent: title of a failure that could not be made here -> why.
    """

    run: Run
    model: Model
    interface: Interface
    labelled: LabelledPhotos
    weights: np.ndarray
    files: Mapping[str, Path]
    calibration: Sequence[Path]
    made: dict[str, Path] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def photos(self) -> dict[int, Path]:
        return self.labelled.photos

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
        return self.folder / f"{name}{get_runtime(self.model.runtime).ending}"

    def calibration_inputs(self) -> Iterator[np.ndarray]:
        """Calibration photos as the core takes them, float32 each."""
        return (core_input(read_photo(path), self.interface.preprocessing) for path in self.calibration)

    def noise(self, draw: Callable[[tuple[int, ...]], np.ndarray]) -> Iterator[np.ndarray]:
        """As many arrays as there are calibration photos, each of the shape of a core's input."""
        shape = self.interface.preprocessing.input_shape
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
        """Write a variant of a float32 core by the laboratory's own recipe."""
        from helpers.quantize.recipes.catalogue import quantize_file

        kept = getattr(self.interface.tail, "float_operators", ())
        quantize_file(source, get_variant(variant_id), photos, file, kept, self.model.runtime)
        return file

    def detections(
        self, core: Path, preprocessing: Preprocessing | None = None, tail: Tail | None = None
    ) -> DetectionColumns:
        """What a core finds in the photos.

        Args:
            core: a core's file.
            preprocessing, tail: in place of the model's own.
        """
        before, after = preprocessing or self.interface.preprocessing, tail or self.interface.tail
        pool, shards = CorePool(core), split(self.photos)
        numbers = self.labelled.of_class
        return self.labelled.columns(
            [detect(pool, after, decode(shard, before), numbers) for shard in shards]
        )

    def precision(self, detections: DetectionColumns) -> np.ndarray:
        """COCO's AP on the photos, then on each resample of them: ``[1 + resamples]``, 0..1."""
        return average_precision(self.labelled.evidence(detections), self.weights).mean(1)


def open_bench(run: Run, most_photos: int = PHOTOS, resamples: int = RESAMPLES) -> Bench:
    """The first validation photos of a run, by their ids, and its first model that has a float32.

    Raises:
        LabError: 01 or 02 has not been run.
    """
    model = made_models(run)[0]
    labelled = read_labelled(data_folders(run).validation, model.categories, most_photos)
    return Bench(
        run,
        model,
        load_interface(run, model),
        labelled,
        paired_resamples(len(labelled.photos), resamples, run.profile.seed),
        # Files of the user's own have preprocessing and tails of their own.
        {i: file for i, file in working_files(run, model).items() if i in VARIANTS},
        calibration_files(run),
    )


def describe(bench: Bench) -> dict[str, Any]:
    """Facts for the notebook's opening."""
    return {
        "run": bench.run.paths.name,
        "model": bench.model.title,
        "photos": len(bench.photos),
        "objects to be found": int((~bench.labelled.objects.crowd).sum()),
    }
