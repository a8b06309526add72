"""Records: what a stage writes for the next, with what is needed to trust it."""

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.lab.errors import LabError
from helpers.lab.files import read_json, sha256_json, sha256_path, write_json

FORMAT = 1


@dataclass(frozen=True)
class Origin:
    """What a result is computed from. Equal origins give interchangeable results.

    Attributes:
        inputs: name -> sha256 of every input.
        parameters: settings, JSON-serializable.
        code: ``fingerprint.code_digest`` of the code that computes it.
        setting: ``host.setting()``: host id and library versions.
    """

    inputs: Mapping[str, str]
    parameters: Mapping[str, Any]
    code: str
    setting: Mapping[str, Any]

    @property
    def key(self) -> str:
        return sha256_json(jsonable(dataclasses.asdict(self)))


@dataclass(frozen=True)
class Record:
    """One result on disk.

    Attributes:
        kind: what it is ("variant", "score", "latency", ...).
        origin: what it was computed from.
        provenance: host, CPU flags, library versions, commit, time.
        values: the result itself; raw samples, never only summaries.
        outputs: file name relative to the record's folder -> sha256, for files that belong to it.
        failure: why there is no result; empty if there is one.
    """

    kind: str
    origin: Origin
    provenance: Mapping[str, Any]
    values: Mapping[str, Any]
    outputs: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""


def jsonable(value: Any) -> Any:
    """NumPy scalars and arrays to Python; non-finite floats to None (JSON has no NaN)."""
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [jsonable(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def hash_outputs(folder: Path, outputs: Sequence[Path]) -> dict[str, str]:
    return {os.path.relpath(path, folder): sha256_path(path) for path in outputs}


def write_record(path: Path, record: Record) -> Record:
    write_json(path, {"format": FORMAT, **jsonable(dataclasses.asdict(record))})
    return record


def read_record(path: Path, cure: str) -> Record:
    """Read a record; ``cure`` names the notebook that makes it, for where it is missing or broken."""
    content = read_json(path, cure)
    try:
        if content.pop("format") != FORMAT:
            raise KeyError("format")
        return Record(**{**content, "origin": Origin(**content["origin"])})
    except (KeyError, TypeError, AttributeError) as error:
        raise LabError(f"{path} is not a record of this version ({error}).", "", cure) from None


def current_record(path: Path, origin: Origin) -> Record | None:
    """The record at ``path`` if it has this origin and all its outputs are whole; else None."""
    try:
        record = read_record(path, "")
    except LabError:
        return None
    if record.origin.key != origin.key or not outputs_whole(path.parent, record.outputs):
        return None
    return record


def outputs_whole(folder: Path, outputs: Mapping[str, str]) -> bool:
    return all((folder / n).exists() and sha256_path(folder / n) == h for n, h in outputs.items())


def require_same_setting(records: Mapping[str, Record], cure: str) -> None:
    """Raise unless all records come from one host and one set of library versions."""
    settings = {name: dict(record.origin.setting) for name, record in records.items()}
    distinct = {sha256_json(setting) for setting in settings.values()}
    if len(distinct) > 1:
        first = next(iter(settings.values()))
        odd = [name for name, setting in settings.items() if setting != first]
        raise LabError(
            f"records of different hosts or library versions: {', '.join(odd)} differ from the rest.",
            "records of one host and one set of library versions in one table",
            cure,
        )
