"""What there is to choose from in one model: its forms by verdict, and which of two is shown to be faster."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from helpers.compare.findings import Judgement, judge_ratio
from helpers.compare.noise import NoiseFloor, noise_floor, speed_ratio
from helpers.compare.quantities import POINTS
from helpers.compare.verdict import NO, YES
from helpers.compare.verdict_texts import answer_of
from helpers.lab.intervals import Interval
from helpers.lab.quantities import number
from helpers.run.forms import SIMULATED
from helpers.run.variants import BASELINE, form_named, is_control
from helpers.show.captions import points_text
from helpers.show.rows import records_of
from helpers.show.values import failure_of

Row = Mapping[str, Any]
CALLED = "called"


@dataclass(frozen=True)
class Choice:
    """The forms of one model that float32 can be replaced by.

    Attributes:
        base: row of float32; None where there is none, or where it failed.
        forms: rows of the others that did not fail; the control is no form.
        failed: rows of those that did, float32 included.
        margin: the loss that is accepted, ``1 point``.
        floor: of ratios of latency.
        simulated: rows of forms for which no runtime has kernels: they cannot be deployed.
    """

    base: Row | None
    forms: Sequence[Row]
    failed: Sequence[Row]
    margin: str
    floor: NoiseFloor | None
    simulated: Sequence[Row] = ()

    @property
    def base_name(self) -> str:
        """What float32 is called."""
        return str(self.base[CALLED]) if self.base else BASELINE

    @property
    def within(self) -> list[Row]:
        return [row for row in self.forms if answer_of(row) == YES]

    @property
    def beyond(self) -> list[Row]:
        return [row for row in self.forms if answer_of(row) == NO]

    @property
    def open(self) -> list[Row]:
        """Forms of which it is not known whether they are within the margin."""
        return [row for row in self.forms if answer_of(row) not in (YES, NO)]

    def is_faster(self, row: Row, than: Row | None = None) -> bool:
        """Whether a form is shown to be faster, by interval and noise floor; ``than``: None for float32."""
        ratio = speed_ratio(row) if than is None else ratio_between(row, than)
        return ratio is not None and judge_ratio(ratio, self.floor) is Judgement.BETTER


def choice_of(frame: pd.DataFrame, margin_points: float) -> Choice:
    """From all rows of one model; ``margin_points``: where no row was held against a margin of its own."""
    margins = [POINTS * number(row, "ap_margin") for row in records_of(frame)]
    margin = points_text(round(next(filter(math.isfinite, margins), margin_points), 6))
    rows = [row for row in with_names(records_of(frame)) if not is_control(str(row["variant"]))]
    whole = {str(row["variant"]): row for row in rows if not failure_of(row)}
    forms = [row for name, row in whole.items() if name != BASELINE and not is_simulated(row)]
    simulated = [row for name, row in whole.items() if is_simulated(row)]
    failed = [row for row in rows if failure_of(row)]
    return Choice(whole.get(BASELINE), forms, failed, margin, noise_floor(frame, "latency"), simulated)


def with_names(rows: Sequence[Row]) -> list[Row]:
    """Rows with what a form is called for people: where there are several runtimes, with its runtime."""
    several = len({name for row in rows if isinstance(name := row.get("runtime"), str)}) > 1
    return [{**row, CALLED: called(row) if several else str(row["variant"])} for row in rows]


def called(row: Row) -> str:
    """``int8 in OpenVINO``."""
    return f"{form_named(str(row['variant']))} in {row['runtime']}"


def is_simulated(row: Row) -> bool:
    return row.get("compute_dtype") == SIMULATED


def ratio_between(row: Row, other: Row) -> Interval | None:
    """Latency of one form relative to another's, from their ratios to float32: bounds that are too wide.

    What the two share in a round would cancel in a ratio of their own, so that this shows too little, never
    too much.
    """
    ratio, base = speed_ratio(row), speed_ratio(other)
    if ratio is None or base is None:
        return None
    return Interval(ratio.value / base.value, ratio.low / base.high, ratio.high / base.low)


def by_latency(rows: Sequence[Row]) -> list[Row]:
    """Those with a ratio of latency, the lowest first."""
    timed = [row for row in rows if speed_ratio(row)]
    return sorted(timed, key=lambda row: speed_ratio(row).value)


def by_size(rows: Sequence[Row]) -> list[Row]:
    """Those with a size, the smallest first."""
    sized = [row for row in rows if math.isfinite(number(row, "size_bytes"))]
    return sorted(sized, key=lambda row: number(row, "size_bytes"))


def names_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """What the forms are called."""
    return tuple(str(row[CALLED]) for row in rows)
