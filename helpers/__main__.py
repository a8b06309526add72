"""The command line: ``python -m helpers --help``."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from helpers.errors import LabError
from helpers.models import DEFAULT_MODEL, MODELS, get_model
from helpers.paths import data_dir, datasets_dir, display, runs_dir
from helpers.profiles import PROFILES
from helpers.quietly import quiet
from helpers.units import format_bytes, format_duration
from helpers.variants import VARIANTS
from helpers.verdict import MARGIN

console = Console(highlight=False)
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="What float16 and int8 cost and save in a pretrained object detector, with evidence.",
)

PROFILE_HELP = "Size of the experiment: " + "; ".join(f"{p.id}: {p.meaning}" for p in PROFILES.values())
ProfileOption = Annotated[str, typer.Option("--profile", "-p", help=PROFILE_HELP)]
RunOption = Annotated[
    str, typer.Option("--run", help="Name of the run's folder; the profile's name if empty.")
]
ModelsOption = Annotated[
    list[str] | None, typer.Option("--model", help=f"Repeatable. One of: {', '.join(MODELS)}.")
]
VariantsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        help=f"Repeatable; all if not given. Of: {', '.join(VARIANTS)}. And files of your own beside them: "
        "PATH.tflite, or PATH.tflite@LABELS (a label map or a label file).",
    ),
]
ThreadsOption = Annotated[int, typer.Option(min=1, help="Threads of the runtime while measuring.")]
MeterOption = Annotated[str, typer.Option(help="Energy meter: auto, pyRAPL, NVML, estimate or none.")]
PowerOption = Annotated[
    tuple[float, float] | None,
    typer.Option(help="Lowest and highest power per busy core in W, for the estimate.", show_default=False),
]
RegionOption = Annotated[
    str, typer.Option(help="Country of the machine, three letters (CHE): adds CO2 equivalents to the energy.")
]
WidthOption = Annotated[
    float,
    typer.Option(
        "--width", help="Percent: latency goes on until its ratios are known so well, or time is up."
    ),
]
MarginOption = Annotated[
    float, typer.Option("--margin", help="AP points that a variant may lose and still be good enough.")
]

CocoDirOption = Annotated[
    str, typer.Option("--coco-dir", help="Folder of COCO's photos and labels, or of your own; else COCO_DIR.")
]
ModelDirOption = Annotated[
    str, typer.Option("--model-dir", help="Folder searched for model files first; else MODEL_DIR.")
]
BesideOption = Annotated[
    list[str] | None,
    typer.Option(
        "--beside",
        help="Repeatable: another machine's run to lay beside this one; its name below data/runs, or folder.",
    ),
]


@contextmanager
def errors_explained() -> Iterator[None]:
    """Print what the user can cure as one message, and leave with a status that says so."""
    try:
        yield
    except LabError as error:
        console.print(f"\n[bold red]Stopped.[/bold red]\n{escape(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        console.print(
            "\n[bold]Interrupted.[/bold] What was computed is kept: the same command goes on from there."
        )
        raise typer.Exit(130) from None


def name_folders(**folders: str) -> None:
    """Set environment variables that name folders: the notebooks' kernels inherit them."""
    os.environ.update({name: str(Path(folder).resolve()) for name, folder in folders.items() if folder})


@app.command()
def run(
    profile: ProfileOption = "quick",
    run_name: RunOption = "",
    models: ModelsOption = None,
    variants: VariantsOption = None,
    threads: ThreadsOption = 1,
    meter: MeterOption = "auto",
    power_w: PowerOption = None,
    region: RegionOption = "",
    width_percent: WidthOption = 2.0,
    margin_points: MarginOption = 100 * MARGIN,
    beside: BesideOption = None,
    coco_dir: CocoDirOption = "",
    model_dir: ModelDirOption = "",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Run every notebook, even those up to date.")
    ] = False,
) -> None:
    """Run the notebooks and write results, figures and report."""
    with errors_explained():
        from helpers.experiment import open_run
        from helpers.meters.carbon import grid
        from helpers.meters.choose import choose_meter
        from helpers.pipeline import made_files, run_pipeline, stage_times
        from helpers.stages.machines import other_runs

        name_folders(COCO_DIR=coco_dir, MODEL_DIR=model_dir)
        options = threads, meter, power_w, region, width_percent, margin_points, beside or ()
        chosen = open_run(profile, run_name, models or (), variants or (), *options)
        choose_meter(meter, power_w)
        if region:
            grid(region)
        other_runs(chosen, chosen.runs)
        run_pipeline(chosen, console, fresh)
        total = format_duration(sum(stage_times(chosen).values()))
        console.print(
            f"\nRun [bold]{chosen.paths.name}[/bold] is complete (its stages took {total}). It made:"
        )
        for path in made_files(chosen):
            console.print(f"  {escape(display(path))}", soft_wrap=True)


