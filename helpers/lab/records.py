"""Records: what a stage writes for the next, with what is needed to trust it."""

import dataclasses
import functools
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from helpers.lab.errors import LabError
from helpers.lab.files import read_json, sha256_json, sha256_path, write_json

FORMAT = 2  # 1 had values without a type

V = TypeVar("V")
# A float of a record's values. JSON has no NaN and no infinity: they are written as null and read as NaN.
Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]


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
class Record(Generic[V]):
    """One result on disk.

    Attributes:
        kind: what it is ("variant", "score", "latency", ...).
        origin: what it was computed from.
        provenance: host, CPU flags, library versions, commit, time.
        values: the result itself, a frozen dataclass; raw samples, never only summaries. None where there is
            none, since it failed.
        outputs: file name relative to the record's folder -> sha256, for files that belong to it.
        failure: why there is no result; empty if there is one.
    """

    kind: str
    origin: Origin
    provenance: Mapping[str, Any]
    values: V | None
    outputs: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""


def jsonable(value: Any) -> Any:
    """Dataclasses to mappings, NumPy to Python; non-finite floats to None (JSON has no NaN)."""
    if dataclasses.is_dataclass(value):
        value = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [jsonable(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def wrong_field(error: ValidationError) -> str:
    """The first field that is not what it should be, and why."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


@functools.cache
def reader_of(kind: Any) -> TypeAdapter:
    return TypeAdapter(kind)


def structured(kind: type[V], plain: Any) -> V:
    """What ``jsonable`` made of a value of this type, as that type again.

    Raises:
        pydantic.ValidationError: it is not of this type: a field is absent, or holds something else.
    """
    return reader_of(kind).validate_python(plain)


def hash_outputs(folder: Path, outputs: Sequence[Path]) -> dict[str, str]:
    return {os.path.relpath(path, folder): sha256_path(path) for path in outputs}


def write_record(path: Path, record: Record[V]) -> Record[V]:
    write_json(path, {"format": FORMAT, **jsonable(record)})
    return record


def read_record(path: Path, kind: type[V], cure: str) -> Record[V]:
    """Read a record.

    Args:
        kind: the type of its values; ``Any`` for one of which only the rest is read.
        cure: names the notebook that makes it, for where it is missing, broken or of an earlier version.
    """
    content = read_json(path, cure)
    try:
        if (found := content.pop("format")) != FORMAT:
            raise ValueError(f"format {found}, not {FORMAT}")
        values = None if content["failure"] else structured(kind, content["values"])
        return Record(**{**content, "origin": Origin(**content["origin"]), "values": values})
    except ValidationError as error:
        found = wrong_field(error)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        found = str(error)
    raise LabError(f"{path} is not a record of this version ({found}).", "", cure)


def current_record(path: Path, kind: type[V], origin: Origin) -> Record[V] | None:
    """The record at ``path`` if it has this origin and all its outputs are whole; else None."""
    try:
        record = read_record(path, kind, "")
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
