"""Comparison of variants: from what is known of each to one record per quantity, and to the results table."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from helpers.compare.quantities import QUANTITIES, results_of, wide
from helpers.compare.verdict import Verdict
from helpers.energy.summary import LatencySummary, MemorySummary
from helpers.energy.windows_summary import EnergySummary
from helpers.evaluate.records import Scored
from helpers.lab.intervals import Absent, Interval, interval_of
from helpers.lab.quantities import Result
from helpers.quantize.records import MadeFile
from helpers.run.variants import BASELINE, baseline_of, is_control, reference_of
from helpers.tasks.detection.evidence import AREAS, Evidence
from helpers.tasks.detection.quantities import Accuracy
from helpers.tasks.detection.resample import average_precision, paired_resamples


def resampled_quantities(evidence: Evidence, weights: np.ndarray) -> dict[str, np.ndarray]:
    """AP, AP50, AP75 and AP by size for each row of ``weights`` ``[B, images]``: arrays ``[B]``."""
    by_area = {area: average_precision(evidence, weights, area) for area in AREAS}
    whole = by_area["all"]
    found = {"ap": whole.mean(1), "ap50": whole[:, 0], "ap75": whole[:, 5]}
    return found | {f"ap_{area}": by_area[area].mean(1) for area in AREAS[1:]}


def resample_variants(
    evidence: Mapping[str, Evidence], resamples: int, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """The same resamples for every variant: variant -> quantity -> ``[1 + resamples]``, the data first."""
    images = next(iter(evidence.values())).images
    weights = paired_resamples(images, resamples, seed)
    return {variant: resampled_quantities(item, weights) for variant, item in evidence.items()}


def difference_to_baseline(
    values: Mapping[str, np.ndarray], base: Mapping[str, np.ndarray], quantity: str = "ap"
) -> Interval:
    """Paired: each resample's difference is taken before the interval is."""
    return interval_of(values[quantity] - base[quantity])


# What is told of a variant in words; columns of ``results.csv`` beside those of the quantities.
FACTS = ("runtime", "storage_dtype", "compute_dtype", "ap_within", "energy_grade", "failed")
COLUMNS = tuple(dict.fromkeys([
    "model", "variant", "runtime", "storage_dtype", "compute_dtype",
    *(column for quantity in QUANTITIES.values() for column in quantity.columns if column),
    *(quantity.reason for quantity in QUANTITIES.values() if quantity.reason),
    *FACTS,
]))  # fmt: skip


@dataclass(frozen=True)
class Sources:
    """What is known of one variant, each part or why it is absent; a quantity's ``of`` takes its value here.

    Attributes:
        made: what 02 recorded of the file.
        scored: what 03 recorded.
        loops: of its loop over the photos, (photos, seconds) of each shard.
        noise: relative differences in latency below it are noise, by the self-test.
    """

    made: MadeFile | Absent
    scored: Scored | Absent
    loops: Sequence[tuple[int, float]] | Absent
    accuracy: Accuracy | Absent
    verdict: Verdict | Absent
    latency: LatencySummary | Absent
    memory: MemorySummary | Absent
    energy: EnergySummary | Absent
    noise: float | Absent

    @classmethod
    def all_absent(cls, reason: str) -> "Sources":
        """Of a variant without a file, of which there is nothing at all."""
        return cls(*[Absent(reason)] * len(dataclasses.fields(cls)))


def accuracy_of(variant: str, scored: Scored, draws: Mapping[str, Mapping[str, np.ndarray]]) -> Accuracy:
    """A control is its baseline's file, so its difference is 0 by construction."""
    own = draws[baseline_of(variant) if is_control(variant) else variant]
    base = None if variant == BASELINE else draws.get(reference_of(variant), draws[BASELINE])
    return Accuracy(scored.stats, own, base, scored.tie_bounds, scored.distinct_scores)


def variant_results(model: str, variant: str, runtime: str, sources: Sources) -> list[Result]:
    return results_of((model, variant, runtime), sources)


def results_frame(results: Sequence[Result], facts: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per model and variant, with the columns ``COLUMNS``.

    Args:
        facts: of each variant, in the order of the results: ``FACTS``.
    """
    rows = [{**row, **told} for row, told in zip(wide(results), facts, strict=True)]
    for row in rows:
        if row["failed"]:
            row |= dict.fromkeys((q.reason for q in QUANTITIES.values() if q.reason), "")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def long_frame(results: Sequence[Result]) -> pd.DataFrame:
    """``results_long.csv``: one row per model, variant, runtime and quantity."""
    return pd.DataFrame([dataclasses.asdict(result) for result in results])
