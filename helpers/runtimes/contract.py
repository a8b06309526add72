"""The contract of runtimes: what loads the file of a core and runs it, and what it can tell of it."""

import abc
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from helpers.lab.host import package_version
from helpers.lab.intervals import Absent
from helpers.runtimes.file_facts import FileFacts, StoredBytes


class Session(Protocol):
    """A core, loaded: normalized image in, raw heads out; real numbers, whatever it stores.

    Not thread-safe: one per thread. ``invoke`` releases the GIL.

    Attributes:
        path: its file.
        input_shape: ``(1, H, W, 3)`` or ``(1, 3, H, W)``.
        output_shapes: by name, as the file states them.
    """

    path: Path
    input_shape: tuple[int, ...]
    output_shapes: dict[str, tuple[int, ...]]
    input_dtype: np.dtype

    def set_input(self, image: np.ndarray) -> None:
        """``image``: array of ``input_shape``, of ``input_dtype`` or real numbers; not part of ``invoke``."""

    def invoke(self) -> None:
        """Inference alone: what latency and energy are measured on."""

    def outputs(self) -> dict[str, np.ndarray]:
        """Copies of the outputs as real numbers, by name."""

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """All three."""


@dataclass(frozen=True)
class Runtime(abc.ABC):
    """A runtime. What it cannot tell is ``Absent`` with its reason, never an error.

    Attributes:
        id: name in variants, records and results.
        title: name for people.
        ending: of its files, with the dot.
        marker: matplotlib marker in figures that lay runtimes beside one another.
        packages: what must be importable, by import name.
        extra: its name in ``make setup RUNTIMES=...``; empty for one that is always there.
    """

    id: str
    title: str
    ending: str
    marker: str
    packages: tuple[str, ...]
    extra: str = ""

    def why_absent(self) -> str:
        """Why it cannot be used here, with the cure; empty if it can."""
        lacking = [name for name in self.packages if importlib.util.find_spec(name) is None]
        if not lacking:
            return ""
        names = " and ".join(lacking)
        are = "is" if len(lacking) == 1 else "are"
        return f"{names} {are} not installed; `make setup RUNTIMES={self.extra}` adds {self.title}."

    def versions(self) -> Mapping[str, str]:
        """Distribution -> version of what its results depend on; empty where the lock says it."""
        return {name: package_version(name) for name in self.packages} if self.extra else {}

    @abc.abstractmethod
    def load(self, path: Path, threads: int = 1) -> Session:
        """
        Raises:
            LabError: the file is absent, or the runtime refuses it.
        """

    @abc.abstractmethod
    def import_all(self) -> None:
        """Import what ``load`` needs: what a bare process of the runtime holds."""

    def files(self, path: Path) -> tuple[Path, ...]:
        """All files of a core, ``path`` first."""
        return (path,)

    @abc.abstractmethod
    def facts(self, path: Path) -> FileFacts:
        """What a file holds, as read from it."""

    def stored(self, path: Path) -> StoredBytes | Absent:
        """What a file says of the memory that it takes."""
        return Absent(f"{self.title}'s files do not say it")

    def profile(self, path: Path, invocations: int, threads: int) -> dict[str, Any]:
        """Time by operator, as ``litert.operator_times.profile_file`` gives it, or ``{"absent": reason}``."""
        return {"absent": f"{self.title} tells no time by operator"}


def is_finite(heads: Mapping[str, np.ndarray]) -> bool:
    """Whether every output is all finite numbers; those that are no floats always are."""
    return all(np.isfinite(head.sum()) or np.isfinite(head).all() for head in heads.values())
