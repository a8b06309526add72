"""One shard of photos through cores, in a process on whatever machine: what a cluster's worker does."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.evaluate.detect import CorePool, ShardResult, decode, detect
from helpers.lab import host
from helpers.lab.errors import LabError, reason_of
from helpers.lab.files import write_bytes
from helpers.lab.fingerprint import code_digest
from helpers.models.interface import Interface


@dataclass(frozen=True)
class Shipped:
    """Files as bytes, by the names that they have beside one another, the first first; and their hash.

    Workers may share no disk with the one who asks.
    """

    files: Mapping[str, bytes]
    key: str

    def path(self) -> Path:
        """Where the first of them lies on this machine, written there unless it is."""
        folder = Path(tempfile.gettempdir()) / "quantization-lab" / self.key
        for name, content in self.files.items():
            if not (folder / name).is_file():
                write_bytes(folder / name, content)
        return folder / next(iter(self.files))


def shipped(paths: Sequence[Path]) -> Shipped:
    files = {path.name: path.read_bytes() for path in paths}
    digest = hashlib.sha256(b"".join(files.values()))
    return Shipped(files, digest.hexdigest()[:32])


@dataclass(frozen=True)
class Wanted:
    """What is to be found in one shard.

    Attributes:
        cores: variant -> files of its core; all take the same input.
        interfaces: variant -> file of what goes before and after it.
        photos: COCO id -> name and content of the photo's file.
        category_ids: of the model's classes.
        setting: of the one who asks: results of other libraries or instruction sets are not put beside its.
    """

    cores: Mapping[str, Shipped]
    interfaces: Mapping[str, Shipped]
    photos: Mapping[int, tuple[str, bytes]]
    category_ids: Sequence[int]
    setting: Mapping[str, str]


RUNTIME_PACKAGES = ("openvino", "onnxruntime")
_POOLS: dict[str, CorePool] = {}  # of this process, by the hash of the core's files


def pool_of(core: Shipped) -> CorePool:
    if core.key not in _POOLS:
        _POOLS[core.key] = CorePool(core.path(), workers=1)
    return _POOLS[core.key]


def find(wanted: Wanted) -> dict[str, ShardResult | str]:
    """Variant -> what it finds, or why it cannot be run. Runs in the worker, on one core.

    Raises:
        LabError: the worker is not as the one who asks.
    """
    require_same(wanted.setting)
    loaded = {variant: Interface.load(file.path()) for variant, file in wanted.interfaces.items()}
    preprocessing = next(iter(loaded.values())).preprocessing
    with tempfile.TemporaryDirectory() as folder:
        photos = {number: Path(folder) / f"{number}-{name}" for number, (name, _) in wanted.photos.items()}
        for number, (_, content) in wanted.photos.items():
            photos[number].write_bytes(content)
        shard = decode(photos, preprocessing, workers=1)
    found: dict[str, ShardResult | str] = {}
    for variant, core in wanted.cores.items():
        try:
            found[variant] = detect(pool_of(core), loaded[variant].tail, shard, wanted.category_ids)
        except Exception as error:  # a runtime, a delegate or a tail of any kind
            found[variant] = reason_of(error)
    return found


def numerics() -> dict[str, str]:
    """What detections depend on beside their inputs: libraries, instruction sets, the project's own code."""
    packages = host.versions((*host.PACKAGES_OF_RESULTS, *RUNTIME_PACKAGES))
    flags = " ".join(host.isa_flags())
    return {**packages, "instruction sets": flags, "the project's code": code_digest(__name__)[:12]}


def differences(own: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Where two settings differ: ``numpy 2.1.0, here 2.3.1``; empty if they are the same."""
    names = [name for name in dict.fromkeys((*own, *other)) if own.get(name) != other.get(name)]
    return "; ".join(
        f"{name} {other.get(name, 'unknown')}, here {own.get(name, 'unknown')}" for name in names
    )


def require_same(setting: Mapping[str, str]) -> None:
    unlike = differences(setting, numerics())
    if unlike:
        raise LabError(
            f"a worker unlike this machine: {unlike}.",
            "the same libraries and instruction sets",
            "start the worker in this project's environment, on a machine of the same kind.",
        )
