"""Another machine's run beside this one: what a run must leave to be laid beside others, and the comparison.

A folder with ``results.csv`` and ``context.json``, copied from another machine, is enough.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.compare.figures.machines import FIGURES_BESIDE
from helpers.compare.figures.rows_machines import FILLS, Machine
from helpers.compare.report.accuracy import table_page
from helpers.compare.report.page import Figure, Section
from helpers.compare.tables.machines import display_machines, machines_table, notes
from helpers.compare.tables.writing import read_results
from helpers.lab.errors import LabError
from helpers.lab.files import read_json, write_json
from helpers.lab.paths import BESIDE as FILES
from helpers.lab.paths import display, run_folder, runs_dir
from helpers.lab.records import jsonable, read_record
from helpers.run.experiment import Run
from helpers.show.style import LabFigure, save_figure

FORMAT = 1
HOST_FACTS = (
    "host_id", "cpu", "logical_cores", "usable_cores", "isa_flags", "hypervisor", "machine", "os", "packages",
)  # fmt: skip
CONTEXT_FACTS = ("run", "profile", "images", "host", "threads", "created_utc")
NUMBERS = ("ap", "latency_ms_p50", "latency_ratio", "latency_ratio_low", "latency_ratio_high",
           "peak_rss_bytes", "energy_j_per_image", "energy_low", "energy_high")  # fmt: skip
NOTHING_BESIDE = (
    "No other machine's run stands beside this one. To add one: finish a run there, copy its folder (or its "
    "results.csv and context.json) into a folder below data/runs/, and name that folder in `runs`."
)


def save_context(run: Run, context: Mapping[str, Any]) -> Path:
    """Write ``context.json``, which together with ``results.csv`` lets this run stand beside others.

    It holds no host name.

    Args:
        context: from ``stages.compare.build_context``.

    Raises:
        LabError: latency has not been measured.
    """
    path = run.paths.folder / "context.json"
    write_json(path, {"format": FORMAT, "context": jsonable(context), "host": jsonable(host_facts(run))})
    return path


def host_facts(run: Run) -> dict[str, Any]:
    """Facts of the machine that this run's latency was measured on."""
    paths = [run.paths.measurement_record(model.id, "latency") for model in run.models]
    path = next((path for path in paths if path.exists()), paths[0])
    provenance = read_record(path, Any, "run 04_energy.ipynb first.").provenance
    return {name: provenance.get(name) for name in HOST_FACTS}


def other_runs(run: Run, runs: Sequence[str | Path]) -> list[Machine]:
    """Read the runs to lay beside ``run``, lettered from B on.

    Args:
        runs: of each, its name below ``data/runs`` or the path of its folder.

    Raises:
        LabError: one is absent, unfinished, of another version, named twice or the run itself, has no
            model or no variant in common with it, or there are too many to draw.
    """
    folders = [run_folder(name) for name in runs]
    if len(folders) >= len(FILLS):
        raise LabError(
            f"{len(folders)} runs to lay beside this one.", f"at most {len(FILLS) - 1}", "name fewer."
        )
    require_once([run.paths.folder, *folders])
    others = [read_machine(chr(ord("B") + i), folder) for i, folder in enumerate(folders)]
    for other, folder in zip(others, folders, strict=True):
        require_shared(run, other, folder)
    return others


def require_once(folders: Sequence[Path]) -> None:
    """Raise where a folder stands beside itself, by whatever name."""
    for place, folder in enumerate(folders):
        if folder.resolve() in [other.resolve() for other in folders[:place]]:
            whose = "is the run itself" if folder.resolve() == folders[0].resolve() else "is named twice"
            raise LabError(
                f"{display(folder)} {whose}.", "other runs than this one, each once", "correct `runs`."
            )


def require_distinct(machines: Sequence[Machine]) -> None:
    """Raise where two runs are copies of one: their medians agree to the last digit."""
    for first, second in combinations(machines, 2):
        if medians(first) and medians(first) == medians(second):
            raise LabError(
                f"{second.letter} (run {second.run}) is a copy of {first.letter} (run {first.run}): every "
                "latency is the same.",
                "runs that were each measured by themselves",
                "leave the copy out of `runs`.",
            )


def medians(machine: Machine) -> list[tuple[str, str, float]]:
    columns = ["model", "variant", "latency_ms_p50"]
    return list(machine.results[columns].dropna().itertuples(index=False, name=None))


