"""How long each form is trained unless the command says otherwise, and what it starts from."""

from dataclasses import dataclass
from types import MappingProxyType

from helpers.models.files.sources import Embedded
from helpers.models.registry import Model
from helpers.training.trainer import FormSchedule


@dataclass(frozen=True)
class Course:
    """A schedule, and the form whose training comes first; empty for the float32 weights."""

    schedule: FormSchedule
    started_from: str = ""


# With labels, 7000 photos: 218 steps an epoch. So the codes that come with the project were made; what was
# trained once more from its own end (--start-from itself) says so in its record.
EMBEDDED = MappingProxyType(
    {
        "int8-qat": Course(FormSchedule(epochs=1, photos=3500, peak_rate=1e-3)),
        "int4-qat": Course(FormSchedule(epochs=1, photos=7000, peak_rate=3e-3)),
        "int2-qat": Course(FormSchedule(epochs=1, photos=7000, peak_rate=8e-3), "int4-qat"),
        "ternary-qat": Course(FormSchedule(epochs=1, photos=7000, peak_rate=8e-3), "int2-qat"),
        "binary-qat": Course(FormSchedule(epochs=1, photos=7000, peak_rate=8e-3), "ternary-qat"),
    }
)
# Without labels, on the calibration photos alone, whose number is the profile's.
OTHERS = MappingProxyType(
    {
        "int8-qat": Course(FormSchedule(epochs=10, photos=0, batch=8, peak_rate=1e-3)),
        "int4-qat": Course(FormSchedule(epochs=20, photos=0, batch=8, peak_rate=3e-3)),
        "int2-qat": Course(FormSchedule(epochs=30, photos=0, batch=8, peak_rate=5e-3), "int4-qat"),
        "ternary-qat": Course(FormSchedule(epochs=30, photos=0, batch=8, peak_rate=5e-3), "int2-qat"),
        "binary-qat": Course(FormSchedule(epochs=30, photos=0, batch=8, peak_rate=5e-3), "ternary-qat"),
    }
)


def course(model: Model, form: str) -> Course:
    """``form``: one of ``run.forms.TRAINED``."""
    return (EMBEDDED if isinstance(model.source, Embedded) else OTHERS)[form]
