"""What the cells of 08 call: records of what was trained, and figures of them, kept with the run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from helpers.lab.errors import LabError
from helpers.lab.files import read_json
from helpers.lab.intervals import Absent
from helpers.lab.records import structured, wrong_field
from helpers.models.registry import Model
from helpers.quantize.records import TrainedForm
from helpers.quantize.trained.trained_codes import codes_file, train_command
from helpers.run.experiment import Run
from helpers.run.forms import TRAINED
from helpers.show.context import picture_context
from helpers.show.style import LabFigure, save_figure
from helpers.training import figures
from helpers.training.gradients import curves
from helpers.training.gradients.records import Trained, read_all
from helpers.training.won_back import Pair

Records = Mapping[tuple[str, str], TrainedForm | Absent]


def outcome_folder(run: Run) -> Path:
    """What 08 writes."""
    return run.paths.folder / "training"


def trained_record(model: Model, form: str) -> TrainedForm | Absent:
    """How a form was trained; else with which command it is, or why its record cannot be read."""
    path = codes_file(model, form).with_suffix(".json")
    if not path.is_file():
        return Absent(f"not trained: {train_command(model, form)} trains it")
    try:
        return structured(TrainedForm, read_json(path, f"train it again: {train_command(model, form)}."))
    except ValidationError as error:
        return Absent(f"{path.name} is no such record ({wrong_field(error)}): {train_command(model, form)}")
    except LabError as error:
        return Absent(error.found)


def trained_records(run: Run) -> dict[tuple[str, str], TrainedForm | Absent]:
    """(id of the model, form) -> what there is."""
    return {(model.id, form): trained_record(model, form) for model in run.models for form in TRAINED}


def gradient_records() -> list[Trained]:
    """All trainings with quantized gradients, of the embedded detector; empty where there are none."""
    return read_all()


def describe(run: Run, records: Records, gradients: Sequence[Trained]) -> dict[str, str]:
    """Facts for the notebook's opening."""
    there = [form for (_, form), each in records.items() if isinstance(each, TrainedForm)]
    return {
        "run": run.paths.name,
        "models": ", ".join(model.id for model in run.models),
        "forms trained": ", ".join(there) or "none",
        "trainings with gradients in few bits": str(len(gradients)),
    }


def kept(run: Run, figure: LabFigure, name: str) -> LabFigure:
    """The figure, which is also written to the run's folder as PDF and PNG."""
    save_figure(figure, outcome_folder(run), name, picture_context(run))
    return figure


def loss_picture(run: Run, records: Records) -> LabFigure:
    """Of the first model."""
    return kept(run, figures.loss_picture(records, run.models[0].id, picture_context(run)), "loss")


def won_back_picture(run: Run, pairs: Sequence[Pair]) -> LabFigure:
    """Of the first model."""
    return kept(run, figures.won_back_picture(pairs, run.models[0].id, picture_context(run)), "won_back")


def gradients_picture(run: Run, trained: Sequence[Trained]) -> LabFigure:
    return kept(run, curves.picture(trained, picture_context(run)), "gradients")
