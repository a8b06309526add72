"""One run: a profile, its models and variants, and where its files lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.lab import host
from helpers.lab.errors import LabError
from helpers.lab.files import sha256_path
from helpers.lab.fingerprint import code_digest
from helpers.lab.injected import require_known_here
from helpers.lab.paths import RunPaths, own_folder, run_folder, runs_dir
from helpers.lab.records import Origin, Record, V, current_record, hash_outputs, write_record
from helpers.meters.carbon import grid
from helpers.meters.choose import require_meter
from helpers.models.registry import DEFAULT_MODEL, Model, get_model
from helpers.run.forms import require_forms, usual_forms
from helpers.run.options import (
    MARGIN_POINTS,
    WIDTH_PERCENT,
    as_names,
    as_text,
    require_margin_points,
    require_power_w,
    require_run_name,
    require_scheduler,
    require_threads,
    require_width,
)
from helpers.run.own_files import is_own, own_variants
from helpers.run.profiles import PROFILES, Profile, get_profile
from helpers.run.variants import Variant
from helpers.runtimes.catalogue import LITERT


@dataclass(frozen=True)
class Run:
    """What a notebook works on; made by ``open_run``.

    Attributes:
        threads: threads of the runtime while latency, memory and energy are measured.
        meter: energy meter, one of ``meters.choose.METERS``.
        power_w: range of power per busy core in W, for the estimate; None for that of the processor.
        region: country of the machine, three letters, for CO2 equivalents; empty for none.
        width_percent: wanted full width of the interval of each latency ratio, in percent of it.
        margin_points: AP points that a variant may lose and still count as good enough.
        coco_dir: folder of photos, or its label file, for the profile ``coco``; None to let FiftyOne's zoo
            download them.
        model_dir: folder of the user's own that is searched for model files before they are downloaded.
        forms: numeric forms that 07 compares; none for those of the profile.
        scheduler: address of a Dask cluster's scheduler, on which 03 runs the cores; empty for this machine.
        runs: other machines' runs to lay beside this one: names below ``data/runs``, or paths of folders.
    """

    profile: Profile
    models: tuple[Model, ...]
    variants: tuple[Variant, ...]
    paths: RunPaths
    threads: int = 1
    meter: str = "auto"
    power_w: tuple[float, float] | None = None
    region: str = ""
    width_percent: float = WIDTH_PERCENT
    margin_points: float = MARGIN_POINTS
    forms: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    coco_dir: Path | None = None
    model_dir: Path | None = None
    scheduler: str = ""


def run_paths(name: str) -> RunPaths:
    """The files of the run of that name.

    Raises:
        LabError: the name cannot be that of a folder below ``data/runs``.
    """
    return RunPaths(require_run_name(name))


def open_run(
    profile: str = "quick",
    run_name: str = "",
    models: Sequence[str] = (),
    variants: Sequence[str] = (),
    threads: int = 1,
    meter: str = "auto",
    power_w: Sequence[float] | None = None,
    region: str = "",
    width_percent: float = WIDTH_PERCENT,
    margin_points: float = MARGIN_POINTS,
    forms: Sequence[str] = (),
    runs: Sequence[str] = (),
    coco_dir: str = "",
    model_dir: str = "",
    scheduler: str = "",
) -> Run:
    """Look up a run's parts by name; nothing is written.

    Args:
        profile: id of a profile.
        run_name: name of the run's folder below ``data/runs``; the profile's id if empty.
        models: ids of models, or models of one's own (``models.own_model``); the embedded one if empty.
        variants: ids of variants; if there is none, the usual ones in every runtime that is there. The
            baseline of each runtime is always among them. And ``.tflite``
            files of one's own, ``PATH`` or ``PATH@LABELS``: each is one more variant of every model.
        threads, meter, power_w, region, width_percent, margin_points, forms, runs, scheduler: as in ``Run``.
        coco_dir, model_dir: as in ``Run``; empty for what COCO_DIR and MODEL_DIR say.

    Raises:
        LabError: a name is unknown, an option is out of its bounds, a folder does not exist, or papermill
            injected a parameter that the notebook does not have.
    """
    require_known_here()
    chosen = get_profile(as_text("profile", profile))
    subjects = chosen_models(as_names("models", models))
    return Run(
        chosen,
        subjects,
        chosen_variants(as_names("variants", variants), subjects),
        run_paths(run_name or chosen.id),
        require_threads(threads),
        require_meter(as_text("meter", meter)),
        require_power_w(power_w),
        known_region(as_text("region", region)),
        require_width(width_percent),
        require_margin_points(margin_points),
        known_forms(as_names("forms", forms)),
        tuple(lasting_name(name) for name in as_names("runs", runs)),
        data_folder(as_text("coco_dir", coco_dir), chosen),
        existing(own_folder(as_text("model_dir", model_dir), "MODEL_DIR"), "MODEL_DIR"),
        require_scheduler(as_text("scheduler", scheduler)),
    )


def known_region(region: str) -> str:
    if region:
        grid(region)
    return region


def chosen_models(names: Sequence[str]) -> tuple[Model, ...]:
    """One model for each, in their order; a model that is named twice is one model."""
    found = {model.id: model for model in map(get_model, names or [DEFAULT_MODEL])}
    return tuple(found.values())


def chosen_variants(names: Sequence[str], models: Sequence[Model] = ()) -> tuple[Variant, ...]:
    own = [name for name in names if is_own(name)]
    named = [name for name in names if name not in own]
    homes = {model.runtime for model in models} or {LITERT.id}
    return require_forms(named or usual_forms(homes)) + own_variants(own)


def known_forms(names: Sequence[str]) -> tuple[str, ...]:
    """The names as they are; each must be that of a form."""
    require_forms(list(names))
    return tuple(names)


def lasting_name(name: str) -> str:
    """A name below ``data/runs`` as it is, else the whole path: notebooks run in a folder of their own."""
    folder = run_folder(name)
    return name if folder == runs_dir() / name else str(folder)


def data_folder(given: str, profile: Profile) -> Path | None:
    """The user's folder of photos, or its label file, for a profile that takes one.

    Raises:
        LabError: there is no such thing, or the profile draws its own photos.
    """
    if given and not profile.coco:
        takers = ", ".join(each.id for each in PROFILES.values() if each.coco)
        raise LabError(
            f"a folder of photos ({given}) for profile {profile.id!r}, which draws its own.",
            f"a profile that takes one: {takers}",
            f"add --profile {takers.split(', ')[0]}, or leave the folder out.",
        )
    if not profile.coco:
        return None
    folder = own_folder(given, "COCO_DIR")
    named = folder is not None and folder.is_file() and folder.suffix.lower() == ".json"
    return folder if named else existing(folder, "COCO_DIR")


def existing(folder: Path | None, variable: str) -> Path | None:
    if folder is not None and not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        raise LabError(f"{folder} {what}.", f"the folder that {variable} names", "correct the path.")
    return folder


def origin(inputs: Mapping[str, Path | str], parameters: Mapping[str, Any], *modules: str) -> Origin:
    """What a result comes from: files (hashed) or hashes, parameters, and the code of ``modules``."""
    hashes = {n: sha256_path(v) if isinstance(v, Path) else v for n, v in inputs.items()}
    return Origin(hashes, dict(parameters), code_digest(*modules), host.setting())


def keep(path: Path, kind: str, source: Origin, values: V, outputs: Sequence[Path] = ()) -> Record[V]:
    """Write a record of a success."""
    files = hash_outputs(path.parent, outputs)
    return write_record(path, Record(kind, source, host.provenance(), values, files))


def keep_failure(path: Path, kind: str, source: Origin, reason: str) -> Record:
    """Write a record of a failure: it is shown in the report and stops nothing else.

    One that is there already stays as it is, so that what follows from it stays current.
    """
    known = current_record(path, Any, source)
    if known is not None and known.failure == reason:
        return known
    return write_record(path, Record(kind, source, host.provenance(), None, failure=reason))
