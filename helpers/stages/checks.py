"""The last section of every notebook: is what it made fit to be used?"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from helpers.compare import latency_frame
from helpers.dataset import category_numbers, read_objects, sample_count
from helpers.errors import LabError
from helpers.experiment import Run
from helpers.models import Model
from helpers.resample import average_precision
from helpers.show.figures import FIGURES
from helpers.show.frames import neat
from helpers.show.style import creation_time
from helpers.show.tables import COLUMNS, read_results
from helpers.stages.download import SIZE_BOUNDS
from helpers.stages.evaluate import read_evidence, read_score
from helpers.stages.measure import measured_files, read_measurement
from helpers.stages.present import figure_times
from helpers.stages.quantize import read_variant, working_files
from helpers.variants import BASELINE, CONTROL

LARGEST_INT8_SHARE = 0.35


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
    photos, objects = sample_count(dataset), read_objects(dataset)
    areas = objects.area[~objects.crowd]
    if run.profile.data or run.profile.coco:
        return require({"there are photos": photos > 0, "there are objects": len(areas) > 0})
    return require(
        {
            f"{run.profile.images} evaluation photos": photos == run.profile.images,
            "every category occurs": len(set(objects.category)) == len(category_numbers(dataset)),
            "small, medium and large objects occur": len(set(np.digitize(areas, SIZE_BOUNDS))) == 3,
        }
    )


def check_quantize(run: Run, model: Model) -> Styler:
    records = {v.id: read_variant(run, model, v.id) for v in run.variants}
    sizes = {name: record.values.get("size_bytes", 0) for name, record in records.items()}
    checks = {"every variant has a record": len(records) == len(run.variants)}
    for variant in run.variants:
        facts = records[variant.id].values
        if not records[variant.id].failure and not variant.own:
            found = (facts["storage_dtype"], facts["compute_dtype"])
            promised = (variant.storage_dtype, variant.compute_dtype)
            checks[f"{variant.id} stores {promised[0]}, computes {promised[1]}"] = found == promised
    if sizes.get("int8"):
        share = sizes["int8"] / sizes[BASELINE]
        checks[f"int8 is at most {LARGEST_INT8_SHARE} of float32's size ({share:.3f})"] = (
            share <= LARGEST_INT8_SHARE
        )
    return require(checks)


def check_evaluate(run: Run, model: Model) -> Styler:
    checks, counts = {}, set()
    for variant in working_files(run, model):
        record, evidence = read_score(run, model, variant), read_evidence(run, model, variant)
        counts.add(record.values["images"])
        ones = np.ones((1, evidence.images), np.int32)
        again, ap = float(average_precision(evidence, ones).mean()), record.values["stats"]["ap"]
        checks[f"{variant}: AP lies in 0..1"] = 0 <= ap <= 1
        checks[f"{variant}: the evidence gives the same AP to 1e-12"] = abs(again - ap) < 1e-12
    checks["all variants saw the same number of photos"] = len(counts) == 1
    return require(checks)


def check_measure(run: Run, model: Model) -> Styler:
    expected = set(measured_files(run, model))
    latency = read_measurement(run, model, "latency").values
    energy = read_measurement(run, model, "energy").values
    loop = read_measurement(run, model, "parts").values
    looped = {v for entry in loop["rounds"] for v in entry["visits"]} | set(loop["failures"])
    frame = latency_frame(latency, model.id)
    measured = set(frame["variant"]) | set(latency["failures"])
    rounds = (len(latency["rounds"]), len(energy["rounds"]))
    least = (run.profile.latency_rounds, run.profile.energy_rounds)
    return require(
        {
            "every variant and the control were timed": measured == expected and CONTROL in expected,
            "every variant's loop was timed in parts": looped == expected,
            "every sample is finite and above zero": bool(
                np.isfinite(frame["latency_ms"]).all() and (frame["latency_ms"] > 0).all()
            ),
            f"at least {least[0]} latency and {least[1]} energy rounds": all(np.greater_equal(rounds, least)),
            "the energy figure has a grade": energy["settings"]["meter"]["grade"] in "ABCD",
        }
    )


def check_compare(run: Run, results: pd.DataFrame, context: Mapping) -> Styler:
    stored = read_results(run.paths.results("csv"))
    expected = [(m.id, v) for m in run.models for v in [*(v.id for v in run.variants), CONTROL]]
    rows = list(zip(stored["model"], stored["variant"], strict=True))
    whole = stored[stored["failed"].fillna("") == ""]
    needed = ["ap", "size_bytes", "latency_ms_p50"]
    moment = creation_time(context).isoformat()
    return require(
        {
            "one row per model and variant, the control included": rows == expected,
            "all promised columns": set(COLUMNS) <= set(stored.columns),
            "AP, size and latency of every variant that did not fail": bool(
                np.isfinite(whole[needed].astype(float)).all(axis=None)
            ),
            "image counts are equal": whole["images"].nunique() == 1,
            f"{len(FIGURES)} figures, all of this run's records": set(figure_times(run).values()) == {moment},
            "the report is written": run.paths.report.stat().st_size > 0,
        }
    )
