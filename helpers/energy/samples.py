"""Raw latency samples as a table."""

import pandas as pd

from helpers.energy.records import Latency
from helpers.energy.rounds.warmup import warmup_of


def latency_frame(raw: Latency, model: str) -> pd.DataFrame:
    """Raw latency samples, tidy: model, variant, round, latency_ms, warmup (given or found)."""
    variants = {variant for played in raw.rounds for variant in played.visits}
    left_out = {variant: warmup_of(raw, variant).left_out for variant in variants}
    rows = [
        (model, variant, number, sample_ns / 1e6, place < left_out[variant])
        for number, played in enumerate(raw.rounds)
        for variant, visit in played.visits.items()
        for place, sample_ns in enumerate(visit.warmup_ns + visit.timed_ns)
    ]
    return pd.DataFrame(rows, columns=["model", "variant", "round", "latency_ms", "warmup"])
