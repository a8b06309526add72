"""The lines of the ladder's figures: forms of one kind, and how they are drawn."""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from helpers.run.forms import EDGES, get_form, is_simulated
from helpers.show.style import Look

UNFILLED = ("x", "1")


@dataclass(frozen=True)
class Family:
    """Forms of one kind, from many bits to few.

    Attributes:
        id: the column ``kind`` of ``ladder.csv``.
        title: in legends.
        members: regular expression of their names.
        look: colour-blind safe colours of Okabe and Ito; families of one colour differ in marker and dash.
        dash: of the line between them; empty for none.
    """

    id: str
    title: str
    members: str
    look: Look
    dash: str = "-"


_ENTRIES = (
    Family("kernels", "with kernels today", r"float32|float16.*|int(?!.*-qat).*", Look("#000000", "o"), ""),
    Family("float", "floats", r"tf32|bfloat16|float8-.*", Look("#0072B2", "s"), ""),
    Family("microscaling", "floats, scale per block", r"mxfp.*", Look("#0072B2", "D"), ":"),
    Family("uniform-tensor", "uniform, scale per layer", r"uniform-\d-tensor-lse", Look("#E69F00", "v")),
    Family("uniform-channel", "uniform, scale per channel", r"uniform-\d-channel-lse", Look("#D55E00", "^")),
    Family("uniform-block", "uniform, scale per block", r"uniform-\d-block-lse", Look("#CC79A7", "P")),
    Family("min-max", "uniform, extremes as range", r"uniform-\d-.*-minmax", Look("#6b6b6b", "x"), ""),
    Family("powers", "powers of two", r"log2-\d", Look("#56B4E9", "p"), ":"),
    Family("sums-of-powers", "sums of two powers of two", r"apot-\d", Look("#56B4E9", "d")),
    Family("codebook", "codebook per layer", r"codebook-.*", Look("#009E73", "h")),
    Family("vector", "codebook of vectors", r"vector-.*", Look("#009E73", "*"), ":"),
    Family("signs", "ternary, binary", r"ternary|binary", Look("#882255", "<"), ":"),
    Family("trained", "trained", r".*-qat", Look("#999933", "X")),
)  # fmt: skip
FAMILIES = MappingProxyType({family.id: family for family in _ENTRIES})
OTHER = Family("other", "other", r".*", Look("#6b6b6b", "1"), "")


def family_of(form: str) -> Family:
    """That of a form; one that keeps first and last layers is of the family of the form without."""
    plain = form.removesuffix(EDGES)
    return next((each for each in FAMILIES.values() if re.fullmatch(each.members, plain)), OTHER)


def keeps_edges(form: str) -> bool:
    """Whether its first and last layers stay float32."""
    return form.endswith(EDGES)


def marker_of(form: str, size_pt: float = 6.5) -> dict[str, Any]:
    """Keywords for ``Axes.plot`` of a form's mark; hollow where it keeps first and last layers."""
    look = family_of(form).look
    style = look.marker_style(size_pt)
    if look.marker in UNFILLED:
        style |= {"markeredgecolor": look.colour, "markeredgewidth": 1.5}
    if keeps_edges(form):
        style |= {"markerfacecolor": "white", "markeredgecolor": look.colour, "markeredgewidth": 1.2}
    return style


def is_deployable(form: str) -> bool:
    """Whether a runtime has kernels for it."""
    return not is_simulated(get_form(form))
