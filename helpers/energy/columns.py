"""What 04 measured as columns of the results, computed from the samples on load."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers.energy.rounds.warmup import warmup_of
from helpers.energy.summary import LatencySummary, MemorySummary, summarize_latency, summarize_memory
from helpers.energy.windows_summary import EnergySummary, summarize_energy
from helpers.lab.intervals import Absent, Interval, spread


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
