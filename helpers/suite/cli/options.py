"""The options that commands share."""

from typing import Annotated

import typer

from helpers.models.registry import MODELS
from helpers.run.options import MOST_THREADS
from helpers.run.profiles import PROFILES
from helpers.run.variants import VARIANTS

PROFILE_HELP = "Size of the experiment: " + "; ".join(f"{p.id}: {p.meaning}" for p in PROFILES.values())
ProfileOption = Annotated[str, typer.Option("--profile", "-p", help=PROFILE_HELP)]
StatusProfileOption = Annotated[
    str,
    typer.Option("--profile", "-p", help="Profile of the run; if empty, that which the run was made with."),
]
RunOption = Annotated[
    str, typer.Option("--run", help="Name of the run's folder; the profile's name if empty.")
]
StatusRunOption = Annotated[
    str, typer.Option("--run", help="Name of the run's folder; if empty, the profile's name or the last run.")
]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        help=f"Repeatable. One of: {', '.join(MODELS)}. Or your own: the path of a SavedModel's folder or "
        "of a Darknet .cfg, the address of an archive, kaggle:HANDLE; then @LABELS: a label map, or a file "
        "of names.",
    ),
]
VariantsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        help=f"Repeatable; all if not given. Of: {', '.join(VARIANTS)}. And files of your own beside them: "
        "PATH.tflite, or PATH.tflite@LABELS (a label map or a label file).",
    ),
]
ThreadsOption = Annotated[
    int, typer.Option(min=1, max=MOST_THREADS, help="Threads of the runtime while measuring.")
]
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
    str,
    typer.Option(
        "--coco-dir",
        help="Folder of COCO's photos and labels, or of your own, or its label file, for a profile that "
        "takes one; else COCO_DIR.",
    ),
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
