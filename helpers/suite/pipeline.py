"""The notebooks in order, by papermill: stages that are still valid are not run again."""

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from rich.console import Console

from helpers.compare.stage import point_latest
from helpers.download.stage import prepare_data, prepare_models
from helpers.lab import database
from helpers.lab.errors import LabError
from helpers.lab.files import disk_errors_explained, read_json, write_json
from helpers.lab.host import provenance
from helpers.lab.paths import ROOT, data_dir, display
from helpers.lab.quietly import children_stderr_in
from helpers.lab.units import format_duration
from helpers.ladder.tables import table_file
from helpers.quantize.stage import make_models
from helpers.run.experiment import Run
from helpers.suite.as_made import making
from helpers.suite.ledger import STAGES, Stage, get_stage, why_not_current

KERNEL = "python3"
CRASH = re.compile(r"Fatal Python error: (.*)")  # as ``faulthandler`` begins
USE_FIFTYONE = ("01_download", "03_evaluate")


def notebook_parameters(run: Run, stage: Stage) -> dict[str, Any]:
    """What papermill passes to a stage's notebook.

    Raises:
        LabError: the notebook has no such parameter (papermill itself would only warn).
    """
    given: dict[str, Any] = {
        "profile": run.profile.id,
        "run_name": run.paths.name,
        "models": [model.given for model in run.models],
        "variants": [variant.own or variant.id for variant in run.variants],
        "coco_dir": str(run.coco_dir or ""),
        "model_dir": str(run.model_dir or ""),
        **{option: jsonable_option(getattr(run, option)) for option in stage.options},
    }
    if "open_app" in known_parameters(stage):
        given["open_app"] = False
    # Where it is computed changes no result, so it makes no stage out of date.
    if "scheduler" in known_parameters(stage):
        given["scheduler"] = run.scheduler
    require_known(stage, given)
    return given


def jsonable_option(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def known_parameters(stage: Stage) -> list[str]:
    return list(papermill.inspect_notebook(str(stage.notebook)))


def require_known(stage: Stage, given: Mapping[str, Any]) -> None:
    unknown = sorted(set(given) - set(known_parameters(stage)))
    if unknown:
        raise LabError(
            f"{stage.notebook.name} has no parameter {', '.join(unknown)}.",
            f"parameters among: {', '.join(known_parameters(stage))}",
            "add it to the notebook's cell tagged 'parameters', or do not pass it.",
        )


def run_pipeline(run: Run, console: Console, fresh: bool = False) -> None:
    """Run all stages that are not current, in order.

    Args:
        fresh: run every stage; within it, results that are still valid are reused.

    Raises:
        LabError: a stage failed; stages before it are kept.
    """
    os.environ["QUANTLAB_ROOT"] = str(ROOT)
    with making(run):
        remove_leftovers(run)
        run_stages(run, console, fresh)
        point_latest(run)


def remove_leftovers(run: Run) -> None:
    """Half-written files of a run that was killed; nobody else writes in this folder now."""
    for path in run.paths.folder.rglob(".*"):
        if path.is_file():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)


def run_stages(run: Run, console: Console, fresh: bool) -> None:
    connected = False
    for number, stage in enumerate(STAGES.values(), start=1):
        reason = "asked for" if fresh else reason_to_run(run, stage)
        label = f"[bold]{number}/{len(STAGES)} {stage.name}[/bold]  {stage.title}"
        if not reason:
            console.print(f"{label}: up to date")
            continue
        if stage.name in USE_FIFTYONE and not connected:
            database.connect(data_dir())
            connected = True
        console.print(f"{label} ({reason})")
        with disk_errors_explained(run.paths.folder):
            seconds = execute(run, stage)
        note_time(run, stage, seconds)
        console.print(f"    done in {format_duration(seconds)}")


def make_ready(run: Run) -> None:
    """Photos, models and their variants, as far as they are not there yet: what measuring needs."""
    database.connect(data_dir())
    prepare_models(run, prepare_data(run))
    make_models(run)


def reason_to_run(run: Run, stage: Stage) -> str:
    reason = why_not_current(run, stage.name)
    if not reason and not run.paths.executed_notebook(stage.name).exists():
        return "its executed copy is missing"
    return reason


