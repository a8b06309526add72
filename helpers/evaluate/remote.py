"""One shard of photos through cores, in a process on whatever machine: what a cluster's worker does."""

import functools
import hashlib
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from helpers.evaluate.detect import CorePool, Shard, ShardResult, decode, detect
from helpers.lab import host
from helpers.lab.errors import LabError, reason_of
from helpers.lab.files import write_bytes
from helpers.lab.fingerprint import code_digest
from helpers.models.interface import Interface
from helpers.photos.preprocessing import Preprocessing

PACKAGES = (*host.PACKAGES_OF_RESULTS, "pillow", "openvino", "onnxruntime")
MOST_CORES = 32  # that a worker keeps loaded


@dataclass(frozen=True)
class Shipped:
    """Files as bytes, by the names that they have beside one another, the first first; and their hash.

    Workers may share no disk with the one who asks.
    """

    files: Mapping[str, bytes]
    key: str


def shipped(paths: Sequence[Path]) -> Shipped:
    files = {path.name: path.read_bytes() for path in paths}
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name}\n{len(content)}\n".encode() + content)
    return Shipped(files, digest.hexdigest()[:32])


@dataclass(frozen=True)
class Wanted:
    """What is to be found in one shard.

    Attributes:
        cores: variant -> key of its core's files, which the worker holds; all take the same input.
        interfaces: variant -> key of the file of what goes before and after it.
        photos: COCO id -> path, where the one who asks has it, and content of the photo's file.
        category_ids: of the model's classes.
    """

    cores: Mapping[str, str]
    interfaces: Mapping[str, str]
    photos: Mapping[int, tuple[str, bytes]]
    category_ids: Sequence[int]


_HELD: dict[str, Path] = {}  # by key: the first of the files that this process holds
_TURN = threading.Lock()  # a core serves one thread


def store(files: Shipped, dask_worker: Any) -> None:
    """Keep files in the folder of this worker, which no other process writes to and which ends with it.

    Args:
        dask_worker: the worker, which Dask passes by this name.
    """
    if files.key not in _HELD:
        folder = Path(dask_worker.local_directory) / "quantization-lab" / files.key
        for name, content in files.files.items():
            write_bytes(folder / name, content)
        _HELD[files.key] = folder / next(iter(files.files))


@functools.lru_cache(MOST_CORES)
def pool_of(key: str) -> CorePool:
    return CorePool(_HELD[key], workers=1)


def find(wanted: Wanted) -> dict[str, ShardResult | str]:
    """Variant -> what it finds, or why it cannot be run. Runs in the worker, on one core.

    Raises:
        LabError: a photo cannot be read.
    """
    loaded = {variant: Interface.load(_HELD[key]) for variant, key in wanted.interfaces.items()}
    shard = decoded(wanted.photos, next(iter(loaded.values())).preprocessing)
    found: dict[str, ShardResult | str] = {}
    with _TURN:
        for variant, key in wanted.cores.items():
            try:
                found[variant] = detect(pool_of(key), loaded[variant].tail, shard, wanted.category_ids)
            except Exception as error:  # a runtime, a delegate or a tail of any kind
                found[variant] = reason_of(error)
    return found


def decoded(photos: Mapping[int, tuple[str, bytes]], preprocessing: Preprocessing) -> Shard:
    """The photos, made ready; an error names a photo as the one who asks does."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            number: Path(folder) / f"{number}{Path(name).suffix}" for number, (name, _) in photos.items()
        }
        for number, (_, content) in photos.items():
            paths[number].write_bytes(content)
        try:
            return decode(paths, preprocessing, workers=1)
        except LabError as error:
            parts = [error.found, error.expected, error.cure]
            for number, path in paths.items():
                parts = [part.replace(str(path), photos[number][0]) for part in parts]
            raise LabError(*parts) from None


@functools.cache
def own_code() -> str:
    """Of the project's code in this process: read once, about when it was imported, for files may change."""
    return code_digest(__name__)[:12]


def numerics() -> dict[str, str]:
    """What detections depend on beside their inputs: libraries, instruction sets, the project's own code."""
    flags = " ".join(host.isa_flags())
    own = {"opencv": cv2.__version__, "instruction sets": flags, "the project's code": own_code()}
    return host.versions(PACKAGES) | own


def differences(own: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Where two settings differ: ``numpy 2.1.0, here 2.3.1``; empty if they are the same."""
    names = [name for name in dict.fromkeys((*own, *other)) if own.get(name) != other.get(name)]
    return "; ".join(
        f"{name} {other.get(name, 'unknown')}, here {own.get(name, 'unknown')}" for name in names
    )
