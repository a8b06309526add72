"""Why each variant is, or is not, faster: operators by time, against what this machine could do."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from helpers.energy.why.answers import reasons, table
from helpers.energy.why.figure import HOW_TO_READ, time_by_operator
from helpers.energy.why.operators import INVOCATIONS, operators_frame
from helpers.energy.why.reasons import explain_files
from helpers.energy.why.records import Why
from helpers.lab.errors import reason_of
from helpers.lab.records import Record, current_record
from helpers.models.registry import Model
from helpers.quantize.stage import timed_files
from helpers.run.experiment import Run, keep, origin
from helpers.show.context import picture_context
from helpers.show.style import LabFigure


def explain_speed(run: Run, model: Model) -> Record[Why]:
    """Profile every variant and measure what the machine could do; kept until a file changes."""
    path, files = run.paths.why_record(model.id), timed_files(run, model)
    settings = {"invocations": INVOCATIONS, "threads": run.threads}
    source = origin(files, settings, "helpers.energy.why.reasons")
    record = current_record(path, Why, source)
    if record and record.values.variants:
        return record
    return keep(path, "why", source, explained(files, **settings))


def explained(files: Mapping[str, Path], invocations: int, threads: int) -> Why:
    """As ``explain_files``; without variants, and the reason, where this machine cannot be measured."""
    try:
        return explain_files(files, invocations=invocations, threads=threads)
    except Exception as error:  # whatever a machine's counters, compilers or kernels refuse
        return Why(None, (), threads, "", {}, dict.fromkeys(files, reason_of(error)))


def speed_table(run: Run, model: Model) -> pd.DataFrame:
    """One column per variant."""
    found = table(explain_speed(run, model).values).set_index("variant").T
    return found.rename_axis("what", axis="index").rename_axis(None, axis="columns").reset_index()


def reasons_table(run: Run, model: Model) -> pd.DataFrame:
    """One sentence per variant on what its time is spent on."""
    found = reasons(explain_speed(run, model).values)
    return pd.DataFrame({"variant": list(found), "why": list(found.values())})


def speed_figure(run: Run) -> LabFigure:
    """Time by kind of operator of all models."""
    context = replace(picture_context(run), invocations=INVOCATIONS, threads=run.threads)
    figure = time_by_operator(operators_frame(run), context)
    figure.how_to_read = HOW_TO_READ
    return figure