def read_machine(letter: str, folder: Path) -> Machine:
    """A finished run from its two files."""
    cure = "finish the run on its machine (`python -m helpers run`) and copy both files again."
    if not folder.is_dir():
        names = sorted(path.name for path in runs_dir().glob("*") if path.name != "latest") or ["none"]
        raise LabError(
            f"there is no run and no folder {display(folder)}.",
            f"the path of a run's folder, or the name of one below data/runs: {', '.join(names)}",
            "copy the other machine's run there, or correct `runs`.",
        )
    if absent := [name for name in FILES if not (folder / name).is_file()]:
        raise LabError(
            f"{display(folder)} has no {' and no '.join(absent)}: that run is not finished.",
            f"a folder with {' and '.join(FILES)}",
            cure,
        )
    context, host = read_context(folder / "context.json", cure)
    return Machine(letter, read_table(folder / "results.csv", cure), context, host)


def read_context(path: Path, cure: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What ``save_context`` wrote: the context and the facts of the host."""
    content = read_json(path, cure)
    parts = [content.get(name) if isinstance(content, dict) else None for name in ("context", "host")]
    whole = all(isinstance(part, dict) for part in parts) and content.get("format") == FORMAT
    if not whole or not all(name in parts[0] for name in CONTEXT_FACTS):
        expected = f"format {FORMAT}, with: {', '.join(CONTEXT_FACTS)}"
        raise LabError(f"{display(path)} is no context of this version.", expected, cure)
    return parts[0], parts[1]


def read_table(path: Path, cure: str) -> pd.DataFrame:
    """``results.csv`` of another run; its columns must be ours, numbers where we have numbers."""
    try:
        frame = read_results(path)
    except LabError as error:
        raise LabError(f"{display(path)}: {error.found}", error.expected, cure) from None
    texts = [name for name in NUMBERS if not pd.api.types.is_numeric_dtype(frame[name])]
    if texts or frame.duplicated(["model", "variant"]).any():
        found = f"texts in {', '.join(texts)}" if texts else "two rows of one model and variant"
        raise LabError(f"{display(path)} has {found}.", "one row of numbers per model and variant", cure)
    return frame


def require_shared(run: Run, other: Machine, folder: Path) -> None:
    """Raise unless the other run has a model of this one, and of it a variant of this one."""
    models = {model.id for model in run.models}
    rows = other.results[other.results["model"].isin(models)]
    shared = rows["variant"].isin({variant.id for variant in run.variants})
    if shared.any():
        return
    kind = "variant" if len(rows) else "model"
    theirs, ours = (rows if len(rows) else other.results)[kind].unique(), sorted(models)
    if kind == "variant":
        ours = [variant.id for variant in run.variants]
    raise LabError(
        f"{display(folder)} has no {kind} in common with run {run.paths.name}; it has: {', '.join(theirs)}.",
        f"a {kind} among: {', '.join(ours)}",
        f"run the same {kind} on both machines, or leave that run out of `runs`.",
    )


def lay_beside(
    run: Run, results: pd.DataFrame, context: Mapping[str, Any], runs: Sequence[str | Path]
) -> list[Machine]:
    """This run as A and the others after it; empty where there are none.

    Raises:
        LabError: as ``other_runs``.
    """
    others = other_runs(run, runs)
    machines = [Machine("A", results, context, host_facts(run)), *others] if others else []
    require_distinct(machines)
    return machines


def save_beside(run: Run, machines: Sequence[Machine]) -> dict[str, LabFigure]:
    """Draw the figures of several machines and write them as PNG and PDF beside the run's others.

    Without other runs nothing is drawn, and those of an earlier time are removed.
    """
    if not machines:
        for name in FIGURES_BESIDE:
            for suffix in ("png", "pdf"):
                (run.paths.figures / f"{name}.{suffix}").unlink(missing_ok=True)
        return {}
    figures = {name: entry.function(machines) for name, entry in FIGURES_BESIDE.items()}
    for name, figure in figures.items():
        figure.how_to_read = FIGURES_BESIDE[name].how_to_read
        save_figure(figure, run.paths.figures, name, machines[0].context)
    return figures


def show_beside(run: Run, machines: Sequence[Machine]) -> None:
    """In one cell table, notes and figures, which are saved too; or a sentence on how to add a run."""
    figures = save_beside(run, machines)
    if not machines:
        print(NOTHING_BESIDE)
        return
    from IPython.display import display

    display(display_machines(machines), *figures.values())


def report_figures(run: Run, machines: Sequence[Machine]) -> list[Figure]:
    """(title, path, how to read it) of the figures that ``save_beside`` wrote."""
    entries = FIGURES_BESIDE.values() if machines else ()
    return [(entry.title, run.paths.figures / f"{entry.id}.png", entry.how_to_read) for entry in entries]


def report_sections(machines: Sequence[Machine]) -> list[Section]:
    """What the report says of the machines; nothing without other runs."""
    if not machines:
        return []
    texts = machines_table(machines)
    return [Section("Beside other machines", notes(machines), table_page(texts, texts))]
