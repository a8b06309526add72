"""02: one ``.tflite`` file and one record per variant, checked before anything is measured."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.download.stage import data_folders
from helpers.lab.errors import LabError, reason_of
from helpers.lab.intervals import Absent
from helpers.lab.progress import progress
from helpers.lab.records import Origin, Record, current_record, read_record
from helpers.models.families import convert, require_files
from helpers.models.files.sources import DarknetSource, OnnxSource
from helpers.models.interface import Interface, class_count
from helpers.models.registry import Model
from helpers.photos.coco.labels import DATA, read_labels
from helpers.photos.decoding import core_input, read_photo
from helpers.photos.preprocessing import Preprocessing
from helpers.quantize.cures.draft import FLOAT_NAME
from helpers.quantize.cures.records import steps_folder
from helpers.quantize.layers import stage as layers
from helpers.quantize.layers.frame import NO_LAYERS
from helpers.quantize.layers.layer_error import ComparedLayers
from helpers.quantize.layers.stage import CODE as LAYERS
from helpers.quantize.recipes.catalogue import get_recipe, module_of, recipe_name
from helpers.quantize.recipes.contract import Work
from helpers.quantize.records import MadeFile
from helpers.run.cured_forms import cures_named, is_cured
from helpers.run.experiment import Run, keep, keep_failure, origin
from helpers.run.forms import is_simulated
from helpers.run.standing import made_models
from helpers.run.variant_files import runtime_for, variant_file
from helpers.run.variants import BASELINE, Variant, baseline_of
from helpers.runtimes.catalogue import LITERT, load_core, require_runtime
from helpers.tasks.detection.label_maps import require_names

CODE = ("helpers.photos.decoding", "helpers.models.interface")  # and the recipe's
PARITY_PHOTOS = 16
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")  # of names of operators, in capitals or not


def interface_file(run: Run, model: Model, variant_id: str = BASELINE) -> Path:
    """Of a file of the user's own, which has one of its own; that of the model for every other variant."""
    own = any(variant.own and variant.id == variant_id for variant in run.variants)
    name = f"{variant_id}.interface.npz" if own else "interface.npz"
    return variant_file(run, model, variant_id).with_name(name)


def make_models(run: Run) -> tuple[Model, ...]:
    """Make every variant of every model; return the models whose float32 is there.

    Raises:
        LabError: there is none.
    """
    for model in run.models:
        make_variants(run, model)
    return made_models(run)


def make_variants(run: Run, model: Model) -> dict[str, Record[MadeFile]]:
    """Make every variant of the run that is not there yet; a variant that fails is recorded as failed.

    Where float32 fails, all others fail with it: they are made from it.
    """
    records: dict[str, Record[MadeFile]] = {}
    for variant in progress(run.variants, f"variants of {model.id}", "variant"):
        records[variant.id] = made_variant(run, model, variant, failed_base(variant, records))
    return records


def failed_base(variant: Variant, records: Mapping[str, Record[MadeFile]]) -> str:
    """Why a variant cannot be made or compared, for lack of a float32; empty if it can."""
    bases = dict.fromkeys((BASELINE, baseline_of(variant.id)))
    failed = (f"{name} failed: {records[name].failure}" for name in bases if has_failed(records.get(name)))
    return next(failed, "")


def has_failed(record: Record | None) -> bool:
    return record is not None and bool(record.failure)


def made_variant(run: Run, model: Model, variant: Variant, reason: str = "") -> Record[MadeFile]:
    """The record of a variant, made now unless it is there; with a ``reason`` it fails at once."""
    path, made_from = run.paths.variant_record(model.id, variant.id), no_origin(variant)
    try:
        if reason:
            return keep_failure(path, "variant", made_from, reason)
        require_runtime(runtime_for(model, variant.id).id)
        made_from = variant_origin(run, model, variant)
        record = current_record(path, MadeFile, made_from)
        # A failure is tried again: its cause (a full disk, say) may be gone.
        if record is not None and not record.failure:
            return record
        return make_variant(run, model, variant, path, made_from)
    except Exception as error:  # converters and quantizers raise many types; none may stop the other variants
        return keep_failure(path, "variant", made_from, reason_of(error))


def no_origin(variant: Variant) -> Origin:
    """Of a failure whose inputs are not there."""
    return origin({}, {"variant": dataclasses.asdict(variant)}, *CODE)


