"""07: bits, noise and AP of every numeric form of each model; one table, ``ladder.csv``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.download.stage import data_folders
from helpers.evaluate.labelled import LabelledPhotos, read_labelled
from helpers.lab.errors import LabError, reason_of
from helpers.lab.files import atomic_file
from helpers.lab.intervals import NAN
from helpers.lab.progress import progress
from helpers.lab.records import Origin, Record, current_record, read_record
from helpers.lab.units import how_many
from helpers.ladder.finding import find_all, resampled_ap
from helpers.ladder.making import make_files
from helpers.ladder.records import Rung
from helpers.models.interface import Interface
from helpers.models.registry import Model
from helpers.quantize.recipes.catalogue import RECIPES, recipe_name
from helpers.quantize.records import MadeFile
from helpers.quantize.stage import interface_file, load_interface, no_origin, variant_origin
from helpers.quantize.stored_weights import stored_weights
from helpers.quantize.trained.trained_codes import codes_file
from helpers.run.experiment import Run, keep, keep_failure, origin
from helpers.run.forms import LADDER, TRAINED, is_simulated, is_trained, require_forms
from helpers.run.standing import scored_models
from helpers.run.variant_files import variant_file
from helpers.run.variants import BASELINE, Variant
from helpers.tasks.detection.resample import paired_resamples

NOTEBOOK = "07_ladder.ipynb"
CODE = (
    "helpers.ladder.finding",
    "helpers.quantize.stored_weights",
    "helpers.quantize.recipes.simulated_file",
)
# Bits of the activations that a convolution multiplies, by ``Variant.compute_dtype``; 32 for all others.
ACTIVATION_BITS = {"int8": 8, "int8-dynamic": 8, "int4-dynamic": 8, "int16x8": 16, "float16": 16}


def ladder_folder(run: Run, model: Model) -> Path:
    return run.paths.folder / LADDER / model.id


def draws_file(run: Run, model: Model, form: str) -> Path:
    """AP of a form on the photos and on each resample of them, the same for all forms: ``[1 + B]``, 0..1."""
    return ladder_folder(run, model) / f"{form}.npy"


@dataclass(frozen=True)
class Ladder:
    """One model on the photos of the run, and where what is known of its forms lies.

    Attributes:
        forms: those that are compared, float32 first.
        weights: how often each photo is drawn, int ``[1 + resamples, photos]``; the first row is the data.
    """

    run: Run
    model: Model
    forms: tuple[Variant, ...]
    interface: Interface
    labelled: LabelledPhotos
    weights: np.ndarray

    @property
    def folder(self) -> Path:
        return ladder_folder(self.run, self.model)

    @property
    def working_folder(self) -> Path:
        """Files of the forms and their detections, until their AP is known."""
        return self.folder / "unfinished"

    @property
    def float_file(self) -> Path:
        return variant_file(self.run, self.model, BASELINE)

    def record_file(self, form: str) -> Path:
        return self.folder / f"{form}.json"

    def draws_file(self, form: str) -> Path:
        return draws_file(self.run, self.model, form)

    def origin_of(self, form: Variant) -> Origin:
        """What a form's rung is computed from."""
        inputs = {
            "float32": self.float_file,
            "form": variant_origin(self.run, self.model, form).key,
            "labels": data_folders(self.run).validation / "labels.json",
            "interface": interface_file(self.run, self.model),
        }
        resamples, photos = len(self.weights) - 1, len(self.labelled.photos)
        parameters = {"photos": photos, "resamples": resamples, "seed": self.run.profile.seed}
        return origin(inputs, parameters, *CODE)


def chosen_forms(run: Run, model: Model) -> tuple[Variant, ...]:
    """The forms that are compared: the run's; else those of the profile, or all, and what is trained for the
    model, as far as its home runtime has them.

    float32 is among them.
    """
    if run.forms:
        return require_forms(list(run.forms))
    trained = [form for form in TRAINED if codes_file(model, form).is_file()]
    forms = require_forms([*(run.profile.ladder_forms or [LADDER]), *trained])
    return tuple(form for form in forms if recipe_name(form.recipe, model.runtime) in RECIPES)


def open_ladder(run: Run, model: Model) -> Ladder:
    """A model of the run, and the first photos by their ids that the profile compares forms on.

    Raises:
        LabError: 01 or 02 has not been run.
    """
    folder = data_folders(run).validation
    labelled = read_labelled(folder, model.categories, run.profile.ladder_images)
    weights = paired_resamples(len(labelled.photos), run.profile.resamples, run.profile.seed)
    return Ladder(run, model, chosen_forms(run, model), load_interface(run, model), labelled, weights)


def open_ladders(run: Run) -> tuple[Ladder, ...]:
    """One for every model that has an AP.

    Raises:
        LabError: 03 has not been run.
    """
    return tuple(open_ladder(run, model) for model in scored_models(run))


def climb_models(ladders: Sequence[Ladder]) -> None:
    """Make, run and score every form of every model; what is there already is not redone."""
    for ladder in ladders:
        climb(ladder)


