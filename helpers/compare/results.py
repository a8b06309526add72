"""Comparison of variants: AP with intervals from one set of resamples for all, and the results table."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from helpers.compare.verdict import Verdict
from helpers.energy.rounds.warmup import warmup_of
from helpers.energy.summary import LatencySummary, MemorySummary, summarize_latency, summarize_memory
from helpers.energy.windows_summary import EnergySummary, summarize_energy
from helpers.lab.intervals import Interval, bias_corrected_interval, interval_of
from helpers.meters.base import Absent
from helpers.run.variants import BASELINE, CONTROL
from helpers.tasks.detection.evidence import AREAS, Evidence
from helpers.tasks.detection.resample import average_precision, paired_resamples

NAN = float("nan")
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


def spread(name: str, quantity: Interval | Absent) -> dict[str, float]:
    """``name``, ``name_low``, ``name_high``; NaN where there is no value."""
    if isinstance(quantity, Absent):
        return {name: NAN, f"{name}_low": NAN, f"{name}_high": NAN}
    return {name: quantity.value, f"{name}_low": quantity.low, f"{name}_high": quantity.high}


def latency_columns(summary: LatencySummary | Absent) -> dict[str, Any]:
    if isinstance(summary, Absent):
        return {"latency_reason": summary.reason}
    return (
        spread("latency_ms_p50", summary.p50_ms)
        | spread("latency_ms_p99", summary.p99_ms)
        | spread("latency_ratio", summary.ratio)
        | reason_column("latency_reason", summary.ratio)
    )


def reason_column(name: str, quantity: Interval | Absent) -> dict[str, str]:
    return {name: quantity.reason} if isinstance(quantity, Absent) else {}


def memory_columns(summary: MemorySummary | Absent) -> dict[str, Any]:
    if isinstance(summary, Absent):
        return {"memory_reason": summary.reason}
    return spread("peak_rss_bytes", summary.peak_rss_bytes)


def energy_columns(summary: EnergySummary | Absent, grade: str) -> dict[str, Any]:
    if isinstance(summary, Absent):
        return {"energy_grade": grade, "energy_reason": summary.reason}
    gross = summary.gross_j
    columns = {"energy_j_per_image": gross.value, "energy_low": gross.low, "energy_high": gross.high}
    columns |= {"energy_grade": summary.grade} | spread("energy_ratio", summary.ratio)
    columns |= reason_column("energy_reason", summary.ratio)
    return columns | spread("energy_net_j", summary.net_j)


def measured_columns(raw: Mapping[str, Mapping], resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    """Variant -> columns of latency, memory and energy, from the raw samples."""
    latency = summarize_latency(raw["latency"], resamples, seed)
    memory = summarize_memory(raw["memory"])
    energy = summarize_energy(raw["energy"], resamples, seed)
    grade = raw["energy"]["settings"]["meter"]["grade"]
    return {
        variant: latency_columns(latency[variant])
        | memory_columns(memory[variant])
        | energy_columns(energy[variant], grade)
        for variant in latency
    }


def latency_frame(raw: Mapping[str, Any], model: str) -> pd.DataFrame:
    """Raw latency samples, tidy: model, variant, round, latency_ms, warmup (given or found)."""
    variants = {variant for played in raw["rounds"] for variant in played["visits"]}
    left_out = {variant: warmup_of(raw, variant).left_out for variant in variants}
    rows = [
        (model, variant, number, sample_ns / 1e6, place < left_out[variant])
        for number, played in enumerate(raw["rounds"])
        for variant, visit in played["visits"].items()
        for place, sample_ns in enumerate([*visit["warmup_ns"], *visit["timed_ns"]])
    ]
    return pd.DataFrame(rows, columns=["model", "variant", "round", "latency_ms", "warmup"])
