"""What the notebooks' first cell calls: on Colab install what is missing, everywhere keep libraries quiet.

On Colab a cell ``%env RUNTIMES=openvino,onnxruntime`` before the first one adds further runtimes at the
lock's versions; what Colab's kernel needs stays as it is.

Imports the standard library alone, since on Colab it runs before anything is installed.
"""

import contextlib
import importlib
import importlib.metadata
import io
import os
import pkgutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from helpers.lab.errors import LabError
from helpers.lab.mongo import ensure_mongod
from helpers.lab.paths import ROOT
from helpers.lab.quietly import quiet
from helpers.suite.install import (
    ASKED,
    EXTRAS_LOCK,
    LOCK,
    STATED,
    asked_extras,
    extras,
    install_packages,
    name_of,
    requirement_lines,
)

# Colab's kernel has imported these or breaks with others of them; the rest must fit to what they are.
KEPT = (
    "click", "flatbuffers", "h5py", "ipykernel", "ipython", "keras", "matplotlib", "ml-dtypes", "nbclient",
    "nbformat", "notebook", "numpy", "pandas", "protobuf", "psutil", "pyzmq", "requests", "rich",
    "scikit-learn", "scipy", "setuptools", "tensorflow", "tf-keras", "tornado", "traitlets", "typer",
)  # fmt: skip
AS_DATA = ("codecarbon",)  # only its tables are read: what it needs to run is not needed
LOADED_WHOLE = ("PIL",)  # Colab's kernel may have imported some of it, and FiftyOne needs a newer one


def set_up() -> None:
    """All that a notebook needs after the project is found: installed packages (Colab), quiet libraries."""
    if on_colab():
        print(clone_sentence())
        install()
    quiet()


def on_colab() -> bool:
    return "google.colab" in sys.modules


def clone_sentence() -> str:
    """Which commit of the project this is, and whether the place that it was cloned from has a newer one."""
    from helpers.lab.host import git

    commit, origin = git("log", "-1", "--format=%H of %cs"), git("remote", "get-url", "origin")
    said = f"The project: {ROOT}, commit {commit[:10]}{commit[40:]}." if commit else f"The project: {ROOT}."
    newest = (git("ls-remote", "origin", "HEAD") or "").split("\t")[0] if origin else ""
    if commit and newest and newest != commit[:40]:
        said += f" {origin} has another: `!git -C {ROOT} pull`, then Runtime > Restart session, takes it."
    return said


def install() -> None:
    """Add what the running Python lacks, and a database server; what Colab's kernel needs stays as it is.

    Raises:
        LabError: Colab has a version that the project does not work with, pip failed, or the session must be
            restarted.
    """
    before = installed()
    kept = {name: before[name] for name in KEPT if name in before}
    require_in_range(kept)
    for package in LOADED_WHOLE:
        load_whole(package)
    add_missing(before, kept)
    ensure_mongod()
    require_fresh_modules(before)


def installed() -> dict[str, str]:
    """Name of a package -> its installed version."""
    importlib.invalidate_caches()
    return {name_of(each.name): each.version for each in importlib.metadata.distributions()}


def require_in_range(kept: dict[str, str]) -> None:
    """Raise if a package that stays has a version outside the range that ``requirements.in`` states."""
    from packaging.requirements import Requirement

    stated = [Requirement(line) for line in requirement_lines(STATED)]
    outside = [
        f"{each.name} {kept[name_of(each.name)]} (the project works with {each.specifier})"
        for each in stated
        if name_of(each.name) in kept
        and not each.specifier.contains(kept[name_of(each.name)], prereleases=True)
    ]
    if outside:
        raise LabError(
            f"Colab has {'; '.join(outside)}.",
            "versions in the ranges of requirements.in: Colab's kernel breaks where they are replaced",
            "choose another runtime version (Runtime > Change runtime type), or take a newer project.",
        )


def load_whole(package: str) -> None:
    """Import the rest of a package that the session has begun to import, before pip replaces its files.

    Later imports would be of the new version, and modules of two versions do not fit together.
    """
    for module in pkgutil.iter_modules(getattr(sys.modules.get(package), "__path__", [])):
        # Some modules are programs, which print.
        with contextlib.suppress(ImportError), contextlib.redirect_stdout(io.StringIO()):
            if module.name != "__main__":
                importlib.import_module(f"{package}.{module.name}")


def add_missing(before: dict[str, str], kept: dict[str, str]) -> None:
    """Let pip add what is missing, at the lock's version, and replace of the rest only what must be."""
    print(
        "Adding the project's packages to Colab's: a minute or two the first time, then seconds.", flush=True
    )
    further = [line for name in asked_extras(os.environ.get(ASKED, "")) for line in extras()[name]]
    pins = [*requirement_lines(LOCK), *(requirement_lines(EXTRAS_LOCK) if further else [])]
    locked = [pin for pin in pins if name_of(pin) not in before]
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join([*(f"{n}=={v}" for n, v in kept.items()), *locked]) + "\n")
        install_packages([*additions(kept), *further, "-c", str(constraints)], len(locked))
    tables = [pin for pin in requirement_lines(LOCK) if name_of(pin) in AS_DATA]
    install_packages(["--no-deps", *tables], len(tables))


def additions(kept: Iterable[str]) -> list[str]:
    """What ``requirements.in`` states besides the packages that stay as they are."""
    return [line for line in requirement_lines(STATED) if name_of(line) not in {*kept, *AS_DATA}]


def require_fresh_modules(before: dict[str, str]) -> None:
    """Raise if this session had imported a package that ``install`` has replaced."""
    now = installed()
    replaced = {name for name, version in before.items() if now.get(name) != version}
    imported = sorted(
        module
        for module, packages in importlib.metadata.packages_distributions().items()
        if replaced & set(map(name_of, packages)) and is_imported(module) and module not in LOADED_WHOLE
    )
    if imported:
        raise LabError(
            f"this session had already imported another version of {', '.join(imported)}.",
            "a session that starts with the installed versions",
            "restart it (Runtime > Restart session), then run this cell again: it takes seconds now.",
        )


def is_imported(module: str) -> bool:
    """Whether a module is imported that has code of its own; a namespace has none that could grow old."""
    return getattr(sys.modules.get(module), "__file__", None) is not None
