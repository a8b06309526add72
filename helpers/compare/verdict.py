"""Verdicts: whether a variant is as accurate as the baseline, to within a margin that the user names."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.intervals import Interval, interval_of
from helpers.run.options import MARGIN_POINTS
from helpers.run.variants import BASELINE

ERROR_RATE = 0.05  # of all comparisons together
BEYOND = 5  # resamples beyond each bound, without which a bound is a guess
MOST_GROWTH = 100  # times the images; a difference that needs more sits at the margin
YES, NO = "yes", "no"
FEW_IMAGES, FEW_RESAMPLES, NO_VALUE = "not enough images", "not enough resamples", "nothing to compare"
# A variant that finds nothing at all would be within the margin of such a baseline.
NOTHING_FOUND = "no verdict, since float32 finds next to nothing"
SMALL_RUN = "no verdict, since the run is too small"
UNJUDGED = (NOTHING_FOUND, SMALL_RUN)

Draws = Mapping[str, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Verdict:
    """How one variant compares with the baseline in one quantity, a fraction 0..1.

    Attributes:
        variant: its id.
        difference: variant minus baseline, with its own 95 % interval.
        low, high: bounds that hold for all compared variants at once, 95 % (Bonferroni); NaN where there
            are too few resamples for them.
        worse_share: share of resamples in which the variant is below the baseline; a tie counts half.
        margin: the loss that is accepted, above 0.
        compared: how many variants are compared with the baseline.
        answer: whether the loss is below the margin: ``yes`` where the simultaneous interval lies wholly
            above ``-margin``, ``no`` where it lies wholly below, else one of the reasons for none.
        images_needed: about how many images would settle it; None where it is settled or where the
            difference sits at the margin.
    """

    variant: str
    difference: Interval
    low: float
    high: float
    worse_share: float
    margin: float
    compared: int
    answer: str
    images_needed: int | None = None


def verdicts(
    draws: Draws,
    images: int,
    margin: float = MARGIN_POINTS / 100,
    quantity: str = "ap",
    baseline: str = BASELINE,
    conclusive: bool = True,
) -> dict[str, Verdict]:
    """A verdict for each variant but the baseline, in the order given.

    Args:
        draws: variant -> quantity -> ``[1 + B]``, the data first; the same resamples for all. A resample
            without a value (NaN) is left out, and then counts as none.
        images: how many were drawn from.
        margin: see ``Verdict``.
        quantity: what is compared.
        baseline: what it is compared with; where its value is not above the margin, nothing is judged.
        conclusive: whether the run is made for conclusions; if not, nothing is judged.

    Raises:
        LabError: the margin is not a positive number, or the baseline has no such draws, or another number.
    """
    require_margin(margin)
    base = values_of(draws, baseline, quantity)
    others = [variant for variant in draws if variant != baseline]
    found = {}
    for variant in others:
        values = values_of(draws, variant, quantity)
        require_paired(variant, values, base)
        found[variant] = verdict(variant, values - base, images, margin, len(others))
    if unasked := why_unjudged(float(base[0]), margin, conclusive):
        return {name: replace(each, answer=unasked, images_needed=None) for name, each in found.items()}
    return found


def why_unjudged(base: float, margin: float, conclusive: bool = True) -> str:
    """Why nothing is judged where the baseline's value is ``base``, NaN if unknown; empty if it is."""
    if math.isfinite(base) and base <= margin:
        return NOTHING_FOUND
    return "" if conclusive else SMALL_RUN


def verdict(
    variant: str, differences: np.ndarray, images: int, margin: float = MARGIN_POINTS / 100, compared: int = 1
) -> Verdict:
    """From the paired differences ``[1 + B]``, the data first; see ``Verdict``."""
    resampled = differences[1:][np.isfinite(differences[1:])]
    joint = simultaneous_interval(differences, compared)
    answer = answer_of(joint, margin)
    needed = images_needed(joint, images, margin) if answer == FEW_IMAGES else None
    return Verdict(
        variant, interval_of(differences), joint.low, joint.high, worse_share(resampled),
        margin, compared, answer, needed,
    )  # fmt: skip


def simultaneous_interval(differences: np.ndarray, compared: int) -> Interval:
    """Bonferroni's (Dunn 1961): each of ``compared`` intervals errs in at most 0.05 / ``compared``.

    The bounds are NaN where fewer than ``BEYOND`` resamples would lie beyond each.
    """
    level = 1 - ERROR_RATE / compared
    if np.isfinite(differences[1:]).sum() < resamples_needed(compared):
        return Interval(float(differences[0]), math.nan, math.nan, level)
    return interval_of(differences, level)


def resamples_needed(compared: int) -> int:
    """How many resamples the simultaneous bounds of that many variants ask for."""
    return round(BEYOND * 2 * compared / ERROR_RATE)


def answer_of(joint: Interval, margin: float) -> str:
    if math.isnan(joint.value):
        return NO_VALUE
    if math.isnan(joint.low):
        return FEW_RESAMPLES
    if joint.low > -margin:
        return YES
    return NO if joint.high < -margin else FEW_IMAGES


def images_needed(joint: Interval, images: int, margin: float) -> int | None:
    """About how many images would bring the bound to the margin, were the difference to stay as it is.

    The distance of the bound from the difference shrinks with the square root of the images. The estimate
    is as uncertain as the difference is, so it is rounded up to two digits; with that many images the
    answer is about as likely as not.
    """
    distance = joint.value + margin
    bound = joint.low if distance > 0 else joint.high
    if not distance or abs(bound - joint.value) ** 2 > MOST_GROWTH * distance**2:
        return None
    exact = images * ((bound - joint.value) / distance) ** 2
    unit = 10 ** max(math.floor(math.log10(exact)) - 1, 0)
    return max(math.ceil(exact / unit) * unit, images + 1)


def worse_share(differences: np.ndarray) -> float:
    """Share below 0, ties counting half; NaN without any. ``[B]``."""
    if not len(differences):
        return math.nan
    return float((differences < 0).mean() + (differences == 0).mean() / 2)


def values_of(draws: Draws, variant: str, quantity: str) -> np.ndarray:
    values = draws.get(variant, {}).get(quantity)
    if values is None or not len(values):
        raise LabError(
            f"no resampled {quantity} of {variant}, which the comparison needs.",
            f"resamples of every variant; there are those of: {', '.join(draws) or 'none'}",
            "run 03_evaluate.ipynb, see there why it failed, then run 05_compare.ipynb again.",
        )
    return np.asarray(values, float)


def require_paired(variant: str, values: np.ndarray, base: np.ndarray) -> None:
    if values.shape != base.shape:
        raise LabError(
            f"{len(values) - 1} resamples of {variant}, {len(base) - 1} of the baseline.",
            "the same resamples for both: their difference is taken one by one",
            "run 05_compare.ipynb again.",
        )


def require_margin(margin: float) -> None:
    if not (math.isfinite(margin) and margin > 0):
        raise LabError(
            f"margin {margin}.",
            "a loss of AP as a fraction above 0, such as 0.01 for one AP point",
            "set the margin to how much AP may be lost at most.",
        )
