"""The families of models behind one contract: files, core, and the original to compare with."""

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.files import atomic_folder, read_json, sha256_file, sha256_json
from helpers.lab.fingerprint import code_digest
from helpers.lab.paths import display, models_dir
from helpers.models.files.archives import fetch_archive
from helpers.models.files.fetch import fetch_file, place
from helpers.models.files.kaggle import archive_url, kaggle_folder
from helpers.models.files.sources import (
    SAVED_MODEL,
    DarknetSource,
    Embedded,
    OnnxSource,
    SavedModelSource,
    SourceFile,
    savedmodel_in,
)
from helpers.models.interface import Interface
from helpers.models.registry import Model
from helpers.tasks.detection.label_maps import require_names, require_names_for_columns
from helpers.tasks.detection.tails.selection import Detections


def find_files(model: Model, model_dir: Path | None) -> tuple[Path, ...] | None:
    """The model's files as they lie on disk now, without fetching any: a SavedModel's folder, Darknet's
    ``.cfg`` and ``.weights``, or an ``.onnx`` file and what lies beside it; None where one is absent.

    Args:
        model_dir: a folder of the user's own, which is searched first.
    """
    source, folders = model.source, [*([model_dir] if model_dir else []), models_dir()]
    if isinstance(source, Embedded):
        found = [savedmodel_in(exported_folder(model, source))]
    elif isinstance(source, SavedModelSource):
        found = [find_savedmodel(source, folders)]
    elif isinstance(source, OnnxSource):
        found = find_onnx(source.path)
    else:
        found = [find_file(file, folders) for file in (source.cfg, source.weights)]
    return tuple(path for path in found if path) if all(found) else None


def find_onnx(path: Path) -> list[Path | None]:
    """The file, those with its weights, and what the user says of it in ``<name>.json``."""
    from helpers.models.onnx.network import external_files

    said = path.with_suffix(".json")
    wanted = [path, *(external_files(path) if path.is_file() else [])]
    return [file if file.is_file() else None for file in wanted] + ([said] if said.is_file() else [])


def find_file(file: SourceFile | Path, folders: list[Path]) -> Path | None:
    return (file if file.is_file() else None) if isinstance(file, Path) else place(file, folders)


def find_savedmodel(source: SavedModelSource, folders: list[Path]) -> Path | None:
    """In the folder that it names, or where its archives were unpacked."""
    named = [folder / source.folder for folder in folders]
    stems = [archive.name.split(".tar")[0] for archive in source.archives]
    stems += [source.folder] if source.kaggle else []
    unpacked = [path for stem in stems for path in sorted(models_dir().glob(f"{stem}-*"))]
    found = (savedmodel_in(folder) for folder in (*named, *unpacked))
    return next((folder for folder in found if folder), None)


def require_files(model: Model, model_dir: Path | None) -> tuple[Path, ...]:
    """As ``find_files``; an absent file is an error that names the notebook that fetches it."""
    found = find_files(model, model_dir)
    if found is None:
        raise LabError(
            f"the files of {model.id} are absent.", "the model on disk", "run 01_download.ipynb first."
        )
    return found


def prepare_files(model: Model, model_dir: Path | None) -> tuple[Path, ...]:
    """As ``find_files``, after making or fetching what is absent.

    Raises:
        LabError: a file can be had from nowhere.
    """
    source = model.source
    if isinstance(source, Embedded):
        export(model, source)
    elif find_files(model, model_dir) is None:
        if isinstance(source, SavedModelSource):
            fetch_savedmodel(model, source)
        elif isinstance(source, DarknetSource):
            for file in (source.cfg, source.weights):
                if isinstance(file, SourceFile):
                    fetch_file(file, models_dir())
    return require_files(model, model_dir)


def require_fitting_names(model: Model, files: tuple[Path, ...]) -> None:
    """Raise if the files state how many classes there are, and the label map names another number.

    The signature of a SavedModel may state nothing, and does not say whether background is counted: 02 knows.
    """
    if isinstance(model.source, SavedModelSource):
        from helpers.models.savedmodels.load import stated_columns

        require_names_for_columns(model.categories, stated_columns(*files), model.labels, str(files[0]))
    elif isinstance(model.source, DarknetSource):
        from helpers.models.darknet.architecture import read_architecture

        for yolo in read_architecture(files[0]).yolos:
            require_names(model.categories, yolo.classes, model.labels, files[0].name)
    elif isinstance(model.source, OnnxSource):
        from helpers.models.onnx.named import require_classes

        require_classes(files[0], model.categories, model.source.design)


