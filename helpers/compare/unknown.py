"""What a run leaves open about one model: one sentence each."""

import math

import pandas as pd

from helpers.compare.choice import CALLED, Choice, Row, names_of
from helpers.compare.findings import ties_clause
from helpers.compare.noise import BY_SELFTEST, NoiseFloor
from helpers.compare.report.lacking import by_reason, lacking_quantity, listed
from helpers.compare.verdict import FEW_IMAGES, FEW_RESAMPLES
from helpers.compare.verdict_texts import answer_of
from helpers.lab.errors import found_of
from helpers.lab.quantities import number
from helpers.show.context import Context, known
from helpers.show.rows import records_of
from helpers.show.values import failure_of
from helpers.tasks.detection.quantities import AP, AP_DIFFERENCE

ESTIMATES, NONE = "C", "D"  # grades of energy that prove nothing


def not_known(frame: pd.DataFrame, choice: Choice, context: Context) -> list[str]:
    """``frame``: all rows of the model."""
    rows = records_of(frame)
    return [
        *(f"Anything of {names}: failed ({reason})." for names, reason in failed_forms(choice)),
        *(margin_text(row, choice.margin) for row in choice.open if AP.at(row)),
        *lacking_texts(choice),
        *simulated_texts(choice),
        *ties_texts(choice),
        noise_sentence(choice.floor, any(math.isfinite(number(r, "latency_selftest_noise")) for r in rows)),
        *energy_texts(choice),
        f"Whether this holds elsewhere: one machine was measured ({known(context, 'host')}), in one run, and "
        "another processor may order the forms otherwise.",
    ]


def failed_forms(choice: Choice) -> list[tuple[str, str]]:
    """(forms, why they failed): those with one reason stand together."""
    reasons = by_reason({str(row[CALLED]): failure_of(row) for row in choice.failed})
    return [(listed(names), reason.rstrip(".")) for reason, names in reasons.items()]


def margin_text(row: Row, margin: str) -> str:
    """Why it is open whether a form is within the margin, and how many images would about tell."""
    asked, answer = f"Whether {row[CALLED]} is within {margin}", answer_of(row)
    images, needed = number(row, "images"), number(row, "ap_images_needed")
    if answer == FEW_IMAGES and math.isfinite(needed):
        had = f"{images:,.0f}" if math.isfinite(images) else "those used"
        return f"{asked}: {had} images are too few, about {needed:,.0f} would about settle it."
    if answer == FEW_IMAGES:
        difference = AP_DIFFERENCE.at(row)
        found = f", {AP_DIFFERENCE.text(difference)} points," if difference else ""
        return f"{asked}: its difference{found} lies at the margin, where more images may not settle it."
    why = "too few resamples were drawn" if answer == FEW_RESAMPLES else "there is no difference to judge"
    return f"{asked}: {why}."


def lacking_texts(choice: Choice) -> list[str]:
    rows = [row for row in (choice.base, *choice.forms) if row is not None]
    found = [lack for name in ("accuracy", "latency") for lack in lacking_quantity("", rows, name)]
    return [f"{lack.what[0].upper()}{lack.what[1:]}: {found_of(lack.reason).rstrip('.')}." for lack in found]


def simulated_texts(choice: Choice) -> list[str]:
    names = names_of(choice.simulated)
    return (
        [f"What {listed(names)} would take in time: simulated, no runtime here has kernels."] if names else []
    )


def ties_texts(choice: Choice) -> list[str]:
    clauses = {str(row[CALLED]): ties_clause(row) for row in choice.forms}
    return [
        f"AP of {variant} under another order: {clause}, and what is said of it holds for COCO's order."
        for variant, clause in clauses.items()
        if clause
    ]


def noise_sentence(floor: NoiseFloor | None, tested: bool) -> str:
    if floor is None:
        return "What of a difference in latency is noise: float32 was not timed twice, so no floor is known."
    text = f"Differences in latency below {100 * floor.relative:.1f} %: they are noise here, by the "
    own = "" if tested or floor.source == BY_SELFTEST else "; how far two runs differ was not tested"
    return f"{text}{floor.source}{own}."


def energy_texts(choice: Choice) -> list[str]:
    """Of forms without a meter's figure: an estimate follows CPU time, and is no evidence."""
    grades = {str(row.get("energy_grade")) for row in choice.forms}
    if ESTIMATES in grades:
        return ["Energy: it is an estimate from CPU time (grade C), and decides nothing here."]
    return ["Energy: nothing measured it here."] if NONE in grades else []
