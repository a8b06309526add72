"""Removing what runs produced: what is linked from elsewhere stays there."""

import shutil
from pathlib import Path

from helpers.lab.paths import RunPaths, runs_dir
from helpers.run.experiment import run_paths
from helpers.suite.as_made import LOCK, made_here, require_begun


def emptied(folder: Path) -> int:
    """Remove all that is in a folder, and the folder unless it is a link to a disk of the user's choice."""
    if not folder.is_dir():
        return removed(folder)
    freed = sum(removed(path) for path in folder.iterdir())
    if not folder.is_symlink():
        folder.rmdir()
    return freed


def remove_runs() -> int:
    """Remove all runs; return the bytes that they held.

    Raises:
        LabError: one is being made now; nothing is removed then.
    """
    if not runs_dir().is_dir():
        return 0
    for path in runs_dir().iterdir():
        require_idle(path)
    return emptied(runs_dir())


def remove_run(name: str) -> int:
    """Remove the run of that name, and ``latest`` if it named this one.

    Raises:
        LabError: there is none, or it is being made now.
    """
    folder, latest = run_paths(name).folder, runs_dir() / "latest"
    require_begun(name)
    require_idle(folder)
    freed = removed(folder)
    if latest.is_symlink() and not latest.exists():
        latest.unlink()
    return freed


def require_idle(folder: Path) -> None:
    if (folder / LOCK).exists() and not folder.is_symlink():
        with made_here(RunPaths(folder.name)):
            pass


def removed(path: Path) -> int:
    """Remove a file, a link (what it leads to stays) or a whole folder; return the bytes that it held."""
    if path.is_symlink():
        path.unlink()
        return 0
    if not path.is_dir():
        size_bytes = path.stat().st_size if path.exists() else 0
        path.unlink(missing_ok=True)
        return size_bytes
    files = [each for each in path.rglob("*") if each.is_file() and not each.is_symlink()]
    size_bytes = sum(each.stat().st_size for each in files)
    shutil.rmtree(path)
    return size_bytes