@app.command()
def status(
    profile: ProfileOption = "quick",
    run_name: RunOption = "",
    models: ModelsOption = None,
    variants: VariantsOption = None,
    threads: ThreadsOption = 1,
    meter: MeterOption = "auto",
    power_w: PowerOption = None,
    region: RegionOption = "",
    width_percent: WidthOption = 2.0,
    margin_points: MarginOption = 100 * MARGIN,
    beside: BesideOption = None,
    coco_dir: CocoDirOption = "",
    model_dir: ModelDirOption = "",
) -> None:
    """Show what a run has and what it lacks; give it the options that the run was given."""
    with errors_explained():
        from helpers.experiment import open_run
        from helpers.pipeline import reason_to_run, stage_times
        from helpers.stages.ledger import STAGES, failed_variants

        name_folders(COCO_DIR=coco_dir, MODEL_DIR=model_dir)
        options = threads, meter, power_w, region, width_percent, margin_points, beside or ()
        chosen = open_run(profile, run_name, models or (), variants or (), *options)
        times = stage_times(chosen)
        table = Table(
            "stage", "state", "took", title=f"run {chosen.paths.name}: {display(chosen.paths.folder)}"
        )
        for stage in STAGES.values():
            reason = reason_to_run(chosen, stage)
            took = format_duration(times[stage.name]) if stage.name in times else ""
            table.add_row(
                stage.name,
                f"[yellow]{escape(reason)}[/yellow]" if reason else "[green]up to date[/green]",
                took,
            )
        console.print(table)
        for variant, reason in failed_variants(chosen).items():
            console.print(escape(f"failed: {variant}: {reason}"), soft_wrap=True)


@app.command()
def doctor() -> None:
    """Show what this machine offers; each missing thing with its cure."""
    from helpers.doctor import examine, render

    findings = examine()
    console.print(render(findings))


@app.command()
def selftest(
    profile: ProfileOption = "quick",
    run_name: RunOption = "",
    models: ModelsOption = None,
    threads: ThreadsOption = 1,
    runs: Annotated[int, typer.Option(min=1, help="Processes that measure float32 against itself.")] = 20,
    coco_dir: CocoDirOption = "",
    model_dir: ModelDirOption = "",
) -> None:
    """Measure float32 against itself and against known delays: what differences can this machine show?"""
    with errors_explained():
        from helpers.experiment import open_run
        from helpers.measure.selftest_summary import sentence, summarize_selftest
        from helpers.stages.selftest import selftest as measure_selftest

        name_folders(COCO_DIR=coco_dir, MODEL_DIR=model_dir)
        chosen = open_run(profile, run_name, models or (), threads=threads)
        for model in chosen.models:
            found = summarize_selftest(measure_selftest(chosen, model, runs).values)
            console.print(f"{model.id}: {sentence(found)}", soft_wrap=True)
        console.print("Stored with the run; `python -m helpers run` prints it in the report.")


@app.command()
def publish(profile: ProfileOption = "quick", run_name: RunOption = "") -> None:
    """Copy a finished run's figures and tables to figures/, as the reference that the README shows."""
    with errors_explained():
        from helpers.experiment import open_run
        from helpers.stages.publish import publish as publish_run

        for path in publish_run(open_run(profile, run_name)):
            console.print(display(path), soft_wrap=True)


@app.command()
def clean(
    run_name: Annotated[str, typer.Option("--run", help="Remove this run only.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Also data sets, models, FiftyOne's database and training state.")
    ] = False,
) -> None:
    """Remove runs (all of them, unless one is named); the embedded weights always stay."""
    with errors_explained():
        from helpers.experiment import run_paths

        folders = [run_paths(run_name).folder] if run_name else [runs_dir()]
        if run_name and not folders[0].exists():
            names = sorted(p.name for p in runs_dir().glob("*")) or ["none"]
            raise LabError(f"no run {run_name!r}.", f"one of: {', '.join(names)}", "name one of these.")
        if everything:
            folders += [
                datasets_dir(),
                *(data_dir() / name for name in ("models", "fiftyone", "training", "bench")),
            ]
        latest = runs_dir() / "latest"
        freed = sum(remove(folder) for folder in folders)
        if latest.is_symlink() and not latest.exists():
            latest.unlink()
        console.print(f"Removed {format_bytes(freed)}.")


def remove(folder) -> int:
    """Delete a folder; return the bytes it held."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    size_bytes = sum(path.stat().st_size for path in files)
    shutil.rmtree(folder, ignore_errors=True)
    return size_bytes


@app.command()
def train(
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training photos.")] = 20,
    photos: Annotated[int, typer.Option(min=32, help="Training photos to draw.")] = 7000,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and augmentation.")] = 7,
    output: Annotated[str, typer.Option(help="Weights file to write; the committed one if empty.")] = "",
) -> None:
    """Train the embedded detector from scratch; resumes after the last finished epoch."""
    with errors_explained():
        from helpers.detector.training import Schedule
        from helpers.detector.training import train as train_detector

        schedule = Schedule(photos=photos, epochs=epochs, seed=seed)
        target = Path(output) if output else get_model(DEFAULT_MODEL).source
        work = data_dir() / "training" / f"{photos}-{epochs}-{seed}"
        train_detector(datasets_dir(), work, target, schedule)
        console.print(f"Weights: {display(target)}\nRecord:  {display(target.with_suffix('.json'))}")


@app.command("setup-mongod")
def setup_mongod() -> None:
    """Make a MongoDB server available to FiftyOne, which keeps its data sets there."""
    with errors_explained():
        from helpers.mongo import ensure_mongod

        console.print(f"mongod: {ensure_mongod().detail}", soft_wrap=True)


def main() -> None:
    quiet()
    app(prog_name="python -m helpers")


if __name__ == "__main__":
    sys.exit(main())