def execute(run: Run, stage: Stage) -> float:
    """Run one notebook; return its duration in seconds. The executed copy appears only once it is whole."""
    target, log = run.paths.executed_notebook(stage.name), run.paths.stage_log(stage.name)
    parameters = notebook_parameters(run, stage)
    log.unlink(missing_ok=True)
    start = time.perf_counter()
    with kept_if_failed(target, log) as unfinished, children_stderr_in(log):
        papermill.execute_notebook(
            str(stage.notebook),
            str(unfinished),
            parameters=parameters,
            kernel_name=KERNEL,
            cwd=str(stage.notebook.parent),
            log_output=False,
            extra_arguments=["--log-level=CRITICAL", crashes_told_in(log)],
        )
    if not log.stat().st_size:
        log.unlink()
    return time.perf_counter() - start


def crashes_told_in(log: Path) -> str:
    """An argument for a kernel: a crash outside Python (of a runtime, say) tells there where Python was.

    The kernel's standard error would not do: the kernel itself reads it, and dies before it has.
    """
    return f"--IPKernelApp.exec_lines=__import__('faulthandler').enable(open({str(log)!r}, 'a'))"


@contextlib.contextmanager
def kept_if_failed(target: Path, log: Path) -> Iterator[Path]:
    """Yield where to write; on success it becomes ``target``, on failure ``<stage>.failed.ipynb``.

    Args:
        log: gets the traceback of what is a fault of the lab, for a report.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".running.ipynb")
    failed = target.with_suffix(".failed.ipynb")
    failed.unlink(missing_ok=True)
    try:
        yield unfinished
    except PapermillExecutionError as error:
        unfinished.replace(failed)
        raise explained(error, target.stem, failed, log) from error
    except DeadKernelError as error:
        unfinished.replace(failed)
        raise died(target.stem, failed, log) from error
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    unfinished.replace(target)


def explained(error: PapermillExecutionError, stage: str, failed: Path, log: Path) -> LabError:
    """The notebook's own error, as one message."""
    if error.ename == "LabError":
        found, _, rest = error.evalue.partition("\nExpected: ")
        expected, _, cure = rest.partition("\nCure: ")
        if not rest:
            found, _, cure = error.evalue.partition("\nCure: ")
        where = f"How far it came is in {display(failed)}."
        return LabError(f"{stage}: {found.removeprefix('Found: ')}", expected, cure or where)
    add_to_log(log, str(error))
    return LabError(
        f"{stage} stopped with {error.ename}: {error.evalue}",
        "a notebook that runs to its end",
        f"the traceback, for a report, is in {display(log)}; the executed copy is "
        f"{display(failed)}. What was computed before is kept: the same command goes on from there.",
    )


def died(stage: str, failed: Path, log: Path) -> LabError:
    """A kernel that is gone: killed by another, or crashed by itself, which its log then tells."""
    crash = CRASH.search(log.read_text(errors="replace") if log.exists() else "")
    if crash:
        return LabError(
            f"{stage}: the process of the notebook crashed: {crash[1]}.",
            "a notebook that runs to its end",
            f"the same command goes on from there. Where it crashed, for a report: {display(log)}; "
            f"how far it came: {display(failed)}",
        )
    return LabError(
        f"{stage}: the process of the notebook was ended from outside (often: out of memory).",
        "a notebook that runs to its end",
        f"close other programs; the same command goes on from there. How far it came: {display(failed)}",
    )


def add_to_log(log: Path, text: str) -> None:
    """Add a traceback and what this machine is; where that cannot be written, the executed copy has it."""
    with contextlib.suppress(OSError):
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write(f"{text}\n{json.dumps(provenance(), indent=1)}\n")


def times_file(run: Run) -> Path:
    return run.paths.folder / "stages" / "durations.json"


def stage_times(run: Run) -> dict[str, float]:
    """Stage -> seconds of its last execution."""
    path = times_file(run)
    return read_json(path, "delete it.") if path.exists() else {}


def note_time(run: Run, stage: Stage, seconds: float) -> None:
    write_json(times_file(run), {**stage_times(run), stage.name: round(seconds, 3)})


def made_files(run: Run) -> list[Path]:
    """What a finished run offers its reader."""
    paths = run.paths
    later = [
        path for place in ("ladder/*/figures", "training") for path in paths.folder.glob(f"{place}/*.png")
    ]
    figures = sorted([*paths.figures.glob("*.png"), *later])
    notebooks = [paths.executed_notebook(get_stage(name).name) for name in STAGES]
    tables = [*(paths.results(suffix) for suffix in ("csv", "md", "tex")), table_file(run)]
    return [path for path in [paths.report, *tables, *figures, *notebooks] if path.exists()]
