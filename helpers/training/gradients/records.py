"""What a training with quantized gradients leaves: one small JSON per form and seed."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from helpers.lab.errors import LabError
from helpers.lab.files import read_json, write_json
from helpers.lab.paths import EMBEDDED
from helpers.lab.records import Number, jsonable, structured, wrong_field
from helpers.training.gradients.forms import FORMS

FOLDER = EMBEDDED / "gradients"
CURE = "train again: `python -m helpers train --gradients`."


@dataclass(frozen=True)
class Schedule:
    """How long a network is trained, on what.

    Attributes:
        photos, held_out: synthetic photos that are learned from, and others on which the loss is measured.
        side: of the photos, pixels: half of the detector's own, so that many trainings fit into an hour.
        steps, batch: steps of so many photos each.
        peak_rate, warmup_steps: of Adam; a rise, then half a cosine down to zero.
        every: steps from one measurement of the held-out loss to the next.
    """

    photos: int = 1200
    held_out: int = 128
    side: int = 96
    steps: int = 150
    batch: int = 16
    peak_rate: float = 3e-3
    warmup_steps: int = 20
    every: int = 25


@dataclass(frozen=True)
class Loss:
    """Loss per positive anchor on the held-out photos after ``step`` steps: of classes and of boxes.

    Not a number once the norm of the gradients was beyond float32.
    """

    step: int
    classes: Number
    boxes: Number

    @property
    def total(self) -> float:
        return self.classes + self.boxes


@dataclass(frozen=True)
class Rounding:
    """What rounding did to the gradients of all convolutions in one batch; all shares 0..1.

    Attributes:
        step: steps done before.
        vanished: share of the values other than zero that became zero.
        bias: sum of ``sign(g) (q(g) - g)`` over that of ``|g|``: -1 if all is lost, 0 if nothing is.
        error: square root of the sum of ``(q(g) - g)^2`` over that of ``g^2``.
    """

    step: int
    vanished: Number
    bias: Number
    error: Number


@dataclass(frozen=True)
class Trained:
    """One network, trained from scratch.

    Attributes:
        form: id of a form of gradients.
        seed: of weights, order and augmentation, the same for every form.
        schedule: how long, on what.
        training_loss: of every step's batch, before the step.
        held_out: measured every so many steps, the start and the end included.
        rounding: measured as often; empty for float32.
        labels_sha256: of the two sets of photos.
        versions: of the libraries.
    """

    form: str
    seed: int
    schedule: Schedule
    training_loss: tuple[Number, ...]
    held_out: tuple[Loss, ...]
    rounding: tuple[Rounding, ...]
    labels_sha256: Mapping[str, str]
    versions: Mapping[str, str]

    @property
    def overflowed(self) -> bool:
        """Whether the norm of the gradients grew beyond float32, which ends all learning."""
        return math.isnan(self.held_out[-1].total)


def file_of(folder: Path, form: str, seed: int) -> Path:
    return folder / f"{form}-{seed}.json"


def write_trained(folder: Path, trained: Trained) -> Path:
    path = file_of(folder, trained.form, trained.seed)
    write_json(path, jsonable(asdict(trained)))
    return path


def read_trained(path: Path) -> Trained:
    """Raises ``LabError`` where the file is absent or not such a record."""
    try:
        return structured(Trained, read_json(path, CURE))
    except ValidationError as error:
        raise LabError(f"{path} is not such a record ({wrong_field(error)}).", "", CURE) from None


def read_all(folder: Path = FOLDER) -> list[Trained]:
    """All that were trained, in the order of the forms and then of the seeds; empty where none was."""
    found = [read_trained(path) for path in sorted(folder.glob("*.json"))]
    places = list(FORMS)
    return sorted(
        (each for each in found if each.form in FORMS), key=lambda t: (places.index(t.form), t.seed)
    )
