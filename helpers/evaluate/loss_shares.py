"""Where each variant's difference in AP to float32 lies, from the evidence on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from helpers.evaluate.records import Scored
from helpers.lab.intervals import Interval
from helpers.lab.progress import progress
from helpers.lab.records import Number, current_record, read_record
from helpers.models.registry import Model
from helpers.run.experiment import Run, keep, origin
from helpers.run.variants import BASELINE, reference_of
from helpers.tasks.detection.attribution import PARTS, Attribution, explain
from helpers.tasks.detection.error_kinds import Kinds
from helpers.tasks.detection.error_tables import (
    class_table,
    intervals,
    kind_table,
    resampled_rows,
    size_table,
)
from helpers.tasks.detection.evidence import Evidence

WORST_CLASSES = 8


@dataclass(frozen=True)
class Loss:
    """A share of one variant's difference in AP: see ``losses_frame``; ``parts`` as in ``PARTS``."""

    model: str
    variant: str
    group: str
    name: str
    points: Number
    low: Number
    high: Number
    parts: tuple[Number, ...]


@dataclass(frozen=True)
class Losses:
    """All shares of all variants of a model."""

    losses: tuple[Loss, ...]


COLUMNS = ["model", "variant", "group", "name", "points", "low", "high", *PARTS]


def scored_variants(run: Run, model: Model) -> dict[str, Scored]:
    """Values of the score record of every variant that worked, in order, of a model whose float32 did."""
    paths = {v.id: run.paths.score_record(model.id, v.id) for v in run.variants}
    records = {
        variant: read_record(path, Scored, "run 03_evaluate.ipynb first.") for variant, path in paths.items()
    }
    return {variant: record.values for variant, record in records.items() if not record.failure}


def known_of(run: Run, model: Model, variant: str) -> tuple[Evidence, Kinds]:
    evidence = Evidence.load(run.paths.evidence_file(model.id, variant))
    return evidence, Kinds.load(run.paths.kinds_file(model.id, variant))


def explain_all(run: Run, model: Model) -> dict[str, Attribution]:
    """For every variant that worked, float32 aside, where its difference in AP to float32 lies."""
    others = [variant for variant in scored_variants(run, model) if variant != BASELINE]
    return {v: explain(*base_of(run, model, v), *known_of(run, model, v)) for v in others}


def base_of(run: Run, model: Model, variant: str):
    """What is known of the float32 that a variant's accuracy is held against; the model's own, where that of
    the variant's runtime has no AP."""
    base = reference_of(variant)
    return known_of(run, model, base if base in scored_variants(run, model) else BASELINE)


def losses_frame(run: Run, model: Model) -> pd.DataFrame:
    """All of it, tidy, in AP points, negative is loss; computed once, then read from disk.

    Returns:
        Columns ``model``, ``variant``, ``group`` (``kind``, ``size`` or ``class``), ``name``, ``points``;
        ``low``, ``high``: 95 % interval, for kinds and sizes; ``objects``, ``false alarms``: the two parts
        of ``points``, for kinds.
    """
    paths, variants = run.paths, list(scored_variants(run, model))
    files = {f"{v} evidence": paths.evidence_file(model.id, v) for v in variants}
    files |= {f"{v} kinds": paths.kinds_file(model.id, v) for v in variants}
    source = origin(files, {"seed": run.profile.seed}, "helpers.evaluate.loss_shares")
    record = current_record(paths.losses_record(model.id), Losses, source)
    if record is None:
        rows = explained_rows(run, model).itertuples(index=False, name=None)
        record = keep(paths.losses_record(model.id), "losses", source, Losses(tuple(map(as_loss, rows))))
    return pd.DataFrame(map(as_row, record.values.losses), columns=COLUMNS)


def as_loss(row: tuple) -> Loss:
    return Loss(*row[: -len(PARTS)], tuple(row[-len(PARTS) :]))


def as_row(loss: Loss) -> tuple:
    return *(value for name, value in vars(loss).items() if name != "parts"), *loss.parts


def explained_rows(run: Run, model: Model) -> pd.DataFrame:
    frames = []
    classes = list(scored_variants(run, model)[BASELINE].ap_per_class)
    for variant, attribution in progress(explain_all(run, model).items(), "explaining", "variant"):
        base, own = base_of(run, model, variant), known_of(run, model, variant)
        draws = resampled_rows(*base, *own, seed=run.profile.seed)
        rows = tidy(attribution, intervals(attribution, draws), classes)
        frames.append(rows.assign(model=model.id, variant=variant))
    return pd.concat(frames, ignore_index=True)[COLUMNS] if frames else pd.DataFrame(columns=COLUMNS)


def tidy(attribution: Attribution, known: Mapping[str, Interval], classes: Sequence[str]) -> pd.DataFrame:
    tables = {
        "kind": kind_table(attribution, known).rename(columns={"sum": "points"}),
        "size": size_table(attribution, known)[["sum", "low", "high"]].rename(columns={"sum": "points"}),
        "class": class_table(attribution, classes, WORST_CLASSES)[["total"]].set_axis(["points"], axis=1),
    }
    named = [table.rename_axis("name").reset_index().assign(group=group) for group, table in tables.items()]
    return pd.concat(named, ignore_index=True)