def fetch_savedmodel(model: Model, source: SavedModelSource) -> None:
    ways = [functools.partial(fetch_archive, archive, models_dir()) for archive in source.archives]
    if source.kaggle:
        ways += [functools.partial(way, source) for way in (from_kaggle, from_kagglehub)]
    failures = []
    for fetch in ways:
        try:
            folder = fetch()
        except LabError as error:
            failures.append(error.found)
            continue
        if savedmodel_in(folder):
            return
        failures.append(f"{folder.name} holds no {SAVED_MODEL}.")
    raise LabError(
        f"no SavedModel of {model.id}. {' '.join(failures)}".strip(),
        f"a folder {source.folder} with {SAVED_MODEL} in it",
        f"put it below a folder of your own and name that (--model-dir), or in {display(models_dir())}.",
    )


def from_kaggle(source: SavedModelSource) -> Path:
    """The public archive of a model on Kaggle, which asks for no account."""
    archive = SourceFile(f"{source.folder}.tar.gz", "", 0, (archive_url(source.kaggle),))
    return fetch_archive(archive, models_dir())


def from_kagglehub(source: SavedModelSource) -> Path:
    """By Kaggle's own library, for models that ask for an account; a copy of what it keeps."""
    folder = models_dir() / source.folder
    with atomic_folder(folder) as temporary:
        shutil.copytree(kaggle_folder(source.kaggle), temporary, dirs_exist_ok=True)
    return folder


def exported_folder(model: Model, source: Embedded) -> Path:
    """The embedded detector's SavedModel, keyed by its weights and the exporting code."""
    key = sha256_json([verified_weights(source.weights), code_digest("helpers.models.embedded.export")])
    return models_dir() / f"{model.id}-{key[:12]}"


def export(model: Model, source: Embedded) -> None:
    folder = exported_folder(model, source)
    if not (folder / SAVED_MODEL).exists():
        from helpers.models.embedded.export import export_detector

        export_detector(source.weights, folder)


def verified_weights(weights: Path) -> str:
    """sha256 of the embedded weights, checked against their training record.

    Raises:
        LabError: the file is absent or is not the one that the record describes.
    """
    record = read_json(weights.with_suffix(".json"), "restore it: `git checkout -- data/embedded`.")
    if not weights.is_file() or sha256_file(weights) != record["weights_sha256"]:
        raise LabError(
            f"{display(weights)} is absent or has another checksum than its training record.",
            f"sha256 {record['weights_sha256']}",
            "restore it: `git checkout -- data/embedded`, or train again: `python -m helpers train`.",
        )
    return record["weights_sha256"]


def convert(model: Model, files: tuple[Path, ...], output: Path) -> Interface:
    """Write the float32 core to ``output``; return what goes before and after it.

    The core is a ``.tflite``, but for an ``.onnx`` model, of which it is an ``.onnx``, too.
    """
    if isinstance(model.source, OnnxSource):
        from helpers.models.onnx.convert import convert as convert_onnx

        return convert_onnx(files[0], output, model.limits, len(model.categories), model.source.design)
    if isinstance(model.source, DarknetSource):
        from helpers.models.darknet.convert import convert as convert_darknet

        return convert_darknet(*files, output, model.limits)
    from helpers.models.savedmodels.convert import convert as convert_savedmodel

    return convert_savedmodel(*files, model.limits, output)


def reference(model: Model, files: tuple[Path, ...]) -> Callable[[np.ndarray], Detections]:
    """The original model, run by other software than ours: TensorFlow, or OpenCV for Darknet.

    Of ONNX the whole graph, run by ONNX Runtime and decoded by other code than our tails.
    """
    if isinstance(model.source, OnnxSource):
        from helpers.models.onnx.reference import reference as onnx_reference

        return onnx_reference(files[0], model.limits, len(model.categories), model.source.design)
    if isinstance(model.source, DarknetSource):
        from helpers.models.darknet.opencv import reference as darknet_reference

        return darknet_reference(*files, model.limits)
    from helpers.models.savedmodels.reference import reference as savedmodel_reference

    return savedmodel_reference(*files)
