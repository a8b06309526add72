"""Invented runs of several machines, for tests of what lays them side by side."""

import shutil
from dataclasses import replace

import pandas as pd

from helpers.compare import machines as stage
from helpers.compare.figures.rows_machines import Machine
from helpers.compare.tables.writing import write_results
from helpers.lab import host
from helpers.lab.records import Origin, Record, write_record
from helpers.run.experiment import open_run
from tests.support.example_results import CONTEXT, MODEL, example_results, without_energy

LATENCY = [f"latency_ms_p50{end}" for end in ("", "_low", "_high")]
ENERGY = ["energy_j_per_image", "energy_low", "energy_high"]


def slower(results: pd.DataFrame, factor: float, grade: str = "C") -> pd.DataFrame:
    """The same variants on a machine that takes ``factor`` times as long, its energy of ``grade``."""
    changed = results.assign(**{column: results[column] * factor for column in [*LATENCY, *ENERGY]})
    return without_energy(changed) if grade == "D" else changed.assign(energy_grade=grade)


def machine(letter: str, results: pd.DataFrame, **context) -> Machine:
    named = {"run": f"run-{letter}", "host": f"Maker {letter} (4 cores)", **context}
    return Machine(letter, results, replace(CONTEXT, **named), {"machine": "x86_64", "isa_flags": ["avx2"]})


def pair(second: pd.DataFrame, **context) -> list[Machine]:
    return [machine("A", example_results()), machine("B", second, **context)]


def finished(name: str, results: pd.DataFrame, **context):
    """A run with what 05 reads of its machine and writes of its results, by the code that writes them."""
    run = open_run("quick", name)
    results = results.assign(model=results["model"].replace(MODEL, run.models[0].id))
    record = Record("latency", Origin({}, {}, "", host.setting()), host.provenance(), {})
    write_record(run.paths.measurement_record(run.models[0].id, "latency"), record)
    full = replace(CONTEXT, run=name, **context)
    write_results(results, run.paths.folder, full)
    stage.save_context(run, full)
    return run, results, full


DAMAGES = {
    "there is no run and no folder": lambda folder: shutil.rmtree(folder),
    r"no results\.csv and no context\.json: that run is not finished": lambda folder: [
        (folder / name).unlink() for name in stage.FILES
    ],
    r"has no context\.json: that run is not finished": lambda folder: (folder / "context.json").unlink(),
    "is no context of this version": lambda folder: (folder / "context.json").write_text("[1]"),
    "is not valid JSON": lambda folder: (folder / "context.json").write_text('{"format"'),
    "lacks: failed": lambda folder: (folder / "results.csv").write_text("model,variant\na,b\n"),
    "is not a results table": lambda folder: (folder / "results.csv").write_text(""),
}
