"""03: its tables, from the scores' records."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers.evaluate.stage import read_score, scored
from helpers.models.registry import Model
from helpers.photos.dataset import evaluate_exactly, field_name, native_map, subset
from helpers.run.experiment import Run


def points(values: Any) -> Any:
    """COCO's numbers in points (times 100), with NaN for its -1: there is no object that counts."""
    if isinstance(values, Mapping):
        return {name: points(value) for name, value in values.items()}
    return math.nan if values == -1 else 100 * values


def score_table(run: Run, model: Model) -> pd.DataFrame:
    """COCO's twelve numbers in points, one column per variant; in the last row why one has none."""
    records = {variant.id: read_score(run, model, variant.id) for variant in run.variants}
    columns = {
        v: {**points(r.values.stats if r.values else {}), "failed": r.failure} for v, r in records.items()
    }
    return pd.DataFrame(columns).rename_axis("number").reset_index()


def class_table(run: Run, model: Model) -> pd.DataFrame:
    """AP per class in points, one column per variant."""
    records = {v.id: read_score(run, model, v.id) for v in run.variants}
    found = {v: points(r.values.ap_per_class) for v, r in records.items() if not r.failure}
    return pd.DataFrame(found).rename_axis("class").reset_index()


def compare_with_native(run: Run, model: Model, dataset) -> pd.DataFrame:
    """FiftyOne's own mAP against COCO's on a small random subset, for the finest and coarsest scores.

    FiftyOne's method takes half a second per image and variant, so it is a check, not the metric.
    """
    view, rows = subset(dataset, run.profile.subset_images, run.profile.seed), []
    levels = {v: read_score(run, model, v).values.distinct_scores for v in scored(run, model)}
    for variant in dict.fromkeys([max(levels, key=levels.get), min(levels, key=levels.get)]):
        field = field_name(model.id, variant)
        native, exact = native_map(view, field), evaluate_exactly(view, field)
        native, ap = points(native), points(exact.stats["ap"])
        row = {"variant": variant, "distinct scores": exact.distinct_scores}
        row |= {"FiftyOne's coco": native, "COCO": ap}
        row |= {"difference (points)": round(native - ap, 10)}
        rows.append(
            row | dict(zip(("worst order", "best order"), map(points, exact.tie_bounds), strict=True))
        )
    return pd.DataFrame(rows)


def tie_table(run: Run, model: Model) -> pd.DataFrame:
    """How far AP depends on the order among equal scores: AP points below and above COCO's order."""
    rows = []
    for variant in scored(run, model):
        found = read_score(run, model, variant).values
        ap, worst, best = map(points, (found.stats["ap"], *found.tie_bounds))
        row = {"variant": variant, "detections": found.detections}
        row |= {"distinct scores": found.distinct_scores, "AP": ap}
        rows.append(row | {"worst order (points)": worst - ap, "best order (points)": best - ap})
    return pd.DataFrame(rows)


def timing_table(run: Run, model: Model) -> pd.DataFrame:
    """Where the time went, in ms per photo: decoding, the inference loop, and core and tail within it.

    Of the photos that this machine went through; NaN where a cluster went through all.
    """
    rows = []
    for variant in scored(run, model):
        found = read_score(run, model, variant).values
        here = sum(photos for photos, _ in found.loops) or math.nan
        parts = {n.removesuffix("_s"): 1e3 * s / here for n, s in vars(found.timing).items()}
        rows.append({"variant": variant, **parts})
    return pd.DataFrame(rows)
