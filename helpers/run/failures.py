"""Everything that failed in a run, from its records: each thing once, with its first reason."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpers.lab.records import Record, read_record
from helpers.models.registry import Model
from helpers.run.experiment import Run
from helpers.run.forms import LADDER
from helpers.run.variants import BASELINE, is_control


@dataclass(frozen=True)
class Failures:
    """What every record has of failures of its parts: variant -> reason; nothing else of it is read."""

    failures: Mapping[str, str] = field(default_factory=dict)


def failures(run: Run) -> dict[str, str]:
    """``model, variant`` or ``model, variant, measurement`` -> why it failed."""
    found: dict[str, str] = {}
    for model in run.models:
        found |= {f"{model.id}, {what}": reason for what, reason in model_failures(run, model).items()}
    return found


def model_failures(run: Run, model: Model) -> dict[str, str]:
    paths = run.paths
    found = {}
    for variant in run.variants:
        records = (paths.variant_record(model.id, variant.id), paths.score_record(model.id, variant.id))
        reasons = (record.failure for record in map(read_if_there, records) if record)
        if reason := next(filter(None, reasons), ""):
            found[variant.id] = reason
    for path in sorted((paths.folder / "measurements" / model.id).glob("*.json")):
        record = read_if_there(path)
        for variant, reason in (record.values.failures if record and record.values else {}).items():
            if variant not in found and not is_control(variant):
                found.setdefault(f"{variant}, {path.stem}", reason)
    for path in sorted((paths.folder / LADDER / model.id).glob("*.json")):
        record = read_if_there(path)
        if record and record.failure and path.stem not in found:
            found[f"{path.stem}, {LADDER}"] = record.failure
    return found


def read_if_there(path: Path) -> Record[Failures] | None:
    return read_record(path, Failures, "delete it, and run again.") if path.exists() else None


def by_cause(found: Mapping[str, str]) -> dict[str, str]:
    """Names of what failed -> why: of what ``failures`` gives, each cause once.

    Variants fail with their float32, for its reason.
    """
    names: dict[str, list[str]] = {}
    for name, reason in found.items():
        names.setdefault(reason.removeprefix(f"{BASELINE} failed: "), []).append(name)
    return {joined(each): cause for cause, each in names.items()}


def joined(names: Iterable[str]) -> str:
    """``model, variant`` each, the model said once: ``a, float32; int8; b, float32``."""
    said, last = [], ""
    for name in names:
        model, _, what = name.partition(", ")
        said.append(what if model == last else name)
        last = model
    return "; ".join(said)