def variant_origin(run: Run, model: Model, variant: Variant) -> Origin:
    name, files = recipe_name(variant.recipe, model.runtime), require_files(model, run.model_dir)
    recipe, versions = get_recipe(name), runtime_for(model, variant.id).versions()
    parameters = {"variant": dataclasses.asdict(variant), "limits": dataclasses.asdict(model.limits)}
    # A file of the user's own is given the model's class numbers.
    parameters |= {"categories": list(model.categories)} if variant.own else {}
    # A float32 is made only where there is a name for each of its classes.
    parameters |= {"names": len(model.categories)} if variant.id == BASELINE else {}
    # How far the search for cures goes.
    searched = is_cured(variant) and not cures_named(variant.id)
    parameters |= {"margin_points": run.margin_points} if searched else {}
    parameters |= {"runtime": dict(versions)} if versions else {}
    inputs = {f"model/{n}": file for n, file in enumerate(files)}
    inputs |= recipe.inputs(model, variant)
    inputs |= hashed(calibration_files(run)) if variant.calibrated else {}
    inputs |= compared_inputs(run, model, variant)
    compared = LAYERS if is_compared(model, variant) else ()
    return origin(inputs, parameters, *code_of(model), module_of(name), *compared)


def is_compared(model: Model, variant: Variant) -> bool:
    """Whether its layers are compared with float32's: a file of the user's own has others, and LiteRT alone
    lets one see them."""
    compared = runtime_for(model, variant.id) is LITERT and runtime_for(model, BASELINE) is LITERT
    return compared and variant.id != BASELINE and not variant.own


def compared_inputs(run: Run, model: Model, variant: Variant) -> dict[str, Path]:
    photos = layers.compared_files(run) if is_compared(model, variant) else []
    return {f"compared/{photo.name}": photo for photo in photos}


def code_of(model: Model) -> tuple[str, ...]:
    """Modules that make a model's float32, and the inputs of its recipes."""
    families = {DarknetSource: "darknet", OnnxSource: "onnx"}
    family = families.get(type(model.source), "savedmodels")
    return (*CODE, f"helpers.models.{family}.convert")


def hashed(photos: list[Path]) -> dict[str, Path]:
    return {f"calibration/{photo.name}": photo for photo in photos}


def make_variant(run: Run, model: Model, variant: Variant, path: Path, made_from: Origin) -> Record[MadeFile]:
    base, output = (variant_file(run, model, each) for each in (BASELINE, variant.id))
    if variant.id == BASELINE:
        convert_baseline(run, model)
    made = write_form(run, model, variant, output)
    if variant.id == BASELINE:
        made = dataclasses.replace(made, notes=(*made.notes, *load_interface(run, model).notes))
    if is_compared(model, variant):
        before, exact = load_interface(run, model).preprocessing, comparable(base, output)
        made = dataclasses.replace(made, layers=compared_layers(run, exact, output, before))
    elif variant.id != BASELINE and not variant.own:
        made = dataclasses.replace(made, layers=Absent(NO_LAYERS))
    files = runtime_for(model, variant.id).files(output)
    steps = sorted(steps_folder(output).glob("*")) if is_cured(variant) else []
    return keep(path, "variant", made_from, made, [*files, *steps, interface_file(run, model, variant.id)])


def comparable(base: Path, output: Path) -> Path:
    """The float32 file that the layers of a variant's are those of: a cured one's channels are scaled."""
    cured = steps_folder(output) / FLOAT_NAME
    return cured if cured.is_file() else base


def write_form(run: Run, model: Model, variant: Variant, output: Path) -> MadeFile:
    """Write the file of a form, made from the model's float32; its layers are not compared yet."""
    recipe = get_recipe(recipe_name(variant.recipe, model.runtime))
    return recipe.make(work_of(run, model, variant, output))


def work_of(run: Run, model: Model, variant: Variant, output: Path) -> Work:
    return Work(
        variant,
        variant_file(run, model, BASELINE),
        output,
        lambda: calibration_inputs(run, model) if variant.calibrated else (),
        getattr(load_interface(run, model).tail, "float_operators", ()),
        model,
        lambda: require_files(model, run.model_dir),
        lambda most: check_photos(run, most),
        interface_file(run, model, variant.id),
        run.margin_points,
    )


