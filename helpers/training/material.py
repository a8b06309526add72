"""What a form's training needs of its model: the float32 core, the photos, the int8 file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.download.stage import prepare_folders
from helpers.lab.files import sha256_json
from helpers.lab.fingerprint import code_digest
from helpers.lab.paths import data_dir, datasets_dir
from helpers.models.families import convert, prepare_files
from helpers.models.files.sources import Embedded
from helpers.models.interface import Interface
from helpers.models.registry import Model
from helpers.photos.decoding import core_input, read_photo
from helpers.quantize.stage import calibration_files, code_of
from helpers.quantize.trained.int8_file import int8_content
from helpers.quantize.trained.trained_codes import source_sha256
from helpers.quantize.trained.weight_file import with_own_biases
from helpers.run.experiment import Run
from helpers.training.photos import LabelledPhotos, Photos, PlainPhotos


@dataclass(frozen=True)
class Material:
    """A model that can be trained.

    Attributes:
        source_sha256: of its own files.
        content: its float32 ``.tflite``, in which each convolution has its own bias.
        interface: what goes before and after it.
        folder: where its trainings are kept.
    """

    model: Model
    source_sha256: str
    content: bytes
    interface: Interface
    folder: Path

    @property
    def labelled(self) -> bool:
        """Whether there are training photos with labels: the embedded detector draws its own."""
        return isinstance(self.model.source, Embedded)

    @property
    def float_operators(self) -> Sequence[str]:
        return getattr(self.interface.tail, "float_operators", ())


def prepare_material(run: Run, model: Model) -> Material:
    """Fetch and convert the model, unless that was done before."""
    files = prepare_files(model, run.model_dir)
    source = source_sha256(model, files)
    folder = data_dir() / "training" / model.id
    key = sha256_json([source, code_digest(*code_of(model))])[:12]
    core, beside = folder / f"float32-{key}.tflite", folder / f"float32-{key}.interface.npz"
    if not (core.is_file() and beside.is_file()):
        convert(model, files, core).save(beside)
    return Material(model, source, with_own_biases(core.read_bytes()), Interface.load(beside), folder)


def calibration_photos(run: Run) -> list[Path]:
    """Never those that are evaluated on."""
    prepare_folders(run)
    return calibration_files(run)


def training_photos(run: Run, material: Material, count: int) -> Photos:
    """``count`` drawn photos with labels for the embedded detector; for others, those for calibration."""
    if material.labelled:
        return LabelledPhotos(datasets_dir(), count)
    return PlainPhotos(calibration_photos(run), material.interface.preprocessing)


def calibrated_int8(run: Run, material: Material) -> bytes:
    """The int8 file as the run's variant int8 is made, by its calibration photos."""
    before = material.interface.preprocessing
    images = [core_input(read_photo(path), before) for path in calibration_photos(run)]
    return int8_content(material.content, images, material.float_operators)
