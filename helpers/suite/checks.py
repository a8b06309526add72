"""The last section of every notebook: is what it made fit to be used?"""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from helpers.compare.figures.catalogue import FIGURES
from helpers.compare.present import figure_times
from helpers.compare.results import latency_frame
from helpers.compare.tables.writing import COLUMNS, read_results
from helpers.energy.stage import measured_files, read_measurement
from helpers.evaluate.stage import read_evidence, read_score, scored
from helpers.lab.errors import LabError
from helpers.models.registry import Model
from helpers.photos.dataset import category_numbers, read_objects, sample_count
from helpers.quantize.stage import read_variant
from helpers.run.experiment import Run
from helpers.run.standing import made_models, scored_models
from helpers.run.variants import CONTROL
from helpers.show.frames import neat
from helpers.show.style import creation_time
from helpers.tasks.detection.resample import average_precision


def require(checks: Mapping[str, bool]) -> Styler:
    """A table of the checks.

    Raises:
        LabError: one did not pass.
    """
    failed = [name for name, passed in checks.items() if not passed]
    if failed:
        raise LabError(
            f"checks that did not pass: {'; '.join(failed)}.",
            "all checks of the notebook passed",
            "read the cells above for the cause; the stage is not marked as done.",
        )
    return neat(pd.DataFrame({"check": list(checks), "passed": "yes"}))


def check_download(run: Run, dataset) -> Styler:
    photos = sample_count(dataset)
    if run.profile.coco or run.profile.data:
        return require({"there are photos": photos > 0})
    objects = read_objects(dataset)
    return require(
        {
            f"{run.profile.images} evaluation photos": photos == run.profile.images,
            "every category occurs": len(set(objects.category)) == len(category_numbers(dataset)),
        }
    )


def check_quantize(run: Run) -> Styler:
    """Every variant of every model has a record, and what is recorded as whole is what was promised."""
    checks = {}
    for model in run.models:
        for variant in run.variants:
            record = read_variant(run, model, variant.id)
            if record.failure:
                checks[f"{model.id}, {variant.id}: failed, and says why"] = True
                continue
            found = (record.values["storage_dtype"], record.values["compute_dtype"])
            promised = found if variant.own else (variant.storage_dtype, variant.compute_dtype)
            checks[f"{model.id}, {variant.id} stores {found[0]}, computes {found[1]}"] = found == promised
    return require(checks)


def check_evaluate(run: Run) -> Styler:
    checks, counts = {}, set()
    for model in scored_models(run):
        for variant in scored(run, model):
            record, evidence = read_score(run, model, variant), read_evidence(run, model, variant)
            counts.add(record.values["images"])
            ones = np.ones((1, evidence.images), np.int32)
            again, ap = float(average_precision(evidence, ones).mean()), record.values["stats"]["ap"]
            same = abs(again - ap) < 1e-12 or (ap == -1 and math.isnan(again))
            checks[f"{model.id}, {variant}: the evidence gives the same AP to 1e-12"] = same
    checks["all variants saw the same number of photos"] = len(counts) == 1
    return require(checks)


def check_measure(run: Run) -> Styler:
    checks: dict[str, bool] = {}
    for model in made_models(run):
        checks |= {f"{model.id}: {name}": passed for name, passed in measure_checks(run, model).items()}
    return require(checks)


def measure_checks(run: Run, model: Model) -> dict[str, bool]:
    expected = set(measured_files(run, model))
    latency = read_measurement(run, model, "latency").values
    energy = read_measurement(run, model, "energy").values
    loop = read_measurement(run, model, "parts").values
    looped = {v for entry in loop["rounds"] for v in entry["visits"]} | set(loop["failures"])
    frame = latency_frame(latency, model.id)
    measured = set(frame["variant"]) | set(latency["failures"])
    rounds = (len(latency["rounds"]), len(energy["rounds"]))
    least = [
        0 if len(raw["failures"]) == len(expected) else wanted
        for raw, wanted in ((latency, run.profile.latency_rounds), (energy, run.profile.energy_rounds))
    ]
    return {
        "every variant and the control were timed, or say why not": measured == expected,
        "every variant's loop was timed in parts, or says why not": looped == expected,
        "every sample is finite and above zero": bool(
            np.isfinite(frame["latency_ms"]).all() and (frame["latency_ms"] > 0).all()
        ),
        f"at least {least[0]} latency and {least[1]} energy rounds": all(np.greater_equal(rounds, least)),
        "the energy figure has a grade": energy["settings"]["meter"]["grade"] in "ABCD",
    }


def check_compare(run: Run, results: pd.DataFrame, context: Mapping) -> Styler:
    stored = read_results(run.paths.results("csv"))
    expected = [(m.id, v) for m in run.models for v in [*(v.id for v in run.variants), CONTROL]]
    rows = list(zip(stored["model"], stored["variant"], strict=True))
    whole = stored[stored["failed"].fillna("") == ""]
    moment = creation_time(context).isoformat()
    return require(
        {
            "one row per model and variant, the control included": rows == expected,
            "all promised columns": set(COLUMNS) <= set(stored.columns),
            "the size of every variant that did not fail": bool(
                np.isfinite(whole["size_bytes"].astype(float)).all()
            ),
            "image counts are equal": whole["images"].nunique() <= 1,
            f"{len(FIGURES)} figures, all of this run's records": set(figure_times(run).values()) == {moment},
            "the report is written": run.paths.report.stat().st_size > 0,
        }
    )
