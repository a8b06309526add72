"""One run of the profile ``smoke``, by the command that users type, for every test that needs a finished run.

It goes into the test session's own data folder and is made once, by whichever test asks first. Tests read
it; what they want to change they change in a copy (``copy_run``).
"""

import functools
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from helpers.lab.paths import RunPaths, runs_dir
from helpers.run.experiment import Run, open_run
from tests.support.command_line import lab

PROFILE = "smoke"


@dataclass(frozen=True)
class Finished:
    """The finished run.

    Attributes:
        data: its data folder.
        printed: what the command printed, both streams.
        latest: where ``runs/latest`` pointed when it ended.
        run: as ``open_run`` gives it.
    """

    data: Path
    printed: str
    latest: str
    run: Run

    @property
    def model(self):
        return self.run.models[0]

    @property
    def folder(self) -> Path:
        return self.run.paths.folder


@functools.cache
def finish(data: Path) -> Finished:
    """Run ``smoke`` in ``data``, once per session."""
    done = lab(data, "run", "--profile", PROFILE)
    assert done.returncode == 0, done.stdout
    run = open_run(PROFILE)
    return Finished(data, done.stdout, os.readlink(runs_dir() / "latest"), run)  # noqa: PTH115


def copy_run(finished: Finished, name: str, without: tuple[str, ...] = ()) -> Run:
    """A copy to damage, times of files kept; ``without`` names files and folders below it to leave out."""
    target = RunPaths(name).folder
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(finished.folder, target)
    for part in without:
        path = target / part
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return open_run(PROFILE, name)


def written_times(folder: Path) -> dict[str, int]:
    """Every file below ``folder`` -> when it was last written, in ns."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
