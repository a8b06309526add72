"""What a reader would not expect of a run, from its records: findings, never reasons to stop."""

from helpers.energy.records import Latency, read_measurement
from helpers.evaluate.suspects import found_in
from helpers.lab.records import Record, read_record
from helpers.models.registry import Model
from helpers.quantize.records import MadeFile
from helpers.run.experiment import Run
from helpers.run.standing import made_models, scored_models
from helpers.run.variants import BASELINE

LARGE_INT8_SHARE = 0.35  # weights of 8 bits take a quarter of those of 32


def surprises(run: Run) -> list[str]:
    """Sentences for 05 and the report; none where all is usual."""
    found = [sentence for model in made_models(run) for sentence in size_surprises(run, model)]
    for model in scored_models(run):
        found += found_in(run, model)
    return found + thread_surprises(run)


def size_surprises(run: Run, model: Model) -> list[str]:
    """Of variants in 8 bits whose file is larger than a third of float32's."""
    records = {v.id: variant_record(run, model, v.id) for v in run.variants if not v.own}
    sizes = {variant: r.values.size_bytes for variant, r in records.items() if r.values}
    return [
        f"{model.id}: {variant} takes {size / sizes[BASELINE]:.2f} of float32's file, not a quarter: in a "
        "small detector scales, names and what stays in float weigh much."
        for variant, size in sizes.items()
        if "int8" in variant and size > LARGE_INT8_SHARE * sizes[BASELINE]
    ]


def variant_record(run: Run, model: Model, variant: str) -> Record[MadeFile]:
    return read_record(run.paths.variant_record(model.id, variant), MadeFile, "run 02_quantize.ipynb first.")


def thread_surprises(run: Run) -> list[str]:
    """Of more threads than there were cores where latency was measured."""
    record = read_measurement(run, scored_models(run)[0], Latency)
    cores, threads = record.provenance.get("usable_cores"), record.values.settings.threads
    if not cores or threads <= cores:
        return []
    return [f"{threads} threads on {cores} cores: they waited for one another, in every measurement."]
