"""Failure 6: a loop timed with the JPEG decoder inside, reported as inference."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from helpers.energy.parts.summary import PER_PHOTO, parts_rows, per_photo_ms, times_ms
from helpers.energy.parts.timing import Around, measure_parts
from helpers.energy.records import Parts
from helpers.energy.summary import bootstrap, median_over_rounds
from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent, Interval
from helpers.photos.decoding import core_input, read_photo, resize_threads
from helpers.pitfalls.bench import RESAMPLES, Bench
from helpers.pitfalls.outcome import Claim, Outcome, or_why_not, times
from helpers.run.variants import BASELINE, CONTROL
from helpers.show.context import Context, picture_context

TITLE = "the decoder inside the timer"
FAILURE = "decoding inside the timer moves every ratio towards 1"
CURE = "parts timed apart add up to the loop"
PHOTOS, ROUNDS, BUDGET_S = 12, 12, 10
FASTER_OR_SLOWER = ("int8-dynamic", "int8")
BEFORE, CORE, LOOP = ("decode", "resize"), ("core",), PER_PHOTO
INSIDE = {"core alone": CORE, "core and tail": ("core", "tail"), "all, from the file on": LOOP}


@or_why_not(TITLE)
def reproduce(bench: Bench, rounds: int = ROUNDS) -> Outcome:
    """Time every part of the loop of float32 and two variants, then pretend that it had been one number."""
    raw, seed = time_parts(bench, rounds), bench.run.profile.seed
    spent = {name: part_times(raw, name) for name in (BASELINE, *FASTER_OR_SLOWER)}
    ratios = {
        name: {variant: ratio(raw, variant, inside, seed) for variant in FASTER_OR_SLOWER}
        for name, inside in INSIDE.items()
    }
    base, around = spent[BASELINE]["core"], sum(spent[BASELINE][part] for part in BEFORE)
    share = around / sum(spent[BASELINE].values())
    both = {name: diluted(base, spent[name]["core"], around) for name in FASTER_OR_SLOWER}
    shown = max(both, key=lambda name: abs(np.log(both[name][0])))
    alone, mixed = both[shown]
    return Outcome(
        TITLE,
        pd.DataFrame([row(name, inside, spent[BASELINE], ratios[name]) for name, inside in INSIDE.items()]),
        Claim(
            FAILURE,
            f"decoding and resizing take {share:.0%} of float32's loop: with them {shown} / float32 "
            f"is {mixed:.2f} instead of {alone:.2f}",
            share > 0 and all(abs(1 - mixed) < abs(1 - alone) for alone, mixed in both.values()),
        ),
        Claim(
            CURE,
            f"{shown} / float32 is {times(ratios['core alone'][shown])} for the core, "
            f"{times(ratios['all, from the file on'][shown])} for the loop",
            parts_add_up(raw),
        ),
        {"raw": raw},
    )


def time_parts(bench: Bench, rounds: int) -> Parts:
    """Raw times as ``measure_parts`` has them, of float32, what is compared with it, and the control."""
    interface, base = bench.interface, bench.variant(BASELINE)
    around = Around(
        read_photo,
        lambda photo: core_input(photo, interface.preprocessing),
        interface.tail,
        Absent("nothing is stored in this comparison"),
    )
    files = {BASELINE: base, **{v: bench.variant(v) for v in FASTER_OR_SLOWER}, CONTROL: base}
    photos, seed = list(bench.photos.values())[:PHOTOS], bench.run.profile.seed
    with resize_threads(1):
        return measure_parts(
            files, photos, around, rounds, seed=seed, progress=False, budget_s=BUDGET_S, least_rounds=3
        )


def part_times(raw: Parts, variant: str) -> dict[str, float]:
    """Part -> ms per photo.

    Raises:
        LabError: the variant failed.
    """
    found = times_ms(raw, variant)
    if found is None:
        raise LabError(
            f"{variant} could not be timed: {raw.failures.get(variant)}.",
            "every part of the loop",
            "run 02_quantize.ipynb again.",
        )
    return dict(zip(PER_PHOTO, per_photo_ms(found).tolist(), strict=True))


def ratio(raw: Parts, variant: str, inside: Sequence[str], seed: int) -> Interval:
    """Variant / float32 of some parts, paired by photo and round as ``parts_summary.loop_ratio`` is."""
    chosen = [PER_PHOTO.index(part) for part in inside]
    own, base = (times_ms(raw, name)[:, chosen].sum(1) for name in (variant, BASELINE))
    return bootstrap(np.median(own / base, axis=1), median_over_rounds, RESAMPLES, seed)


def diluted(base: float, own: float, around: float) -> tuple[float, float]:
    """Ratio of two times, and of the same two with ``around`` added to both."""
    return own / base, (own + around) / (base + around)


def parts_add_up(raw: Parts) -> bool:
    """Whether the parts are all of the loop, and each is above zero."""
    frame = parts_rows(raw, "")
    measured = frame[frame["ms"].notna()]
    sums = measured.groupby("variant")["ms"].sum()
    totals = measured.groupby("variant")["total_ms"].first()
    return bool(np.allclose(sums, totals) and (measured["ms"] > 0).all())


def row(
    name: str, inside: Sequence[str], base: Mapping[str, float], ratios: Mapping[str, Interval]
) -> dict[str, Any]:
    spent_ms = sum(base[part] for part in inside)
    facts = {"inside the timer": name, "float32 (ms per photo)": spent_ms}
    facts["core's share (%)"] = round(100 * base["core"] / spent_ms, 1)
    return facts | {f"{variant} / float32": times(found) for variant, found in ratios.items()}


def picture(bench: Bench, outcome: Outcome) -> tuple[pd.DataFrame, dict[str, pd.DataFrame], Context]:
    """Results, frames and context for ``figures.draw("time_by_part", ...)``, which draws a reason, too."""
    if outcome.absent:
        rows = pd.DataFrame([{"model": bench.model.id, "variant": BASELINE, "failed": outcome.absent}])
        return rows, {"parts": rows}, picture_context(bench.run)
    raw = outcome.drawn["raw"]
    frame = parts_rows(raw, bench.model.id, RESAMPLES, bench.run.profile.seed)
    rows = frame.drop_duplicates(["model", "variant"])[["model", "variant", "failed"]]
    context = replace(picture_context(bench.run), threads=raw.settings.threads)
    return rows, {"parts": frame}, context
