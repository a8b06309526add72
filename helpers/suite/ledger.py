"""Which stages of a run are done, and whether what they did is still what they would do now."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from helpers.download.stage import data_folders
from helpers.energy.records import Energy, Latency, Memory
from helpers.energy.rounds.records import why_nothing
from helpers.lab import host
from helpers.lab.errors import LabError, unknown_name
from helpers.lab.files import sha256_json, sha256_path
from helpers.lab.fingerprint import code_digest, notebook_imports
from helpers.lab.paths import BESIDE, EMBEDDED, NOTEBOOKS, run_folder
from helpers.lab.records import Origin, Record, outputs_whole, read_record
from helpers.models.families import find_files
from helpers.quantize.trained.trained_codes import codes_file
from helpers.run.experiment import Run, keep
from helpers.run.failures import failures
from helpers.run.forms import LADDER, TRAINED, is_trained


@dataclass(frozen=True)
class Stage:
    """One notebook's work.

    Attributes:
        name: of the notebook, without ending.
        title: for progress lines.
        upstream: stages whose outputs it reads.
        options: fields of ``Run`` that only this stage and those after it depend on.
        folders: what it writes below the run's folder.
        beside: folders of the run that it reads where they are there.
    """

    name: str
    title: str
    upstream: tuple[str, ...]
    options: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def notebook(self) -> Path:
        return NOTEBOOKS / f"{self.name}.ipynb"


MEASURING = ("threads", "meter", "power_w", "region", "width_percent")
RESULTS = (
    "context.json",
    "cures.csv",
    "cures_floats.csv",
    "losses.csv",
    "results.csv",
    "results.md",
    "results.tex",
    "report.html",
)

_ENTRIES = (
    Stage("01_download", "data set and model", ()),
    # The search for cures goes as far as the margin.
    Stage("02_quantize", "variants", ("01_download",), ("margin_points",), ("variants",)),
    Stage(
        "03_evaluate", "accuracy", ("01_download", "02_quantize"), (), ("detections", "scores", "pictures")
    ),
    Stage(
        "04_energy",
        "latency, memory, energy",
        ("01_download", "02_quantize"),
        MEASURING,
        ("measurements", "why"),
    ),
    Stage(
        "05_compare",
        "figures and report",
        ("02_quantize", "03_evaluate", "04_energy"),
        ("margin_points", "runs"),
        ("resampled", "figures", *RESULTS),
        ("selftest",),
    ),
    Stage("06_pitfalls", "failure gallery", ("01_download", "02_quantize"), (), ("pitfalls",)),
    Stage(
        "07_ladder",
        "all numeric forms",
        ("01_download", "02_quantize", "03_evaluate"),
        ("margin_points", "forms"),
        ("ladder", "ladder.csv"),
    ),
    Stage(
        "08_training",
        "training in the loop",
        ("02_quantize", "07_ladder"),
        (),
        ("training",),
    ),
)

STAGES = MappingProxyType({stage.name: stage for stage in _ENTRIES})


def get_stage(name: str) -> Stage:
    try:
        return STAGES[name]
    except KeyError:
        raise unknown_name("stage", name, STAGES) from None


def stage_outputs(run: Run, stage: Stage) -> list[Path]:
    """Everything that the stage leaves on disk for others."""
    if stage.name == "01_download":
        folders = data_folders(run)
        models = [path for model in run.models for path in find_files(model, run.model_dir) or ()]
        return [folders.validation, folders.calibration, *models]
    return [run.paths.folder / name for name in stage.folders]


def stage_origin(run: Run, stage: Stage) -> Origin:
    """What the stage's outputs would come from if it ran now.

    Raises:
        LabError: an upstream stage has not been run.
    """
    cells = json.loads(stage.notebook.read_text())["cells"]
    source = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    inputs = {"notebook": sha256_json(source)}
    for name in stage.upstream:
        inputs[name] = sha256_json(dict(read_stage(run, name).outputs))
    beside = {name: run.paths.folder / name for name in stage.beside}
    inputs |= {name: sha256_path(path) for name, path in beside.items() if path.exists()}
    if "runs" in stage.options:
        inputs |= beside_inputs(run)
    inputs |= trained_inputs(run, stage)
    parameters = {
        "profile": asdict(run.profile),
        "models": [model.id for model in run.models],
        "categories": [sha256_json(model.categories) for model in run.models],
        "data": data_folders(run).validation.parent.name,
        "variants": [variant.id for variant in run.variants],
        **{option: getattr(run, option) for option in stage.options},
    }
    code = code_digest(*notebook_imports(source))
    return Origin(inputs, json.loads(json.dumps(parameters)), code, host.setting())


def beside_inputs(run: Run) -> dict[str, str]:
    """Hashes of what is read of the runs beside this one; 05 itself says what of it is missing."""
    files = {f"{name}/{file}": run_folder(name) / file for name in run.runs for file in BESIDE}
    return {name: sha256_path(path) for name, path in files.items() if path.is_file()}


def trained_inputs(run: Run, stage: Stage) -> dict[str, str]:
    """Hashes of what was trained, as far as it is there.

    02 reads the codes of the forms that are among the variants, 07 and 08 those of all; 08 also what came of
    gradients in few bits.
    """
    asked = [variant.id for variant in run.variants if is_trained(variant)]
    forms = {"02_quantize": asked, "07_ladder": TRAINED, "08_training": TRAINED}.get(stage.name, ())
    files = {f"{model.id}/{form}": codes_file(model, form) for model in run.models for form in forms}
    files |= {"gradients": EMBEDDED / "gradients"} if stage.name == "08_training" else {}
    return {name: sha256_path(path) for name, path in files.items() if path.exists()}


def read_stage(run: Run, name: str) -> Record:
    return read_record(run.paths.stage_record(name), Any, f"run {name}.ipynb first.")


def finish(run: Run, name: str) -> None:
    """Record that a stage is done, and say so; the last cell of every notebook calls it.

    Raises:
        LabError: something that the stage should have written is not there.
    """
    stage = get_stage(name)
    outputs = stage_outputs(run, stage)
    absent = [path for path in outputs if not path.exists()]
    if absent:
        raise LabError(
            f"{name} wrote no {', '.join(path.name for path in absent)}.",
            "all outputs of the stage",
            "run the whole notebook, from its first cell.",
        )
    keep(run.paths.stage_record(name), "stage", stage_origin(run, stage), None, outputs)
    print(f"{name} is done for run {run.paths.name!r}.")


def why_not_current(run: Run, name: str) -> str:
    """Why a stage has to run; empty if it need not."""
    path = run.paths.stage_record(name)
    try:
        record = read_stage(run, name)
        source = stage_origin(run, get_stage(name))
    except LabError as error:
        return "not run yet" if not path.exists() else f"cannot be checked: {error.found}"
    changed = [
        part for part in ("inputs", "parameters", "code", "setting") if differs(record.origin, source, part)
    ]
    if changed:
        return f"changed: {', '.join(changed)}"
    if not outputs_whole(path.parent, record.outputs):
        return "an output is missing or changed"
    return something_failed(run, name)


def something_failed(run: Run, name: str) -> str:
    """What failed in a stage, and is tried again each time; empty for nothing."""
    if name == "01_download" and not all(find_files(model, run.model_dir) for model in run.models):
        return "a model is absent"
    if name == "02_quantize" and failed_variants(run):
        return "a variant failed"
    if name == "04_energy" and failed_measurements(run):
        return "a measurement failed"
    if name == "07_ladder" and failed_forms(run):
        return "a form failed"
    return ""


def failed_measurements(run: Run) -> dict[str, str]:
    """``model, quantity`` -> why nothing at all could be measured, from the measurements' records."""
    found = {}
    for model in run.models:
        for kind in (Latency, Memory, Energy):
            path = run.paths.measurement_record(model.id, kind.quantity)
            if path.exists():
                values = read_record(path, kind, "run 04_energy.ipynb again.").values
                if why := why_nothing(values):
                    found[f"{model.id}, {kind.quantity}"] = why
    return found


def failed_variants(run: Run) -> dict[str, str]:
    """``model, variant`` -> why it failed, from the variants' records."""
    found = {}
    for model in run.models:
        for variant in run.variants:
            path = run.paths.variant_record(model.id, variant.id)
            if path.exists() and (reason := read_record(path, Any, "run 02_quantize.ipynb again.").failure):
                found[f"{model.id}, {variant.id}"] = reason
    return found


def failed_forms(run: Run) -> list[str]:
    """The names in ``failures`` of what failed in 07 alone."""
    return [what for what in failures(run) if what.endswith(f", {LADDER}")]


def differs(first: Origin, second: Origin, part: str) -> bool:
    return sha256_json(getattr(first, part)) != sha256_json(getattr(second, part))
