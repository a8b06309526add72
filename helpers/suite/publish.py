"""The reference run's figures and table, copied to where the README shows them."""

import shutil
from pathlib import Path

from helpers.compare.stage import build_context
from helpers.lab.errors import LabError
from helpers.lab.files import atomic_folder, write_json
from helpers.lab.paths import ROOT
from helpers.lab.records import jsonable
from helpers.run.experiment import Run
from helpers.suite.ledger import why_not_current

FIGURES = ROOT / "figures"


def publish(run: Run) -> list[Path]:
    """Replace ``figures/`` by the figures and tables of a finished run; ``run.json`` says which it was.

    Raises:
        LabError: the run is not finished.
    """
    reason = why_not_current(run, "05_compare")
    if reason:
        raise LabError(
            f"run {run.paths.name!r} is not finished: 05_compare {reason}.",
            "a run whose stages are all up to date",
            f"python -m helpers run --profile {run.profile.id} --run {run.paths.name}",
        )
    if not run.profile.conclusive:
        raise LabError(
            f"run {run.paths.name!r} has profile {run.profile.id!r}: {run.profile.meaning}",
            "a run whose numbers mean something",
            "python -m helpers run --profile quick, then publish that.",
        )
    folders = (run.paths.figures, run.paths.pictures)
    sources = [path for folder in folders for path in folder.glob("[!.]*")]
    sources += [run.paths.results(suffix) for suffix in ("csv", "md", "tex")]
    with atomic_folder(FIGURES) as temporary:
        for source in sorted(sources):
            shutil.copyfile(source, temporary / source.name)
        write_json(temporary / "run.json", jsonable(build_context(run)))
    return sorted(FIGURES.iterdir())