def climb(ladder: Ladder) -> None:
    """One record per form that is not there yet; a form that fails is recorded as failed."""
    forget_failures(ladder)
    origins = {form.id: source for form in ladder.forms if (source := known_origin(ladder, form))}
    waiting = [
        form
        for form in ladder.forms
        if form.id in origins and not finished(ladder, form.id, origins[form.id])
    ]
    if not waiting:
        return
    rungs, files = make_rungs(ladder, waiting, origins)
    failures = find_all(files, ladder.interface, ladder.labelled)
    for form in progress(waiting, "scoring", "form"):
        why = failures.get(form.id, "") or (rungs[form.id] if isinstance(rungs[form.id], str) else "")
        if why:
            keep_failure(ladder.record_file(form.id), "rung", origins[form.id], why)
        else:
            keep_rung(ladder, form.id, origins[form.id], rungs[form.id], files[form.id])
    for left in ladder.working_folder.glob("*"):
        left.unlink()


def forget_failures(ladder: Ladder) -> None:
    """Those of forms that are no longer compared; their successes stay, for when they are again."""
    for path in ladder.folder.glob("*.json"):
        if path.stem not in {form.id for form in ladder.forms} and read_record(path, Rung, "").failure:
            path.unlink()


def known_origin(ladder: Ladder, form: Variant) -> Origin | None:
    """What a form's rung is computed from; None where it cannot be made, which is recorded."""
    try:
        return ladder.origin_of(form)
    except LabError as error:  # nothing was trained for this model, say
        keep_failure(ladder.record_file(form.id), "rung", no_origin(form), reason_of(error))
        return None


def finished(ladder: Ladder, form: str, source: Origin) -> bool:
    """Whether its record is current; a failure is tried again, since its cause may be gone."""
    record = current_record(ladder.record_file(form), Rung, source)
    return record is not None and not record.failure


def make_rungs(
    ladder: Ladder, forms: Sequence[Variant], origins: Mapping[str, Origin]
) -> tuple[dict[str, Rung | str], dict[str, Path]]:
    """What each form's file holds, or why there is none; and the files of those that there are."""
    ending = ladder.float_file.suffix
    files = {
        form.id: ladder.working_folder / f"{form.id}-{origins[form.id].key[:12]}{ending}" for form in forms
    }
    by_id, rungs = {form.id: form for form in forms}, {}
    made = make_files(ladder.run, ladder.model, forms, files)
    for form, found in progress(made, f"forms of {ladder.model.id}", "form", total=len(forms)):
        rungs[form] = found if isinstance(found, str) else rung_of(ladder, by_id[form], found, files[form])
    return rungs, {form: file for form, file in files.items() if not isinstance(rungs[form], str)}


def rung_of(ladder: Ladder, form: Variant, made: MadeFile, file: Path) -> Rung:
    activations = ACTIVATION_BITS.get(form.compute_dtype, 32)
    if made.coded:
        coded = made.coded
        # Trained weights have left float32's: what they differ by is no noise.
        bits, size, noise = coded.weight_bits, None, NAN if is_trained(form) else coded.sqnr_db
    else:
        stored = stored_weights(ladder.float_file, file)
        bits, size, noise = stored.bits, made.size_bytes, NAN if is_trained(form) else stored.sqnr_db
    return Rung(bits, activations, size, made.size_bytes, made.download_bytes, noise, made.notes)


def keep_rung(ladder: Ladder, form: str, source: Origin, rung: Rung, file: Path) -> Record[Rung]:
    draws = resampled_ap(file, ladder.interface, ladder.labelled, ladder.weights)
    with atomic_file(ladder.draws_file(form)) as temporary, temporary.open("wb") as stream:
        np.save(stream, draws)
    return keep(ladder.record_file(form), "rung", source, rung, [ladder.draws_file(form)])


def read_rungs(ladder: Ladder) -> dict[str, Record[Rung]]:
    """The record of every form, in order.

    Raises:
        LabError: one is absent.
    """
    cure = f"run {NOTEBOOK} first."
    return {form.id: read_record(ladder.record_file(form.id), Rung, cure) for form in ladder.forms}


def read_draws(ladder: Ladder) -> dict[str, np.ndarray]:
    """AP of every form that has one, on the photos, then on each resample of them: ``[1 + B]``, 0..1."""
    return {
        form: np.load(ladder.draws_file(form))
        for form, record in read_rungs(ladder).items()
        if not record.failure
    }


def describe(ladders: Sequence[Ladder]) -> dict[str, str]:
    """Facts for the notebook's opening."""
    first = ladders[0]
    simulated = sum(map(is_simulated, first.forms))
    return {
        "run": first.run.paths.name,
        "models": ", ".join(ladder.model.id for ladder in ladders),
        "forms": f"{len(first.forms)}: {len(first.forms) - simulated} that a runtime has kernels for, "
        f"{simulated} simulated",
        "photos": f"{len(first.labelled.photos)}, {how_many(len(first.weights) - 1, 'resample')} of them",
    }
