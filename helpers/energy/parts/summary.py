"""Summaries of the parts of a detector's loop, computed from raw times on load.

A part's time is the mean over photos of each photo's median over rounds: the mean, since the times of photos
add up to what a user waits; the median, since an interruption says nothing about the part. The total is the
sum of the parts. Intervals are percentile bootstraps over rounds; the same resampled rounds serve all parts,
so that what they share cancels in shares. Ratios are paired by photo and round.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from helpers.energy.records import LoopTimes, Parts
from helpers.energy.rounds.disturbance import UNWATCHED, disturbed_count
from helpers.energy.summary import RESAMPLES, bootstrap, median_over_rounds, resampled_rounds, why_missing
from helpers.lab.intervals import Absent, Interval, interval_of, spread
from helpers.run.variants import baseline_of

PER_PHOTO = ("decode", "resize", "core", "tail")
STORE = "store"
PARTS = (*PER_PHOTO, STORE)  # in the order of the loop
CORE = "core"


@dataclass(frozen=True)
class PartsSummary:
    """Where the time of one variant goes, in ms per photo, warm-ups left out.

    Attributes:
        rounds, photos: what it rests on.
        parts: part -> ms per photo, in the order of ``PARTS``; absent where it could not be measured.
        total: sum of the parts that there are.
        core_share: of the core in the total, 0..1.
        ratio: of the whole loop to the baseline's: what a user gains end to end. Median over rounds of the
            median over photos of (the photo's time / its time with the baseline in the same round). Slow
            drift cancels in it, so it is surer than total / total, and may differ from it.
        disturbed: how many rounds are marked as disturbed; they count in all of the above.
    """

    variant: str
    rounds: int
    photos: int
    parts: Mapping[str, Interval | Absent]
    total: Interval
    core_share: Interval
    ratio: Interval | Absent
    disturbed: int | Absent = UNWATCHED


def measured_parts(raw: Parts) -> tuple[str, ...]:
    """``PARTS``, without the store where a visit could not write."""
    visits = [visit for played in raw.rounds for visit in played.visits.values()]
    stored = all(visit.timed.store_ns is not None for visit in visits)
    return PARTS if stored else PER_PHOTO


def part_ms(timed: LoopTimes, part: str, photos: int) -> np.ndarray:
    """ms of one part for every photo of a visit: ``[photos]``; an equal share of what was stored at once."""
    spent_ns = getattr(timed, f"{part}_ns")
    return np.broadcast_to(spent_ns if part != STORE else spent_ns / photos, photos) * 1e-6


def times_ms(raw: Parts, variant: str) -> np.ndarray | None:
    """``[rounds, parts, photos]`` in ms, parts as ``measured_parts`` has them; None if the variant failed."""
    visits = [played.visits.get(variant) for played in raw.rounds]
    if variant in raw.failures or not visits or None in visits:
        return None
    parts, photos = measured_parts(raw), len(raw.settings.photos)
    return np.array([[part_ms(visit.timed, part, photos) for part in parts] for visit in visits])


def per_photo_ms(times: np.ndarray) -> np.ndarray:
    """``[..., rounds, parts, photos]`` -> ms per photo ``[..., parts]``."""
    return np.median(times, axis=-3).mean(axis=-1)


def draws_ms(raw: Parts, variant: str, resamples: int, seed: int) -> np.ndarray | None:
    """ms per photo of every part on the data, then on each resample: ``[1 + resamples, parts]``."""
    times = times_ms(raw, variant)
    if times is None:
        return None
    rows = [per_photo_ms(times[drawn]) for drawn in resampled_rounds(len(times), resamples, seed)]
    return np.array([per_photo_ms(times), *rows])


def loop_ratio(raw: Parts, variant: str, resamples: int, seed: int) -> Interval | Absent:
    """``PartsSummary.ratio``; absent if the baseline failed."""
    baseline = baseline_of(variant)
    own, base = times_ms(raw, variant), times_ms(raw, baseline)
    if own is None or base is None:
        return Absent(f"no round has both {variant} and {baseline}")
    ratios = np.median(own.sum(1) / base.sum(1), axis=1)
    return bootstrap(ratios, median_over_rounds, resamples, seed)


def summarize_parts(
    raw: Parts, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, PartsSummary | Absent]:
    """Variant -> summary, or why there is none."""
    return {variant: parts_summary(raw, variant, resamples, seed) for variant in raw.settings.variants}


def parts_summary(raw: Parts, variant: str, resamples: int, seed: int) -> PartsSummary | Absent:
    draws = draws_ms(raw, variant, resamples, seed)
    if draws is None:
        return why_missing(raw, variant)
    names, totals = measured_parts(raw), draws.sum(1)
    found = {name: interval_of(draws[:, place]) for place, name in enumerate(names)}
    absent = {name: Absent(why_unstored(raw)) for name in PARTS if name not in names}
    return PartsSummary(
        variant,
        rounds=len(raw.rounds),
        photos=len(raw.settings.photos),
        parts=found | absent,
        total=interval_of(totals),
        core_share=interval_of(draws[:, names.index(CORE)] / totals),
        ratio=loop_ratio(raw, variant, resamples, seed),
        disturbed=disturbed_count(raw),
    )


def why_unstored(raw: Parts) -> str:
    return raw.store_absent or "a part of the rounds could not store"


def parts_rows(raw: Parts, model: str, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Tidy: one row per variant and part; one row, without a part, for a variant that failed.

    Columns: ``model, variant, part, ms, ms_low, ms_high, absent`` (why the part has no number),
    ``total_ms, total_ms_low, total_ms_high, core_share, core_share_low, core_share_high, ratio, ratio_low,
    ratio_high`` (of the variant, repeated in its rows), ``photos, rounds, threads, failed``. Numbers that do
    not exist are NaN, texts that do not apply are empty.
    """
    rows = [
        {"model": model, "variant": variant, **row, "threads": raw.settings.threads}
        for variant, summary in summarize_parts(raw, resamples, seed).items()
        for row in summary_rows(summary)
    ]
    return pd.DataFrame(rows)


def summary_rows(summary: PartsSummary | Absent) -> Iterator[dict[str, Any]]:
    if isinstance(summary, Absent):
        nothing = dict.fromkeys(("ms", "total_ms", "core_share", "ratio"), Absent(""))
        yield row_of("", nothing) | {"photos": 0, "rounds": 0, "failed": summary.reason}
        return
    whole = {"total_ms": summary.total, "core_share": summary.core_share, "ratio": summary.ratio}
    for part, quantity in summary.parts.items():
        row = row_of(part, {"ms": quantity, **whole})
        yield row | {"photos": summary.photos, "rounds": summary.rounds, "failed": ""}


def row_of(part: str, quantities: Mapping[str, Interval | Absent]) -> dict[str, Any]:
    spent = quantities["ms"]
    row: dict[str, Any] = {"part": part, "absent": spent.reason if isinstance(spent, Absent) else ""}
    for name, quantity in quantities.items():
        row |= spread(name, quantity)
    return row
