"""Forms of gradients that a detector is trained with: how many bits, rounded how."""

from dataclasses import dataclass
from types import MappingProxyType

from helpers.lab.errors import unknown_name

FLOAT32, NEAREST, STOCHASTIC = "float32", "nearest", "stochastic"


@dataclass(frozen=True)
class Form:
    """One form of gradients.

    Attributes:
        bits: of each value; 0 for float32.
        way: ``float32``, ``nearest`` or ``stochastic``.
    """

    bits: int
    way: str

    @property
    def id(self) -> str:
        return f"{self.bits}-{self.way}" if self.bits else FLOAT32

    @property
    def title(self) -> str:
        """For figures and tables: ``4 bits, nearest``."""
        return f"{self.bits} bits, {self.way}" if self.bits else FLOAT32


_ENTRIES = (Form(0, FLOAT32), *(Form(bits, way) for bits in (8, 4, 3, 2) for way in (NEAREST, STOCHASTIC)))

FORMS = MappingProxyType({form.id: form for form in _ENTRIES})


def get_form(name: str) -> Form:
    try:
        return FORMS[name]
    except KeyError:
        raise unknown_name("form of gradients", name, FORMS) from None
