"""03: detections of every variant, COCO's metric, per-image evidence, predictions in FiftyOne."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields

import numpy as np

from helpers.evaluate import suspects
from helpers.evaluate.cluster import ClusterError
from helpers.evaluate.detect import ShardResult
from helpers.evaluate.records import LoopTime, Scored
from helpers.evaluate.shards import NOTEBOOK, Progress, detect_all, load_detections
from helpers.lab.errors import reason_of
from helpers.lab.progress import progress
from helpers.lab.records import Record, current_record, read_record
from helpers.models.registry import Model
from helpers.photos.dataset import (
    category_numbers,
    evaluate_columns,
    field_name,
    unknown_categories,
    unknown_text,
)
from helpers.quantize.stage import read_variant
from helpers.run.experiment import Run, keep, keep_failure, origin
from helpers.run.standing import made_models, scored_models
from helpers.run.variants import BASELINE
from helpers.tasks.detection.columns import DetectionColumns
from helpers.tasks.detection.error_kinds import Kinds, classify
from helpers.tasks.detection.evidence import Evidence

SCORED_BY = (
    "helpers.tasks.detection.exact_coco.method",
    "helpers.tasks.detection.error_kinds",
    "helpers.photos.coco.fit",
)
TIMED = tuple(each.name for each in fields(LoopTime))


def detect_models(run: Run, dataset) -> dict[str, dict[str, str]]:
    """``detect_all`` for every model that has a float32: model -> variant -> why it could not be run."""
    failures = {}
    for model in made_models(run):
        try:
            failures[model.id] = detect_all(run, model, dataset)
        except ClusterError:
            raise
        except Exception as error:  # labels that do not fit, or a runtime that breaks on the first photos
            failures[model.id] = dict.fromkeys((v.id for v in run.variants), reason_of(error))
    return failures


def score_models(run: Run, dataset, failures: Mapping[str, Mapping[str, str]]) -> tuple[Model, ...]:
    """``score_all`` for every model that has a float32; returns those whose float32 has an AP.

    Raises:
        LabError: there is none.
    """
    for model in made_models(run):
        score_all(run, model, dataset, failures[model.id])
    return scored_models(run)


def detection_columns(work: Progress, shards: Iterable[ShardResult]) -> DetectionColumns:
    """Detections of all photos as the cores left them; images and classes are those of ``work.truth``."""
    classes = np.array(list(category_numbers(work.dataset).values()))
    images = np.array(list(work.photos))
    columns = zip(
        *((shard.image_id, shard.category_id, shard.bbox, shard.score) for shard in shards), strict=True
    )
    image, category, box, score = (np.concatenate(parts) for parts in columns)
    places = np.searchsorted(images, image), np.searchsorted(classes, category)
    return DetectionColumns(places[0].astype(np.int32), places[1].astype(np.int16), box, score)


def score_all(
    run: Run, model: Model, dataset, failures: Mapping[str, str] | None = None
) -> dict[str, Record[Scored]]:
    """COCO's metric of every variant, inside FiftyOne; the evidence goes to disk."""
    work, records = Progress(run, model, dataset), {}
    for variant in progress(run.variants, "scoring", "variant"):
        reason = (failures or {}).get(variant.id) or read_variant(run, model, variant.id).failure
        path = run.paths.score_record(model.id, variant.id)
        if reason:
            source = origin({}, {"variant": variant.id}, *SCORED_BY)
            records[variant.id] = keep_failure(path, "score", source, reason)
        else:
            records[variant.id] = score_variant(run, model, dataset, variant.id, work)
    return records


def score_variant(run: Run, model: Model, dataset, variant: str, work: Progress) -> Record[Scored]:
    path = run.paths.score_record(model.id, variant)
    inputs = {"detections": work.origin_of(variant).key, "labels": work.labels}
    source = origin(inputs, {}, *SCORED_BY)
    field = field_name(model.id, variant)
    marker = f"{field}_key"
    record = current_record(path, Scored, source)
    if record and dataset.info.get(marker) == source.key:
        return record
    dataset.info.pop(marker, None)
    dataset.save()
    found = detection_columns(work, load_detections(work, variant))
    results = evaluate_columns(dataset, work.truth, field, found)
    kept = [run.paths.evidence_file(model.id, variant), run.paths.kinds_file(model.id, variant)]
    results.evidence.save(kept[0])
    classify(work.truth.objects(), found, results.evidence).save(kept[1])
    record = keep(path, "score", source, scored_values(results, work, variant, field), kept)
    dataset.info[marker] = source.key
    dataset.save()
    return record


def scored_values(results, work: Progress, variant: str, field: str) -> Scored:
    """What the record of a score says."""
    seconds = dict.fromkeys(TIMED, 0.0)
    detections, broken, loops = 0, [], []
    for shard, photos in zip(load_detections(work, variant), work.shards, strict=True):
        loops += [(len(photos), shard.loop_s)] if shard.loop_s else []
        seconds = {name: total + getattr(shard, name) for name, total in seconds.items()}
        detections += len(shard.score)
        broken += shard.broken.tolist()
    found = broken_findings(work, variant, broken)
    found += baseline_findings(work, results) if variant == BASELINE else []
    return Scored(
        stats=results.stats,
        ap_per_class=results.ap_per_class,
        tie_bounds=results.tie_bounds,
        distinct_scores=results.distinct_scores,
        images=len(results.image_ids),
        detections=detections,
        field=field,
        timing=LoopTime(**seconds),
        loops=tuple(loops),
        broken_images=len(broken),
        findings=tuple(found),
    )


def broken_findings(work: Progress, variant: str, broken: Sequence[int]) -> list[str]:
    """That a core gave what are no numbers for some photos, by their ids: too few to call the file broken."""
    if not broken:
        return []
    return [
        f"{variant} gives NaN or infinity for {len(broken)} of {len(work.photos)} photos, the first is "
        f"{work.photos[broken[0]].name}: what is no number there counts as not found, and its AP holds that. "
        "Look at the file: a layer may overflow."
    ]


def baseline_findings(work: Progress, results) -> list[str]:
    """What is suspicious about the labels, and what counts against the model by its label map."""
    model = work.model
    unknown = unknown_categories(work.dataset, model.categories, model.id)
    return suspects.findings(work, results.stats["ap"]) + (
        [unknown_text(unknown, model.id)] if unknown else []
    )


def read_score(run: Run, model: Model, variant: str) -> Record[Scored]:
    return read_record(run.paths.score_record(model.id, variant), Scored, f"run {NOTEBOOK} first.")


def scored(run: Run, model: Model) -> list[str]:
    """Variants that have an AP, in order."""
    return [v.id for v in run.variants if not read_score(run, model, v.id).failure]


def read_evidence(run: Run, model: Model, variant: str) -> Evidence:
    return Evidence.load(run.paths.evidence_file(model.id, variant))


def read_kinds(run: Run, model: Model, variant: str) -> Kinds:
    return Kinds.load(run.paths.kinds_file(model.id, variant))
