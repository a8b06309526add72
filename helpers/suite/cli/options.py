"""The options that commands share."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from helpers.models.designs.catalogue import DESIGNS
from helpers.models.registry import MODELS
from helpers.run.cured_forms import CURES
from helpers.run.forms import (
    ALL,
    CURED_WEIGHTS,
    EDGES,
    FOR_ONNX,
    IN_LADDER,
    LADDER,
    OTHER_RUNTIMES,
    TRAINED,
    UNTRAINED,
)
from helpers.run.options import MARGIN_POINTS, MOST_THREADS, WIDTH_PERCENT
from helpers.run.profiles import PROFILES
from helpers.run.variants import VARIANTS
from helpers.runtimes.catalogue import OPENVINO

if TYPE_CHECKING:
    from helpers.run.experiment import Run

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
        help=f"Repeatable. One of: {', '.join(MODELS)}. Or your own: the path of a SavedModel's folder, of a "
        "Darknet .cfg or of an .onnx file, the address of an archive, kaggle:HANDLE; then @LABELS: a label "
        f"map, or a file of names. After an .onnx file @DESIGN may tell how it ends: {', '.join(DESIGNS)}.",
    ),
]
_TAKEN = [name for name in UNTRAINED if name not in FOR_ONNX]
DEPLOYABLE, SIMULATED = (
    [name for name in _TAKEN if (name + EDGES in ALL) == simulated and not name.startswith("uniform-")]
    for simulated in (False, True)
)
VariantsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        help=f"Repeatable; if not given: {', '.join(VARIANTS)}, and those in every further runtime that is "
        f"installed. In {OPENVINO.title}: {', '.join(OTHER_RUNTIMES)}. Or of: {', '.join(DEPLOYABLE)}. For "
        f"ONNX models: {', '.join(FOR_ONNX)}. Or, simulated: {', '.join(SIMULATED)}, "
        "uniform-BITS-SCALES-RANGE (8 to 2 bits; tensor, channel or "
        f"block; minmax or lse); {EDGES} after one of these keeps its first and last layers float32. "
        f"{LADDER} takes {len(IN_LADDER)} of all these. Or, once they "
        f"are trained (train --form): {', '.join(TRAINED)}. With chosen cures for accuracy: "
        f"int8+CURE+CURE, some of {', '.join(CURES)}; {CURED_WEIGHTS.id} has those for weights. And files of "
        "your own beside them: PATH.tflite, or PATH.tflite@LABELS (a label map or a label file).",
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
    float,
    typer.Option(
        "--margin",
        help="AP points that a variant may lose and still be good enough; the search for cures goes so far.",
    ),
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
SchedulerOption = Annotated[
    str,
    typer.Option(
        help="Address of a Dask scheduler (tcp://HOST:8786): notebook 03 then runs the cores on its workers."
    ),
]
FormsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--form",
        help=f"Repeatable: a numeric form that notebook 07 compares, with no time or energy measured; if not "
        f"given, all that {LADDER} names, and in smoke and coco-smoke a few.",
    ),
]
BesideOption = Annotated[
    list[str] | None,
    typer.Option(
        "--beside",
        help="Repeatable: another machine's run to lay beside this one; its name below data/runs, or folder.",
    ),
]


@dataclass(frozen=True)
class Asked:
    """The options by which a run differs from another of its profile."""

    models: ModelsOption = None
    variants: VariantsOption = None
    threads: ThreadsOption = 1
    meter: MeterOption = "auto"
    power_w: PowerOption = None
    region: RegionOption = ""
    width_percent: WidthOption = WIDTH_PERCENT
    margin_points: MarginOption = MARGIN_POINTS
    forms: FormsOption = None
    beside: BesideOption = None
    coco_dir: CocoDirOption = ""
    model_dir: ModelDirOption = ""
    scheduler: SchedulerOption = ""

    def open_run(self, profile: str, run_name: str) -> "Run":
        """The run that is asked for; raises ``LabError`` for what cannot be."""
        from helpers.run.experiment import open_run

        given = vars(self) | {name: getattr(self, name) or () for name in ("models", "variants", "forms")}
        return open_run(profile, run_name, runs=given.pop("beside") or (), **given)


USUAL = Asked()


def with_asked(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each field of its parameter ``asked``, as Typer reads a signature."""
    fields = inspect.signature(Asked).parameters

    @functools.wraps(command)
    def called(**given: Any) -> None:
        asked = Asked(**{name: given.pop(name) for name in fields})
        command(asked=asked, **given)

    parameters = []
    for parameter in inspect.signature(command).parameters.values():
        parameters += fields.values() if parameter.name == "asked" else [parameter]
    plain = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    called.__signature__ = inspect.Signature(plain)
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in plain}
    return called
