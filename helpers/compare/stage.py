"""05: from records alone to results table, figures, tables and report."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.compare.results import accuracy_columns, resample_variants, tie_columns, verdict_columns
from helpers.compare.verdict import verdicts, why_unjudged
from helpers.energy.columns import latency_frame, measured_columns
from helpers.energy.parts.frame import parts_frame
from helpers.energy.selftest.summary import SelfTest, sentence, summarize_selftest
from helpers.energy.summary import LEVEL_BY_WIDTH, ended_by_width
from helpers.energy.threads import threads_frame
from helpers.energy.why.operators import INVOCATIONS, operators_frame
from helpers.evaluate.loss_shares import losses_frame, scored_variants
from helpers.lab.files import atomic_file
from helpers.lab.paths import runs_dir
from helpers.lab.records import Record, current_record, read_record, require_same_setting
from helpers.models.registry import Model
from helpers.quantize.layers.all_variants import all_layers
from helpers.run.experiment import Run, keep, origin
from helpers.run.standing import made_failure, made_models, scored_failure, scored_models
from helpers.run.variants import BASELINE, CONTROL
from helpers.tasks.detection.evidence import Evidence

# Columns that a run has whether or not anything could be measured.
MEASURABLE = (
    "storage_dtype", "compute_dtype", "size_bytes", "images", "failed", "energy_grade",
    "ap_reason", "latency_reason", "memory_reason", "energy_reason",
    "ap_within", "ap_margin", "ap_joint_low", "ap_joint_high", "ap_worse_share", "ap_images_needed",
    *(f"{name}{end}" for end in ("", "_low", "_high") for name in (
        "ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ap_diff", "ap50_diff", "ap75_diff",
        "ap_small_diff", "ap_medium_diff", "ap_large_diff", "latency_ms_p50", "latency_ms_p99",
        "latency_ratio", "peak_rss_bytes", "energy_ratio", "energy_net_j")),
    "ar100", "ap_ties_low", "ap_ties_high", "distinct_scores",
    "energy_j_per_image", "energy_low", "energy_high",
)  # fmt: skip
NOTHING_TO_FIND = "no object on the evaluation photos counts"
MEASURED = dict.fromkeys(("latency", "memory", "energy", "parts"), "04_energy.ipynb")


def read_records(run: Run, model: Model) -> dict[str, Record]:
    """All records of a model: ``variant/<id>``, ``score/<id>``, ``latency``, ``memory``, ``energy``.

    Raises:
        LabError: one is missing, or they come from different hosts or library versions.
    """
    records = {}
    for variant in run.variants:
        path = run.paths.variant_record(model.id, variant.id)
        records[f"variant/{variant.id}"] = read_record(path, "run 02_quantize.ipynb first.")
        path = run.paths.score_record(model.id, variant.id)
        records[f"score/{variant.id}"] = read_record(path, "run 03_evaluate.ipynb first.")
    for quantity, notebook in MEASURED.items():
        path = run.paths.measurement_record(model.id, quantity)
        records[quantity] = read_record(path, f"run {notebook} first.")
    require_same_setting(
        records, f"run everything again on one machine: `python -m helpers run --run {run.paths.name}`."
    )
    return records


def resampled(run: Run, model: Model) -> dict[str, dict[str, np.ndarray]]:
    """Resampled AP of every variant that has an AP; computed once, then read from disk."""
    files = {variant: run.paths.evidence_file(model.id, variant) for variant in scored_variants(run, model)}
    path = run.paths.resampled_record(model.id)
    parameters = {"resamples": run.profile.resamples, "seed": run.profile.seed}
    source = origin(files, parameters, "helpers.tasks.detection.resample", "helpers.compare.results")
    stored = path.with_suffix(".npz")
    if not current_record(path, source):
        evidence = {variant: Evidence.load(file) for variant, file in files.items()}
        save_resampled(stored, resample_variants(evidence, **parameters))
        keep(path, "resampled", source, {}, [stored])
    return load_resampled(stored)


def save_resampled(path: Path, content: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    flat = {f"{v}/{q}": values for v, quantities in content.items() for q, values in quantities.items()}
    with atomic_file(path) as temporary:
        np.savez_compressed(temporary, **flat)


def load_resampled(path: Path) -> dict[str, dict[str, np.ndarray]]:
    content: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path) as stored:
        for name in stored.files:
            variant, quantity = name.split("/")
            content.setdefault(variant, {})[quantity] = stored[name]
    return content


def build_results(run: Run) -> pd.DataFrame:
    """One row per model and variant, the control included; columns as ``show.tables.COLUMNS`` and more."""
    standing = made_models(run)
    rows = [
        row
        for model in run.models
        for row in (model_rows(run, model) if model in standing else failed_model_rows(run, model))
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(**{name: math.nan for name in MEASURABLE if name not in frame})


def failed_model_rows(run: Run, model: Model) -> list[dict[str, Any]]:
    """Of a model that has no float32: nothing can be said of its variants but why."""
    reason = made_failure(run, model)
    own = {v.id: read_record(run.paths.variant_record(model.id, v.id), "").failure for v in run.variants}
    failures = dict.fromkeys([*own, CONTROL], f"{BASELINE} failed: {reason}") | {BASELINE: reason}
    failures |= {variant: failure for variant, failure in own.items() if failure}
    return [{"model": model.id, "variant": variant, "failed": why} for variant, why in failures.items()]


def model_rows(run: Run, model: Model) -> list[dict[str, Any]]:
    records = read_records(run, model)
    # Without float32's AP there is no difference to it; what was measured of the files stands.
    draws = {} if scored_failure(run, model) else resampled(run, model)
    raw = {quantity: records[quantity].values for quantity in MEASURED}
    measured = measured_columns(raw, run.profile.resamples, run.profile.seed)
    images = records[f"score/{BASELINE}"].values.get("images", 0)
    asked = {"margin": run.margin_points / 100, "conclusive": run.profile.conclusive}
    judged = verdict_columns(verdicts(draws, images, **asked)) if draws else {}
    noise = {"latency_selftest_noise": selftest_noise(run, model)}
    variants = [*(variant.id for variant in run.variants), CONTROL]
    unjudged = unjudged_columns(run, draws)
    columns = {v: unjudged.get(v, {}) | judged.get(v, {}) | measured.get(v, {}) | noise for v in variants}
    return [result_row(model, variant, records, draws, columns[variant]) for variant in variants]


def unjudged_columns(run: Run, draws: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, str]]:
    """For variants without an AP too: that nothing is judged in this run, if that is so."""
    base = float(draws[BASELINE]["ap"][0]) if draws else math.nan
    why = why_unjudged(base, run.margin_points / 100, run.profile.conclusive)
    return {v.id: {"ap_within": why} for v in run.variants if why and v.id != BASELINE}


def result_row(
    model: Model, variant: str, records: Mapping[str, Record], draws: Mapping, measured: Mapping[str, Any]
) -> dict[str, Any]:
    """Columns of one variant: each quantity is a value or, in ``<quantity>_reason``, why there is none.

    ``failed`` is for a variant without a file, of which there is nothing at all.
    """
    source = BASELINE if variant == CONTROL else variant
    facts = records[f"variant/{source}"].values
    scored = records[f"score/{source}"].values
    failed = records[f"variant/{source}"].failure
    row: dict[str, Any] = {"model": model.id, "variant": variant, "failed": failed}
    row["ap_reason"] = "" if failed else ap_reason(records, source)
    row |= {name: facts.get(name) for name in ("storage_dtype", "compute_dtype", "size_bytes")}
    row["images"] = scored.get("images")
    if source in draws:
        row |= accuracy_columns(variant, scored["stats"], draws)
        row["ap_reason"] = NOTHING_TO_FIND if math.isnan(row["ap"]) else ""
        row |= tie_columns(scored)
    return row | dict(measured)


def ap_reason(records: Mapping[str, Record], variant: str) -> str:
    """Why a variant has no AP, or none that float32's can be held against; empty if it has one."""
    own, base = (records[f"score/{each}"].failure for each in (variant, BASELINE))
    return own or (base and f"{BASELINE} failed: {base}")


