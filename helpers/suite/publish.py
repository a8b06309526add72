"""The reference run's figures and table, copied to where the README shows them."""

import shutil
from pathlib import Path

from helpers.compare.stage import build_context
from helpers.lab.errors import LabError
from helpers.lab.files import atomic_folder, write_json
from helpers.lab.paths import ROOT
from helpers.lab.records import jsonable
from helpers.ladder.tables import table_file
from helpers.run.experiment import Run
from helpers.suite.ledger import why_not_current

FIGURES = ROOT / "figures"
SHOWN = ("05_compare", "07_ladder", "08_training")


def publish(run: Run) -> list[Path]:
    """Replace ``figures/`` by the figures and tables of a finished run; ``run.json`` says which it was.

    Raises:
        LabError: the run is not finished.
    """
    reasons = {stage: why_not_current(run, stage) for stage in SHOWN}
    lacking = [f"{stage} {reason}" for stage, reason in reasons.items() if reason]
    if lacking:
        raise LabError(
            f"run {run.paths.name!r} is not finished: {lacking[0]}.",
            "a run whose stages are all up to date",
            f"python -m helpers run --profile {run.profile.id} --run {run.paths.name}",
        )
    if not run.profile.conclusive:
        raise LabError(
            f"run {run.paths.name!r} has profile {run.profile.id!r}: {run.profile.meaning}",
            "a run whose numbers mean something",
            "python -m helpers run --profile quick, then publish that.",
        )
    ladder = run.paths.folder / "ladder" / run.models[0].id / "figures"
    folders = (run.paths.figures, run.paths.pictures)
    sources = [path for folder in folders for path in folder.glob("[!.]*")]
    for folder in (ladder, run.paths.folder / "training"):
        sources += [*folder.glob("*.png"), *folder.glob("*.pdf")]
    sources += [run.paths.results(suffix) for suffix in ("csv", "md", "tex")]
    sources.append(run.paths.folder / "cures.csv")
    sources.append(table_file(run))
    with atomic_folder(FIGURES) as temporary:
        for source in sorted(sources):
            shutil.copyfile(source, temporary / source.name)
        write_json(temporary / "run.json", jsonable(build_context(run)))
    return sorted(FIGURES.iterdir())
