"""The commands: ``python -m helpers --help``."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from helpers.lab.paths import data_dir, datasets_dir, display
from helpers.lab.units import format_bytes, format_duration
from helpers.models.registry import DEFAULT_MODEL
from helpers.run.forms import TRAINED
from helpers.suite.cli.application import EXIT_STATUS, WITH_FAILURES, app, console, errors_explained
from helpers.suite.cli.options import (
    USUAL,
    Asked,
    CocoDirOption,
    ModelDirOption,
    ModelsOption,
    ProfileOption,
    RunOption,
    StatusProfileOption,
    StatusRunOption,
    ThreadsOption,
    with_asked,
)

MADE = (
    "datasets",
    "models",
    "fiftyone",
    "training",
    "trained",
    "bench",
    "logs",
)  # folders of data, beside the runs


@app.command(epilog=EXIT_STATUS)
@with_asked
def run(
    profile: ProfileOption = "quick",
    run_name: RunOption = "",
    asked: Asked = USUAL,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Run every notebook, even those up to date.")
    ] = False,
) -> None:
    """Run the notebooks and write results, figures and report; what failed is listed at the end."""
    with errors_explained():
        from helpers.compare.machines import other_runs
        from helpers.meters.choose import choose_meter
        from helpers.run.failures import failures
        from helpers.suite.pipeline import made_files, run_pipeline, stage_times

        chosen = asked.open_run(profile, run_name)
        choose_meter(asked.meter, chosen.power_w)
        other_runs(chosen, chosen.runs)
        for note in notes_on(chosen):
            console.print(escape(note), soft_wrap=True)
        run_pipeline(chosen, console, fresh)
        total = format_duration(sum(stage_times(chosen).values()))
        failed = failures(chosen)
        console.print(
            f"\nRun [bold]{chosen.paths.name}[/bold] is complete (its stages took {total}). It made:"
        )
        for path in made_files(chosen):
            console.print(f"  {escape(display(path))}", soft_wrap=True)
        show_failures(chosen, failed)
        if failed:
            raise typer.Exit(WITH_FAILURES)


def notes_on(chosen) -> list[str]:
    """What a user may not expect of the options given."""
    from helpers.lab.host import usable_cores

    notes = []
    if not chosen.profile.coco and os.environ.get("COCO_DIR"):
        notes.append(f"Note: COCO_DIR is set, and profile {chosen.profile.id} does not use it.")
    if chosen.threads > usable_cores():
        notes.append(f"Note: {chosen.threads} threads on {usable_cores()} cores: they wait for one another.")
    return notes


def show_failures(run, failed: Mapping[str, str]) -> None:
    """What of a run failed, and why, each cause once; nothing where nothing did."""
    from helpers.run.failures import by_cause

    if failed:
        console.print(
            f"\n[bold yellow]{len(failed)} failed.[/bold yellow] Each is tried again in the next run."
        )
    for names, reason in by_cause(failed).items():
        console.print(escape(f"  failed: {names}: {' '.join(reason.split())}"), soft_wrap=True)
    logs = run.paths.stage_log("").parent
    if logs.is_dir() and any("Found: " not in reason for reason in failed.values()):  # what no one foresaw
        console.print(f"Where in the code it failed, for a report: {escape(display(logs))}", soft_wrap=True)


@app.command()
@with_asked
def status(
    profile: StatusProfileOption = "",
    run_name: StatusRunOption = "",
    asked: Asked = USUAL,
) -> None:
    """Show what a run has and what it lacks: the run named, else the last one.

    Without other options it is asked about what it was made with; with some, about those.
    """
    with errors_explained():
        from helpers.run.failures import failures
        from helpers.suite.as_made import latest_name, made_with, open_as_made, other_runs, require_begun
        from helpers.suite.ledger import STAGES
        from helpers.suite.pipeline import reason_to_run, stage_times

        of_another = bool(profile) or asked != USUAL
        if run_name and not of_another:
            require_begun(run_name)
        chosen = None if of_another else open_as_made(run_name or latest_name())
        if chosen is None:
            chosen = asked.open_run(profile or "quick", run_name)
        times = stage_times(chosen)
        table = Table(
            "stage", "state", "took", title=f"run {chosen.paths.name}: {display(chosen.paths.folder)}"
        )
        for stage in STAGES.values():
            reason = reason_to_run(chosen, stage)
            took = format_duration(times[stage.name]) if stage.name in times else ""
            state = f"[yellow]{escape(reason)}[/yellow]" if reason else "[green]up to date[/green]"
            table.add_row(stage.name, state, took)
        console.print(table)
        console.print(escape(made_with(chosen)), soft_wrap=True)
        show_failures(chosen, failures(chosen))
        if others := other_runs(chosen.paths.name):
            console.print(f"Other runs (--run NAME): {'; '.join(others)}.", soft_wrap=True)


@app.command()
def doctor() -> None:
    """Show what this machine offers; each missing thing with its cure."""
    with errors_explained():
        from helpers.suite.doctor import examine, render

        console.print(render(examine()))


@app.command()
def selftest(
    profile: ProfileOption = "quick",
    run_name: RunOption = "",
    models: ModelsOption = None,
    threads: ThreadsOption = 1,
    runs: Annotated[int, typer.Option(min=1, max=1000, help="Measurements of float32 against itself.")] = 20,
    busy: Annotated[
        bool, typer.Option("--busy", help="While a second process burns one core at random moments.")
    ] = False,
    coco_dir: CocoDirOption = "",
    model_dir: ModelDirOption = "",
) -> None:
    """Measure float32 against itself and against known delays: what differences can this machine show?"""
    with errors_explained():
        from helpers.energy.selftest.stage import selftest as measure_selftest
        from helpers.energy.selftest.summary import sentence, summarize_selftest
        from helpers.run.experiment import open_run
        from helpers.suite.as_made import made_here
        from helpers.suite.pipeline import make_ready

        folders = {"coco_dir": coco_dir, "model_dir": model_dir}
        chosen = open_run(profile, run_name, models or (), threads=threads, **folders)
        with made_here(chosen.paths):
            make_ready(chosen)
            for model in chosen.models:
                found = summarize_selftest(measure_selftest(chosen, model, runs, busy).values)
                console.print(f"{model.id}: {sentence(found)}", soft_wrap=True)
        if not busy:
            console.print("Stored with the run; `python -m helpers run` prints it in the report.")


@app.command()
def publish(profile: ProfileOption = "quick", run_name: RunOption = "") -> None:
    """Copy a finished run's figures and tables to figures/, as the reference that the README shows."""
    with errors_explained():
        from helpers.run.experiment import open_run
        from helpers.suite.as_made import open_as_made
        from helpers.suite.publish import publish as publish_run

        for path in publish_run(open_as_made(run_name or profile) or open_run(profile, run_name)):
            console.print(display(path), soft_wrap=True)


