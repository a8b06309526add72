"""Train a numeric form of a model: from its float32 file to packed codes and their record."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tf_keras as keras

from helpers.lab.errors import LabError, unknown_name
from helpers.lab.files import read_json, sha256_file, sha256_json, write_json
from helpers.lab.host import PACKAGES_OF_RESULTS, versions
from helpers.lab.records import jsonable, structured
from helpers.models.registry import Model
from helpers.quantize.records import BOTH, LABELS, OUTPUTS, TrainedForm
from helpers.quantize.trainable.activations import RoundedActivations
from helpers.quantize.trainable.network import Network, float_network
from helpers.quantize.trainable.rounded_layer import RoundedLayer
from helpers.quantize.trained.constants import WeightLayer, weight_layers, whole_model
from helpers.quantize.trained.int8_file import int8_layers
from helpers.quantize.trained.trained_codes import TrainedCodes, coded, codes_file, train_command
from helpers.run.experiment import Run
from helpers.run.forms import TRAINED, get_form, is_simulated
from helpers.runtimes.catalogue import LITERT, get_runtime
from helpers.runtimes.litert.reader import graph_of
from helpers.training.material import Material, calibrated_int8, prepare_material, training_photos
from helpers.training.photos import Photos
from helpers.training.starts import begun, is_normalized, load_reached, save_reached
from helpers.training.trainer import FormSchedule, FormTrainer, output_moments

FIRST_BATCHES = 3  # whose outputs' mean and deviation a normalized layer begins with


@dataclasses.dataclass(frozen=True)
class Student:
    """A network in training, and what of it is learned; ``activations``: of an int8 file."""

    network: Network
    layers: Sequence[RoundedLayer]
    activations: RoundedActivations | None = None


def require_trainable(form: str, model: Model) -> None:
    """Raise if there is no such form, or if the model's core is not of the files that are trained."""
    if form not in TRAINED:
        raise unknown_name("form to train", form, TRAINED)
    if model.runtime != LITERT.id:
        raise LabError(
            f"{model.title} is a core for {get_runtime(model.runtime).title}.",
            f"a model whose core is a {LITERT.ending} file: forms are trained from these alone",
            "train the detector with the rounding in the loop where it was made, or name another model.",
        )


def train_form(
    run: Run,
    model: Model,
    form: str,
    schedule: FormSchedule,
    started_from: str = "",
    output: Path | None = None,
) -> TrainedForm:
    """Train to the end, from the last finished epoch if there is one; write codes and record.

    Args:
        run: of which profile the calibration photos are, and where the user's folders lie.
        form: one of ``TRAINED``.
        started_from: a form that was trained here before; empty for the float32 weights.
        output: the file of codes; that from which runs read them if None.

    Raises:
        LabError: no such form; the model cannot be had or trained; or ``started_from`` was not trained.
    """
    for name in filter(None, (form, started_from)):
        require_trainable(name, model)
    keras.utils.set_random_seed(schedule.seed)
    material = prepare_material(run, model)
    photos = training_photos(run, material, schedule.photos)
    schedule = dataclasses.replace(schedule, photos=len(photos))
    layers = weight_layers(material.content)
    teacher = float_network(material.content, layers)
    student = make_student(run, material, form, layers, teacher, photos, started_from)
    settings = [dataclasses.asdict(schedule), material.source_sha256, photos.sha256, started_from]
    folder = material.folder / f"{form}-{sha256_json(settings)[:12]}"
    more = [student.activations] if student.activations else []
    trainer = FormTrainer(
        student.network, student.layers, teacher, photos, schedule, folder, material.labelled, more
    )
    trainer.run()
    reached = [layer.reached() for layer in student.layers]
    path, kept = output or codes_file(model, form), reached_file(material, form)
    earlier = earlier_record(material, started_from)
    save_reached(kept, material.source_sha256, form, reached)
    exported(trainer, student, material, form).save(path)
    record = TrainedForm(
        form=form,
        model=model.id,
        trained_on=trained_on(material, schedule),
        photos=len(photos),
        photos_sha256=photos.sha256,
        schedule=dataclasses.asdict(schedule),
        history=tuple(trainer.history),
        source_sha256=material.source_sha256,
        codes_sha256=sha256_file(path),
        started_from=started_from,
        versions=versions(PACKAGES_OF_RESULTS),
        earlier=earlier,
    )
    for file in (path, kept):
        write_json(file.with_suffix(".json"), jsonable(record))
    return record


def reached_file(material: Material, form: str) -> Path:
    return material.folder / f"{form}.reached.npz"


def earlier_record(material: Material, started_from: str) -> TrainedForm | None:
    path = reached_file(material, started_from).with_suffix(".json")
    return structured(TrainedForm, read_json(path, "")) if started_from and path.is_file() else None


def trained_on(material: Material, schedule: FormSchedule) -> str:
    if not material.labelled:
        return OUTPUTS
    return BOTH if schedule.outputs_weight else LABELS


def make_student(
    run: Run,
    material: Material,
    form: str,
    layers: Sequence[WeightLayer],
    teacher: Network,
    photos: Photos,
    started_from: str,
) -> Student:
    """The network with the form's rounding, as it is before the first step."""
    content, activations = material.content, None
    if not is_simulated(get_form(form)):
        content = calibrated_int8(run, material)
        graph = graph_of(whole_model(content), len(content))
        activations, layers = RoundedActivations(graph), int8_layers(layers, graph)
    cure = f"train it first: {train_command(material.model, started_from)}."
    path = reached_file(material, started_from)
    reached = load_reached(path, material.source_sha256, started_from, cure) if started_from else []
    moments = first_moments(teacher, photos) if any(is_normalized(layer, form) for layer in layers) else {}
    starts = begun(layers, form, moments, started_from, reached)
    kind = TRAINED[form]
    rounded = [RoundedLayer(layer, kind, start) for layer, start in zip(layers, starts, strict=True)]
    return Student(Network(content, layers, rounded, activations), rounded, activations)


def first_moments(teacher: Network, photos: Photos) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    size = min(32, len(photos))
    batches = [
        photos.batch(np.arange(n * size, (n + 1) * size) % len(photos), (0, n)) for n in range(FIRST_BATCHES)
    ]
    return output_moments(teacher, batches)


def exported(trainer: FormTrainer, student: Student, material: Material, form: str) -> TrainedCodes:
    """Codes, steps, biases and grids as they are deployed."""
    trained = trainer.trained()
    layers = [rounded.layer for rounded in student.layers]
    nothing = np.zeros(0, np.float32), np.zeros(0, np.int32)
    scales, zeros = student.activations.trained() if student.activations else nothing
    return TrainedCodes(
        form,
        material.model.id,
        material.source_sha256,
        tuple(coded(TRAINED[form], t.codes, t.steps, x.axis) for t, x in zip(trained, layers, strict=True)),
        tuple(layer.norm for layer in layers),
        tuple(one.biases for one in trained),
        scales,
        zeros,
    )
