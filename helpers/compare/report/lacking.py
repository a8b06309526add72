"""What has no value, and why: each thing once, variants with one reason together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd

from helpers.energy.quantities import ENERGY, LATENCY, MEMORY
from helpers.lab.errors import found_of
from helpers.lab.quantities import Quantity
from helpers.run.forms import NOT_TIMED, NOT_WEIGHED
from helpers.run.variants import is_control
from helpers.show.rows import by_model, records_of
from helpers.show.values import failure_of, raw_reason
from helpers.tasks.detection.quantities import AP

# As people say it -> the quantity without which there is nothing of it.
ASKED = MappingProxyType({"accuracy": AP, "latency": LATENCY, "memory": MEMORY, "energy": ENERGY})
# What no machine measures of a form.
BY_NATURE = (NOT_TIMED, NOT_WEIGHED)
UNKNOWN = "no reason is recorded"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Lack:
    """One thing without a value.

    Attributes:
        what: variants that have nothing at all, or ``latency of int8``.
        reason: whole, as it was recorded.
        quantity: empty where the variants have nothing at all.
        failed: whether something went wrong; that a machine has no energy meter, or that a form
            is simulated, is no failure.
    """

    model: str
    what: str
    reason: str
    quantity: str
    failed: bool = True


def lacking(results: pd.DataFrame) -> list[Lack]:
    """Everything without a value, in the order of the table."""
    return [lack for model, frame in by_model(results) for lack in lacking_of(model, records_of(frame))]


def lacking_of(model: str, rows: Sequence[Row]) -> list[Lack]:
    failed = {str(row["variant"]): str(row["failed"]).strip() for row in rows if failure_of(row)}
    whole = [Lack(model, listed(names), reason, "") for reason, names in by_reason(failed).items()]
    return whole + [lack for each in ASKED for lack in lacking_quantity(model, rows, each)]


def lacking_quantity(model: str, rows: Sequence[Row], quantity: str) -> list[Lack]:
    asked = [row for row in rows if not failure_of(row) and is_asked(row, quantity)]
    grouped: dict[tuple[str, str], list[str]] = {}
    for row in asked:
        if reason := why(row, ASKED[quantity]):
            # What was measured, but not float32 with it, has no ratio.
            measured = ASKED[quantity].at(row) is not None
            name = f"{quantity} ratio" if measured else quantity
            grouped.setdefault((name, reason), []).append(str(row["variant"]))
    failed = quantity != "energy" or has_meter(asked)
    return [
        Lack(
            model,
            f"{name} of {listed_of(names, asked)}",
            reason,
            quantity,
            failed and reason not in BY_NATURE,
        )
        for (name, reason), names in grouped.items()
    ]


def listed_of(names: Sequence[str], asked: Sequence[Row]) -> str:
    return "every variant" if len(names) == len(asked) > 1 else listed(names)


def has_meter(rows: Sequence[Row]) -> bool:
    return any(str(row.get("energy_grade")) != "D" for row in rows)


def is_asked(row: Row, quantity: str) -> bool:
    """The control has the file of float32, and so its accuracy."""
    return quantity != "accuracy" or not is_control(str(row["variant"]))


def why(row: Row, quantity: Quantity) -> str:
    """Why a value, or what it is compared with, is not there; empty if all is."""
    return raw_reason(row, quantity) or ("" if quantity.at(row) else UNKNOWN)


def by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """Reason -> the variants that have it, each in its order."""
    return {
        reason: [v for v, r in reasons.items() if r == reason] for reason in dict.fromkeys(reasons.values())
    }


def listed(names: Sequence[str], word: str = "and") -> str:
    """``a, b and c``."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


def lacking_note(results: pd.DataFrame) -> str:
    """For below a table, which itself says why a variant has nothing at all; empty where all is there."""
    found = [lack for lack in lacking(results) if lack.quantity]
    several = results["model"].nunique() > 1
    texts = [
        f"No {lack.what}{f', {lack.model}' if several else ''}: {found_of(lack.reason).rstrip('.')}."
        for lack in found
    ]
    return " ".join(texts)
