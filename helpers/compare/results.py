"""Comparison of variants: AP with intervals from one set of resamples for all, and the results table."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from helpers.compare.verdict import Verdict
from helpers.lab.intervals import NAN, Interval, bias_corrected_interval, interval_of, spread
from helpers.run.variants import BASELINE, CONTROL
from helpers.tasks.detection.evidence import AREAS, Evidence
from helpers.tasks.detection.resample import average_precision, paired_resamples

QUANTITIES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")


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


def accuracy_columns(
    variant: str, stats: Mapping[str, float], resampled: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, float]:
    """COCO's metric. The control is the baseline's file, so its difference is 0 by construction."""
    source = BASELINE if variant == CONTROL else variant
    columns = {name: value if value >= 0 else NAN for name, value in stats.items()}
    for name in QUANTITIES:
        interval = bias_corrected_interval(resampled[source][name])
        columns |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
        if variant == BASELINE:
            columns |= {f"{name}_diff": 0.0, f"{name}_diff_low": NAN, f"{name}_diff_high": NAN}
        else:
            difference = difference_to_baseline(resampled[source], resampled[BASELINE], name)
            columns |= spread(f"{name}_diff", difference)
    return columns


def tie_columns(scored: Mapping[str, Any]) -> dict[str, float]:
    """AP under the worst and the best order among equal scores, from the values of a score's record."""
    low, high = scored["tie_bounds"]
    return {"ap_ties_low": low, "ap_ties_high": high, "distinct_scores": scored["distinct_scores"]}


def verdict_columns(judged: Mapping[str, Verdict]) -> dict[str, dict[str, Any]]:
    """Variant -> whether its loss is within the margin, and what that rests on."""
    return {
        variant: {
            "ap_margin": verdict.margin,
            "ap_within": verdict.answer,
            "ap_joint_low": verdict.low,
            "ap_joint_high": verdict.high,
            "ap_worse_share": verdict.worse_share,
            "ap_images_needed": verdict.images_needed,
        }
        for variant, verdict in judged.items()
    }