@app.command()
def clean(
    run_name: Annotated[str, typer.Option("--run", help="Remove this run only.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Also data sets, models, FiftyOne's database and what was trained.")
    ] = False,
) -> None:
    """Remove runs (all of them, unless one is named); the embedded weights always stay."""
    with errors_explained():
        from helpers.suite.cleaning import emptied, remove_run, remove_runs

        freed = remove_run(run_name) if run_name else remove_runs()
        if everything:
            freed += sum(emptied(data_dir() / name) for name in MADE)
        console.print(f"Removed {format_bytes(freed)}.")


@app.command()
def train(
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, help="Passes over the photos: 20, or the form's own.", show_default=False
        ),
    ] = None,
    photos: Annotated[
        int | None,
        typer.Option(
            min=32, max=100_000, help="Training photos to draw: 7000, or the form's own.", show_default=False
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Seed of weights, order and augmentation.")
    ] = 7,
    output: Annotated[str, typer.Option(help="File to write; if empty, that from which runs read it.")] = "",
    form: Annotated[
        str, typer.Option(help=f"A numeric form to train a model in: {', '.join(TRAINED)}.")
    ] = "",
    model: Annotated[
        str, typer.Option(help="Of --form: as in run. Without labels it learns float32's outputs.")
    ] = DEFAULT_MODEL,
    start_from: Annotated[
        str,
        typer.Option(help="Of --form: a form trained here, or float32; if empty, as is usual for the form."),
    ] = "",
    rate: Annotated[
        float | None,
        typer.Option(min=1e-6, max=1.0, help="Of --form: peak learning rate.", show_default=False),
    ] = None,
    profile: ProfileOption = "quick",
    coco_dir: CocoDirOption = "",
    model_dir: ModelDirOption = "",
    gradients: Annotated[
        bool, typer.Option("--gradients", help="Train with gradients in few bits, as 08_training shows it.")
    ] = False,
) -> None:
    """Train the embedded detector from scratch; with --form, train a model with its rounding in the loop.

    Both resume after the last finished epoch. The photos that a form of another model than the embedded one
    is trained on are the profile's calibration photos.
    """
    if (gradients and form) or (model != DEFAULT_MODEL and not form):
        raise typer.BadParameter(
            "one training at a time: --gradients, or --form and perhaps --model, or none."
        )
    with errors_explained():
        if gradients:
            from helpers.training.gradients.stage import train_gradients

            told = "\n".join(map(display, train_gradients(datasets_dir())))
            console.print(told or "All forms of gradients are trained already.", soft_wrap=True)
        elif form:
            from helpers.run.experiment import open_run
            from helpers.training.command import train_asked

            run = open_run(profile, "", [model], coco_dir=coco_dir, model_dir=model_dir)
            changes = {"epochs": epochs, "photos": photos, "peak_rate": rate, "seed": seed}
            target, record = train_asked(run, form, start_from, changes, Path(output) if output else None)
            told = f"{record.photos} photos; loss {record.history[-1].loss:.4f}."
            console.print(f"Trained on {record.trained_on}, {told}")
            console.print(f"Codes:  {display(target)}\nRecord: {display(target.with_suffix('.json'))}")
        else:
            from helpers.training.command import train_embedded

            target = train_embedded(epochs or 20, photos or 7000, seed, Path(output) if output else None)
            console.print(f"Weights: {display(target)}\nRecord:  {display(target.with_suffix('.json'))}")


@app.command("setup-mongod")
def setup_mongod() -> None:
    """Make a MongoDB server available to FiftyOne, which keeps its data sets there."""
    with errors_explained():
        from helpers.lab.mongo import ensure_mongod

        console.print(f"mongod: {ensure_mongod().detail}", soft_wrap=True)