def build_frames(run: Run) -> dict[str, pd.DataFrame]:
    """What figures and report need beside the results.

    Returns:
        ``latency_samples``: raw samples of all models, tidy. ``losses``: where each variant's difference
        in AP lies, see ``losses_frame``. ``operators``: time by kind of operator, see ``kinds_frame``.
        ``threads``: latency by number of threads, see ``threads_frame``.
        ``layers``: error of every layer, see ``layers_frame``.
        ``parts``: time per photo by part of the loop, see ``parts_rows``.
    """
    models = made_models(run)
    records = {m.id: read_records(run, m)["latency"] for m in models}
    samples = [latency_frame(record.values, model) for model, record in records.items()]
    losses = [losses_frame(run, model) for model in scored_models(run)]
    return {
        "latency_samples": pd.concat(samples, ignore_index=True),
        "losses": pd.concat(losses, ignore_index=True),
        "operators": operators_frame(run),
        "threads": threads_frame(run, models),
        "layers": all_layers(run),
        "parts": parts_frame(run, models),
    }


def build_context(run: Run) -> dict[str, Any]:
    """What captions and the report say about where the numbers come from."""
    records = read_records(run, scored_models(run)[0])
    latency, energy = records["latency"], records["energy"]
    meter = energy.values["settings"]["meter"]
    origin_facts = latency.provenance
    return {
        "run": run.paths.name,
        "profile": run.profile.id,
        "images": records[f"score/{BASELINE}"].values["images"],
        "rounds": len(latency.values["rounds"]),
        "memory_probes": len(records["memory"].values["rounds"]),
        "resamples": run.profile.resamples,
        "level": 0.95,
        "host": f"{origin_facts['cpu']} ({origin_facts['usable_cores']} cores)",
        "threads": latency.values["settings"]["threads"],
        "ratio_level": LEVEL_BY_WIDTH if ended_by_width(latency.values) else 0.95,
        "commit": origin_facts.get("commit"),
        "created_utc": max(record.provenance["time_utc"] for record in records.values()),
        "meter": meter["name"],
        "meter_sentence": meter["description"],
        "seed": run.profile.seed,
        "invocations": INVOCATIONS,
        "margin_points": run.margin_points,
        "selftest": selftest_text(run),
    }


