"""An attribution as tables in AP points (hundredths), with intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.lab.intervals import Interval, resample_weights
from helpers.tasks.detection.attribution import PARTS, SIZES, Attribution, explain
from helpers.tasks.detection.error_kinds import KINDS, Kinds
from helpers.tasks.detection.evidence import Evidence

POINTS = 100
RESAMPLES = 60
NORMAL_95 = 1.96
SUM = "all kinds"
ROWS = (*KINDS, *SIZES, SUM)  # what has intervals; the sum is the AP difference less the remainder


def rows_of(parts: np.ndarray) -> np.ndarray:
    """Sums for each of ``ROWS``, ``[..., R]``, of contributions ``[..., S, N]``."""
    return np.concatenate([parts.sum(-2), parts.sum(-1), parts.sum((-2, -1))[..., None]], -1)


def resampled_rows(
    base: Evidence,
    base_kinds: Kinds,
    variant: Evidence,
    variant_kinds: Kinds,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> np.ndarray:
    """``ROWS`` on resampled images, ``[B, R]``, each explained anew: the paired bootstrap.

    About a second per resample for 5000 images with 100 detections each. See ``explain``.
    """
    weights = resample_weights(base.images, resamples, seed)
    explained = (explain(base, base_kinds, variant, variant_kinds, drawn) for drawn in weights)
    return np.array([rows_of(each.class_parts.sum((0, 1))) for each in explained])


def intervals(attribution: Attribution, draws: np.ndarray) -> dict[str, Interval]:
    """95 % intervals of each of ``ROWS``, fractions of 1; ``draws`` from ``resampled_rows``.

    The bounds are 1.96 standard deviations of the draws to each side (the bootstrap's normal interval,
    Efron and Tibshirani 1993, section 13.2): so few draws tell a deviation to a tenth, but no percentile.
    """
    values = rows_of(attribution.class_parts.sum((0, 1)))
    reach = NORMAL_95 * draws.std(0, ddof=1)
    return {
        row: Interval(v, v - r, v + r)
        for row, v, r in zip(ROWS, values.tolist(), reach.tolist(), strict=True)
    }


def kind_table(attribution: Attribution, known: Mapping[str, Interval] | None = None) -> pd.DataFrame:
    """One row per kind, then the remainder and the total; columns for the parts, ``sum``, ``low``, ``high``.

    Args:
        attribution: see there.
        known: from ``intervals``; None for a table without bounds.
    """
    table = pd.DataFrame(POINTS * attribution.by_kind.T, KINDS, PARTS)
    table["sum"] = table.sum(axis=1)
    table.loc["remainder", "sum"] = POINTS * attribution.remainder
    table.loc["total", "sum"] = POINTS * attribution.total
    return with_bounds(table.rename_axis("kind"), known)


def size_table(attribution: Attribution, known: Mapping[str, Interval] | None = None) -> pd.DataFrame:
    """One row per size of the object whose credit changed; columns for kinds, ``sum``, ``low``, ``high``."""
    table = pd.DataFrame(POINTS * attribution.by_size, SIZES, KINDS)
    table["sum"] = table.sum(axis=1)
    return with_bounds(table.rename_axis("size"), known)


def with_bounds(table: pd.DataFrame, known: Mapping[str, Interval] | None) -> pd.DataFrame:
    """The table with bounds for those of its rows that have an interval."""
    if known is None:
        return table
    low = {name: POINTS * interval.low for name, interval in known.items()}
    high = {name: POINTS * interval.high for name, interval in known.items()}
    return table.assign(low=table.index.map(low), high=table.index.map(high))


def class_table(attribution: Attribution, names: Sequence[str], count: int = 10) -> pd.DataFrame:
    """The classes that lose most, worst first: what they take from the mean AP, by kind.

    Args:
        attribution: see there.
        names: of all classes, by index.
        count: how many rows at most.
    """
    table = pd.DataFrame(POINTS * attribution.by_class, list(names), KINDS)
    table["remainder"] = POINTS * attribution.class_remainder
    table["total"] = POINTS * attribution.class_total
    return table.sort_values("total", kind="stable").head(count).rename_axis("class")


def image_table(attribution: Attribution, count: int = 10) -> pd.DataFrame:
    """The images that lose most, worst first; only such that lose.

    Columns: ``image``, its index; ``loss`` in AP points, negative; ``main kind``, which loses most there.
    """
    by_image = attribution.by_image
    loss = by_image.sum(1)
    worst = np.argsort(loss, kind="stable")[:count]
    worst = worst[loss[worst] < 0]
    main = np.array(KINDS)[by_image[worst].argmin(1)]
    return pd.DataFrame({"image": worst, "loss": POINTS * loss[worst], "main kind": main})
