"""What a run was made with, kept in its folder; and that one process at a time makes it."""

import contextlib
import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from helpers.lab.errors import LabError
from helpers.lab.files import disk_errors_explained, read_json, write_text
from helpers.lab.paths import RunPaths, runs_dir
from helpers.models.registry import DEFAULT_MODEL
from helpers.run.experiment import Run, open_run, run_paths
from helpers.run.forms import usual_forms
from helpers.run.options import RUN_NAME

OPTIONS, LOCK = "options.json", "run.lock"
# What ``options_of`` keeps, as the command line has it.
FLAGS = {
    "profile": "--profile", "run_name": "--run", "models": "--model", "variants": "--variant",
    "threads": "--threads", "meter": "--meter", "power_w": "--power-w", "region": "--region",
    "width_percent": "--width", "margin_points": "--margin", "forms": "--form", "runs": "--beside",
    "coco_dir": "--coco-dir", "model_dir": "--model-dir", "scheduler": "--scheduler",
}  # fmt: skip
TOGETHER = ("power_w",)  # values of one flag; of other lists, each value has a flag of its own


def options_of(run: Run) -> dict[str, Any]:
    """Arguments of ``open_run`` that open the same run in any folder."""
    return {
        "profile": run.profile.id,
        "run_name": run.paths.name,
        "models": [model.given for model in run.models],
        "variants": [variant.own or variant.id for variant in run.variants],
        "threads": run.threads,
        "meter": run.meter,
        "power_w": list(run.power_w) if run.power_w else None,
        "region": run.region,
        "width_percent": run.width_percent,
        "margin_points": run.margin_points,
        "forms": list(run.forms),
        "runs": list(run.runs),
        "coco_dir": str(run.coco_dir or ""),
        "model_dir": str(run.model_dir or ""),
        "scheduler": run.scheduler,
    }


def open_as_made(name: str) -> Run | None:
    """The run of that name with the options that it was made with; None where it was never begun."""
    if not name:
        return None
    path = run_paths(name).folder / OPTIONS
    return open_run(**read_json(path, "delete it.")) if path.exists() else None


def as_typed(options: Mapping[str, Any]) -> str:
    """What ``options_of`` gives, as one would type it: the profile, and whatever is not as by default."""
    usual = {name: getattr(Run, name, None) for name in FLAGS} | {"run_name": options["profile"]}
    usual |= {"models": [DEFAULT_MODEL], "variants": usual_forms()}
    words = [
        flagged(FLAGS[name], value, name in TOGETHER)
        for name, value in options.items()
        if value and value != usual[name]
    ]
    return shlex.join(word for part in words for word in part)


def flagged(flag: str, value: Any, together: bool) -> list[str]:
    values = [f"{each:g}" if isinstance(each, float) else str(each) for each in as_list(value)]
    return [flag, *values] if together else [word for each in values for word in (flag, each)]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def made_with(run: Run) -> str:
    """One line: the options that the run of this name was made with, and those asked about if others."""
    path, asked = run.paths.folder / OPTIONS, options_of(run)
    if not path.exists():
        known = "Its options were not kept" if run.paths.folder.exists() else "Not made yet"
        return f"{known}. Asked about: {as_typed(asked)}"
    made = read_json(path, "delete it.")
    return f"Made with: {as_typed(made)}" + f". Asked about: {as_typed(asked)}" * (made != asked)


def require_begun(name: str) -> None:
    """Raises:
    LabError: there is no run of that name.
    """
    if not run_paths(name).folder.exists():
        names = ", ".join(path.name for path in run_folders()) or "none, since none was made"
        raise LabError(f"no run {name!r}.", f"one of: {names}", "name one of these; the newest is the first.")


def run_folders() -> list[Path]:
    """Folders of the runs that are there, that which was last written first."""
    found = [path for path in runs_dir().glob("*") if path.is_dir() and not path.is_symlink()]
    return sorted((path for path in found if RUN_NAME.fullmatch(path.name)), key=written_ns, reverse=True)


def written_ns(folder: Path) -> int:
    """When a run was reported, else begun, else touched."""
    paths = RunPaths(folder.name)
    files = [path for path in (paths.report, paths.folder / OPTIONS, paths.folder) if path.exists()]
    return files[0].stat().st_mtime_ns


def latest_name() -> str:
    """Name of the run that was finished last, else of the one begun last; empty for none."""
    latest = runs_dir() / "latest"
    if latest.is_dir():
        return latest.resolve().name
    begun = sorted(runs_dir().glob(f"*/{OPTIONS}"), key=lambda path: path.stat().st_mtime)
    return begun[-1].parent.name if begun else ""


def other_runs(name: str) -> list[str]:
    """What the other runs are, each in a few words, newest first."""
    others = [path.name for path in run_folders() if path.name != name]
    return [f"{other} ({what_it_is(RunPaths(other))})" for other in others]


def what_it_is(paths: RunPaths) -> str:
    """Profile, state and day of a run, from its files alone: it is not asked whether it is up to date."""
    options, report = paths.folder / OPTIONS, paths.report
    if not options.exists():
        return "finished" if report.exists() else "of unknown options"
    profile = read_json(options, "delete it.")["profile"]
    state, file = ("reported", report) if report.exists() else ("begun", options)
    return f"{profile}, {state} {time.strftime('%Y-%m-%d %H:%M', time.localtime(file.stat().st_mtime))}"


@contextlib.contextmanager
def making(run: Run) -> Iterator[None]:
    """``made_here``, and the run's options are kept."""
    with made_here(run.paths):
        path, options = run.paths.folder / OPTIONS, options_of(run)
        if not path.exists() or path.read_text() != as_text(options):
            write_text(path, as_text(options))
        yield


def as_text(options: dict[str, Any]) -> str:
    return json.dumps(options, indent=1) + "\n"


@contextlib.contextmanager
def made_here(paths: RunPaths) -> Iterator[None]:
    """Keep every other process from making the run; the system lets go if this one dies.

    Raises:
        LabError: another process makes it now.
    """
    import fcntl

    folder = paths.folder
    with disk_errors_explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a+")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(
                f"run {paths.name!r} is being made now{holder(file)}.",
                "one process at a time for each run",
                "wait until it ends, or make another run beside it: --run NAME.",
            ) from None
        file.truncate(0)
        file.write(json.dumps({"process": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}))
        file.flush()
        yield


def holder(file) -> str:
    """Which process holds the lock, as far as it says."""
    file.seek(0)
    try:
        said = json.loads(file.read())
        return f" by process {said['process']}, since {said['since']}"
    except (ValueError, KeyError, TypeError):
        return " by another process"
