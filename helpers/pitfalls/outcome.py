"""What one entry of the gallery shows: the failure and its cure, each as a sentence and as a fact."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from helpers.lab.errors import LabError, found_of, reason_of
from helpers.lab.intervals import Interval
from helpers.pitfalls.bench import Bench


@dataclass(frozen=True)
class Claim:
    """A sentence, and whether what was measured bears it out.

    Attributes:
        sentence: what is claimed.
        found: the numbers that speak to it.
        holds: whether it is so; measured, never assumed.
    """

    sentence: str
    found: str
    holds: bool

    @property
    def told(self) -> str:
        return f"{self.sentence}: {self.found}"


@dataclass(frozen=True)
class Outcome:
    """One failure, made.

    Attributes:
        title: what was done wrong.
        table: the numbers, for readers.
        failure: what comes of it.
        cure: what is right.
        drawn: what a figure of it needs.
        absent: why it could not be made with this model; empty where it was.
    """

    title: str
    table: pd.DataFrame
    failure: Claim
    cure: Claim
    drawn: Mapping[str, Any] = field(default_factory=dict)
    absent: str = ""

    def shows_that(self, sentence: str) -> bool:
        """Whether one of the two claims, in its own words, holds; what was found is printed if not.

        Raises:
            LabError: neither says that.
        """
        claims = {claim.sentence: claim for claim in (self.failure, self.cure)}
        if sentence not in claims:
            raise LabError(
                f"{self.title} makes no claim {sentence!r}.",
                f"one of: {'; '.join(claims)}",
                "correct the sentence, in the notebook or in helpers/pitfalls.",
            )
        if not claims[sentence].holds:
            print(f"Not so: {claims[sentence].told}.")
        return claims[sentence].holds


def or_why_not(title: str) -> Callable[[Callable[..., Outcome]], Callable[..., Outcome]]:
    """Of a function ``reproduce(bench, ...)`` that cannot do it, why not, printed: the gallery goes on.

    A recipe may be broken, or a file of 02: that is told there, and is no reason to stop here.
    """

    def wrapped(reproduce: Callable[..., Outcome]) -> Callable[..., Outcome]:
        @functools.wraps(reproduce)
        def tried(bench: Bench, *args: Any, **options: Any) -> Outcome:
            try:
                return reproduce(bench, *args, **options)
            except Exception as error:  # converters, quantizers and runtimes raise their own
                bench.absent[title] = reason_of(error)
                print(f"Not shown: {title}.\n{bench.absent[title]}")
                return not_made(title, found_of(bench.absent[title]).rstrip("."))

        return tried

    return wrapped


def not_made(title: str, reason: str) -> Outcome:
    """Of a failure that cannot be made with this model."""
    table, nothing = pd.DataFrame({"not shown here": [reason]}), Claim("not shown", reason, False)
    return Outcome(title, table, nothing, nothing, absent=reason)


def points(difference: Interval) -> str:
    """A difference of AP in points: ``-26.9 [-30.6, -23.2]``."""
    return f"{100 * difference.value:+.1f} [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"


def times(ratio: Any) -> str:
    """``0.61 [0.60, 0.62]`` of an interval; the reason where there is none."""
    if isinstance(ratio, Interval):
        return f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
    return str(ratio.reason)


def rounded(precision: float) -> float:
    """AP for a table, in points."""
    return round(100 * float(precision), 2)
