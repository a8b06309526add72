"""The table of quantities: every table, figure, finding and view of two machines goes over it.

A new quantity is one entry in the room that measures it; the one place that knows all of them is here.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from helpers.compare.verdict import FEW_IMAGES, NO, YES, Verdict
from helpers.energy import quantities as energy
from helpers.evaluate import quantities as evaluate
from helpers.lab.intervals import Absent, Interval
from helpers.lab.quantities import Quantity, Result, as_result, taken, wide_row
from helpers.quantize import quantities as quantize
from helpers.tasks.detection import quantities as detection

POINTS = detection.POINTS


def joint(verdict: Verdict) -> Interval:
    return Interval(verdict.difference.value, verdict.low, verdict.high)


def needed(verdict: Verdict) -> int | Absent:
    """How many images would settle a verdict, or why that is not asked."""
    if verdict.images_needed is not None:
        return verdict.images_needed
    why = {YES: "it is settled", NO: "it is settled", FEW_IMAGES: "the difference lies at the margin"}
    return Absent(why.get(verdict.answer, verdict.answer))


# The difference again, with bounds that hold for all variants at once.
JOINT_DIFFERENCE = Quantity(
    "ap_joint", "ΔAP, all at once", "", POINTS, 2, signed=True, better="more", column="ap_diff",
    table="accuracy",
    of=taken("verdict", joint),
)  # fmt: skip
MARGIN = Quantity(
    "ap_margin", "Margin (AP points)", "", POINTS, 2, bounds="", of=taken("verdict", lambda v: v.margin)
)
WORSE_SHARE = Quantity(
    "ap_worse_share", "Resamples worse", "", 100, 1, bounds="", table="accuracy",
    of=taken("verdict", lambda verdict: verdict.worse_share),
)  # fmt: skip
IMAGES_NEEDED = Quantity(
    "ap_images_needed", "Images needed", "", 1, 0, bounds="",
    of=taken("verdict", needed),
)  # fmt: skip
NOISE = Quantity(
    "latency_selftest_noise", "Noise by self-test", "", 1, 3, bounds="", of=lambda sources: sources.noise
)
VERDICT = (JOINT_DIFFERENCE, MARGIN, WORSE_SHARE, IMAGES_NEEDED, NOISE)
QUANTITIES = MappingProxyType({
    quantity.id: quantity
    for quantity in (*quantize.QUANTITIES, *detection.QUANTITIES, *VERDICT, *energy.QUANTITIES,
                     *evaluate.QUANTITIES)
})  # fmt: skip


def results_of(names: tuple[str, str, str], sources) -> list[Result]:
    """One record per quantity of a variant; ``names``: model, variant, runtime."""
    return [as_result(names, quantity, quantity.of(sources)) for quantity in QUANTITIES.values()]


def wide(results: Iterable[Result]) -> list[dict]:
    """One row per model and variant, in their order; a column per value and bound."""
    rows: dict[tuple[str, str], dict[str, Result]] = {}
    for result in results:
        rows.setdefault((result.model, result.variant), {})[result.quantity] = result
    return [
        {"model": model, "variant": variant, **wide_row(QUANTITIES.values(), found)}
        for (model, variant), found in rows.items()
    ]


def reasons(results: Iterable[Result]) -> Mapping[tuple[str, str], dict[str, str]]:
    """(model, variant) -> quantity -> why it has no value."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for result in results:
        if result.reason:
            found.setdefault((result.model, result.variant), {})[result.quantity] = result.reason
    return found