def compared_layers(
    run: Run, base: Path, output: Path, preprocessing: Preprocessing
) -> ComparedLayers | Absent:
    """As ``layers.compare_layers``; a comparison that cannot be made fails no variant."""
    try:
        return layers.compare_layers(run, base, output, preprocessing)
    except Exception as error:  # whatever a runtime says of a graph that it cannot open layer by layer
        return Absent(reason_of(error))


def convert_baseline(run: Run, model: Model) -> None:
    """Write the float32 core, and what goes before and after it.

    Raises:
        LabError: as ``convert``; or it has another number of classes than its label map.
    """
    output = variant_file(run, model, BASELINE)
    interface = convert(model, require_files(model, run.model_dir), output)
    classes = class_count(interface.tail, load_core(output).output_shapes)
    require_names(model.categories, classes, model.labels, f"the network of {model.id}")
    interface.save(interface_file(run, model))


def calibration_files(run: Run) -> list[Path]:
    folder = data_folders(run).calibration
    images = read_labels(folder)["images"][: run.profile.calibration_images]
    return [folder / DATA / image["file_name"] for image in images]


def calibration_inputs(run: Run, model: Model) -> Iterator[np.ndarray]:
    """Calibration photos as the core's inputs, float32 ``[1, H, W, 3]`` each."""
    photos, preprocessing = calibration_files(run), load_interface(run, model).preprocessing
    if not photos:
        raise LabError(
            "there is no photo left to calibrate on.",
            "one photo to evaluate on, and at least one other to set ranges by",
            "put photos into a folder calibration/ beside the labels, or label more.",
        )
    for path in photos:
        yield core_input(read_photo(path), preprocessing)


def load_interface(run: Run, model: Model, variant_id: str = BASELINE) -> Interface:
    """What goes before and after a variant's core: the same for all but files of the user's own."""
    return Interface.load(interface_file(run, model, variant_id))


def read_variant(run: Run, model: Model, variant_id: str) -> Record[MadeFile]:
    return read_record(
        run.paths.variant_record(model.id, variant_id), MadeFile, "run 02_quantize.ipynb first."
    )


def working_files(run: Run, model: Model) -> dict[str, Path]:
    """Files of the variants that did not fail, in registry order."""
    records = {v.id: read_variant(run, model, v.id) for v in run.variants}
    return {i: variant_file(run, model, i) for i, record in records.items() if not record.failure}


def timed_files(run: Run, model: Model) -> dict[str, Path]:
    """Those of them that a runtime has kernels for."""
    simulated = {variant.id for variant in run.variants if is_simulated(variant)}
    return {i: file for i, file in working_files(run, model).items() if i not in simulated}


def check_photos(run: Run, most: int = PARITY_PHOTOS) -> list[np.ndarray]:
    folder = data_folders(run).validation
    images = read_labels(folder)["images"][:most]
    return [read_photo(folder / DATA / image["file_name"]) for image in images]


def operator_table(run: Run, model: Model) -> pd.DataFrame:
    """Convolutions by dtype and conversions between dtypes, one column per variant."""
    columns = {}
    for variant in run.variants:
        made = read_variant(run, model, variant.id).values
        if made:
            moves = {n: c for n, c in made.facts.operators.items() if n.upper().startswith(CONVERSIONS)}
            columns[variant.id] = dict(made.facts.kernels) | moves
    return pd.DataFrame(columns).fillna(0).astype(int).rename_axis("operator, input/weight").reset_index()


def variants_table(run: Run, model: Model) -> pd.DataFrame:
    """What was made: dtypes as read from the files, sizes, failures."""
    rows = []
    for variant in run.variants:
        record = read_variant(run, model, variant.id)
        made, facts = record.values, record.values and record.values.facts
        read = {
            name: getattr(facts, name, None) for name in ("storage_dtype", "compute_dtype", "per_channel")
        }
        size = made.size_bytes if made else None
        rows.append({"variant": variant.id, **read, "size_bytes": size, "failed": record.failure})
        if made and made.coded:
            kept = ", ".join(made.coded.kept) or "none"
            rows[-1] |= {"bits_per_weight": made.coded.weight_bits, "kept_float32": kept}
    table = pd.DataFrame(rows)
    base = table.loc[table["variant"] == BASELINE, "size_bytes"].iloc[0]
    table["size_ratio"] = table["size_bytes"] / base
    return table
