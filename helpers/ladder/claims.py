"""What textbooks say of quantization, and what this run answers, each with its interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from helpers.compare.verdict import why_unjudged
from helpers.lab.intervals import Interval, interval_of
from helpers.run.forms import EDGES, LADDER_EDGES
from helpers.run.variants import BASELINE

YES, REVERSE, OPEN = "yes", "no, the reverse", "not shown"
WITHIN, LOSES, FEW = "yes", "no", "not enough images"
NOTHING = "both find next to nothing"


@dataclass(frozen=True)
class Claim:
    """A sentence, and the pairs of forms that test it.

    Attributes:
        pairs: (form, other): the claim says that the first has the higher AP; or, where it ``costs_nothing``,
            that its AP is as high as that of the second, to within the margin.
    """

    sentence: str
    pairs: tuple[tuple[str, str], ...]
    costs_nothing: bool = False


@dataclass(frozen=True)
class Answer:
    """One pair of a claim.

    Attributes:
        difference: AP of ``form`` less that of ``other``, in points, with its 95 % interval, paired.
    """

    claim: Claim
    form: str
    other: str
    difference: Interval
    answer: str


def against_float32(*forms: str) -> tuple[tuple[str, str], ...]:
    return tuple((form, BASELINE) for form in forms)


# Also what 08 lays beside one another.
TRAINING = Claim(
    "Training recovers what rounding loses.",
    (
        ("int8-qat", "int8"),
        ("int4-qat", "uniform-4-channel-lse"),
        ("int2-qat", "uniform-2-channel-lse"),
        ("ternary-qat", "ternary"),
        ("binary-qat", "binary"),
    ),
)
CLAIMS = (
    Claim("float16 costs nothing.", against_float32("float16", "float16-compute", "bfloat16", "tf32"), True),
    Claim(
        "8 bits cost nothing.",
        against_float32(
            "int8-weights", "int8-dynamic", "int8", "int8-per-tensor", "int16x8", "uniform-8-channel-minmax",
            "mxfp8-e4m3", "float8-e4m3", "float8-e5m2", "int8-qat",
        ),
        True,
    ),
    Claim(
        "A scale per channel beats one per layer.",
        (
            ("int8", "int8-per-tensor"),
            ("uniform-8-channel-minmax", "uniform-8-tensor-minmax"),
            ("uniform-4-channel-minmax", "uniform-4-tensor-minmax"),
            ("uniform-4-channel-lse", "uniform-4-tensor-lse"),
        ),
    ),
    Claim(
        "A scale per block of 32 beats one per channel.",
        tuple((f"uniform-{n}-block-lse", f"uniform-{n}-channel-lse") for n in (4, 3, 2)),
    ),
    Claim(
        "A range of least squared error beats the extremes.",
        tuple(
            (f"uniform-{name}-lse", f"uniform-{name}-minmax")
            for name in ("8-channel", "4-block", "4-channel", "4-tensor")
        ),
    ),
    Claim(
        "Non-uniform levels beat uniform ones at equal bits.",
        (
            ("codebook-16", "uniform-4-tensor-lse"),
            ("codebook-16", "uniform-4-channel-lse"),
            ("log2-4", "uniform-4-channel-lse"),
            ("apot-4", "uniform-4-channel-lse"),
            ("mxfp4", "uniform-4-block-lse"),
            ("codebook-8", "uniform-3-channel-lse"),
            ("codebook-4", "uniform-2-channel-lse"),
        ),
    ),
    Claim(
        "Vectors beat scalars below 3 bits.",
        (
            ("vector-4-256", "uniform-2-channel-lse"),
            ("vector-4-256", "codebook-4"),
            ("vector-8-256", "binary"),
        ),
    ),
    Claim(
        "First and last layers need more bits.",
        tuple((form + EDGES, form) for form in LADDER_EDGES),
    ),
    TRAINING,
)  # fmt: skip


def answers(draws: Mapping[str, np.ndarray], margin_points: float, conclusive: bool = True) -> list[Answer]:
    """Every pair of which both forms have an AP.

    Args:
        draws: form -> AP on the photos and on the same resamples of them, ``[1 + B]``, 0..1.
        margin_points: the loss that still counts as none.
        conclusive: whether the run is made for conclusions; if not, or where float32 finds next to nothing,
            nothing is judged.
    """
    found = list(chain.from_iterable(answers_of(claim, draws, margin_points) for claim in CLAIMS))
    base = float(draws[BASELINE][0]) if BASELINE in draws else math.nan
    unjudged = why_unjudged(base, margin_points / 100, conclusive)
    return [replace(answer, answer=unjudged) for answer in found] if unjudged else found


def answers_of(claim: Claim, draws: Mapping[str, np.ndarray], margin_points: float) -> list[Answer]:
    found = []
    for form, other in claim.pairs:
        if form in draws and other in draws:
            difference = interval_of(100 * (draws[form] - draws[other]))
            if 100 * max(draws[form][0], draws[other][0]) < margin_points:
                word = NOTHING
            else:
                word = within(difference, margin_points) if claim.costs_nothing else beats(difference)
            found.append(Answer(claim, form, other, difference, word))
    return found


def beats(difference: Interval) -> str:
    """Whether a difference is above zero by its whole interval, below it, or neither is shown."""
    if difference.low > 0:
        return YES
    return REVERSE if difference.high < 0 else OPEN


def within(difference: Interval, margin_points: float) -> str:
    """Whether a loss is below the margin by its whole interval, above it, or neither is shown."""
    if difference.low > -margin_points:
        return WITHIN
    return LOSES if difference.high < -margin_points else FEW


def summary(found: Sequence[Answer]) -> str:
    """The answers to one claim in a few words: ``yes in 2 of 4, not shown in 2``."""
    words = list(dict.fromkeys(answer.answer for answer in found))
    counts = {word: sum(answer.answer == word for answer in found) for word in words}
    if len(counts) == 1:
        return f"{words[0]} ({len(found)} of {len(found)})"
    return ", ".join(f"{word} ({count} of {len(found)})" for word, count in counts.items())
