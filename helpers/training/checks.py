"""The checks at the end of 08: of wholeness, never of how much was won back."""

from collections.abc import Mapping, Sequence

from pandas.io.formats.style import Styler

from helpers.lab.intervals import Absent
from helpers.quantize.records import TrainedForm
from helpers.run.experiment import Run
from helpers.run.forms import TRAINED
from helpers.show.checks import require
from helpers.training.gradients.forms import FORMS
from helpers.training.gradients.records import Trained
from helpers.training.stage import outcome_folder

PICTURES = ("loss", "won_back", "gradients")


def check_training(
    run: Run, records: Mapping[tuple[str, str], TrainedForm | Absent], trained: Sequence[Trained]
) -> Styler:
    """Every form of every model is told of, records are whole, figures are written.

    Raises:
        LabError: one of it is not so.
    """
    folder = outcome_folder(run)
    asked = {(model.id, form) for model in run.models for form in TRAINED}
    there = [each for each in records.values() if isinstance(each, TrainedForm)]
    checks = {
        "every form of every model is told of": set(records) == asked,
        f"{len(there)} trained forms: losses of all their epochs": all(each.history for each in there),
        f"{len(trained)} trainings with quantized gradients, of known forms": all(
            each.form in FORMS for each in trained
        ),
        "each of them was looked at from its first step to its last": all(map(whole, trained)),
        "the figures are written": all((folder / f"{name}.pdf").is_file() for name in PICTURES),
        f"all files lie below {run.paths.name}": folder.is_relative_to(run.paths.folder),
    }
    return require(checks)


def whole(trained: Trained) -> bool:
    ends = (trained.held_out[0].step, trained.held_out[-1].step)
    return ends == (0, trained.schedule.steps) and len(trained.training_loss) == trained.schedule.steps