def read_selftest(run: Run, model: Model) -> SelfTest | None:
    """What the self-test of measuring found; None where it was not asked for."""
    path = run.paths.selftest_record(model.id)
    return summarize_selftest(read_record(path, "").values) if path.exists() else None


def selftest_noise(run: Run, model: Model) -> float:
    """Relative differences in latency below it are noise, by the self-test; NaN without one."""
    found = read_selftest(run, model)
    return found.noise if found else math.nan


def selftest_text(run: Run) -> str:
    """What the self-test found, for every model that was tested; empty for none."""
    found = [read_selftest(run, model) for model in run.models]
    return " ".join(sentence(each) for each in found if each)


def build_provenance(run: Run) -> dict[str, Any]:
    """Host, library versions and hashes for the report's last section."""
    records = read_records(run, scored_models(run)[0])
    facts = dict(records["latency"].provenance)
    facts["packages"] = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    facts["frequency"] = {k: v for k, v in facts["frequency"].items() if v is not None}
    files = {name: record.origin.key[:16] for name, record in records.items()}
    return {**facts, "records": files}


def point_latest(run: Run) -> Path:
    """Make ``data/runs/latest`` name this run; return it."""
    link = runs_dir() / "latest"
    temporary = link.with_name(".latest-new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(run.paths.name, target_is_directory=True)
    temporary.replace(link)
    return link
